"""The local cache of the Hugging Face hub: found and read here without any library that needs it.

Layout (huggingface_hub, *Manage your cache*)::

    models--ORG--NAME/refs/REVISION           holds the commit that REVISION meant when last fetched
    models--ORG--NAME/snapshots/COMMIT/FILE   links to blobs/
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.checkpoints import first_line, model_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_prodbench.settings.types import ModelSpec

HF_HUB = "hf-hub:"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of a hub repository on this machine.

    Attributes:
        folder: its files; may lack some that the repository has.
        ref: file that says which commit the revision means; None if the revision is a commit.
    """

    folder: Path
    ref: Path | None

    def decides(self, *files: Path) -> list[Path]:
        """Return the files together with the ref that led to them."""
        return [*files, *([self.ref] if self.ref else [])]


def repository_folder(repository: str) -> Path:
    """Return where the cache keeps a repository, whether or not it is there."""
    from huggingface_hub import constants

    # Read at every call: HF_HOME and HF_HUB_CACHE may be set up late, as by a test.
    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"


def cached_snapshot(repository: str, revision: str | None) -> Snapshot | None:
    """Return the snapshot that a revision means on this machine; None if it is not there.

    Args:
        repository: ``org/name``.
        revision: branch, tag or full commit; None for ``main``.
    """
    folder = repository_folder(repository)
    ref = folder / "refs" / (revision or "main")
    if ref.is_file():
        commit = ref.read_text(encoding="utf-8").strip()
        snapshot = Snapshot(folder / "snapshots" / commit, ref)
    else:
        snapshot = Snapshot(folder / "snapshots" / (revision or "main"), None)
    return snapshot if snapshot.folder.is_dir() else None


@contextmanager
def offline() -> Iterator[None]:
    """Forbid the hub client every request inside the block, as ``HF_HUB_OFFLINE=1`` would.

    The variable itself is read once, when the client is imported; hence the constant. Files are always
    resolved before a library sees them: this is the second lock on the same door.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def fetch(
    spec: ModelSpec,
    repository: str,
    revision: str | None,
    *,
    weights: Sequence[str],
    also: Sequence[str] = (),
) -> None:
    """Bring files of a hub repository into the local cache.

    Args:
        spec: the model, for messages.
        repository: ``org/name``.
        revision: branch, tag or commit; None for ``main``.
        weights: names of weight files; the first that the repository has is fetched.
        also: names of other files; those that the repository has are fetched.

    Raises:
        ModelError: no such repository, no access, no network, or none of the weight files.
    """
    from huggingface_hub import hf_hub_download, list_repo_files

    with fetched(spec, repository):
        there = set(list_repo_files(repository, revision=revision))
        chosen = next((name for name in weights if name in there), None)
        if chosen is None:
            raise model_error(
                spec, found=f"{repository} has no weights", expected=f"one of {', '.join(weights)}"
            )
        for name in (*(name for name in also if name in there), chosen):
            hf_hub_download(repository, name, revision=revision)


@contextmanager
def fetched(spec: ModelSpec, source: str) -> Iterator[None]:
    """Turn whatever goes wrong in a download into a ModelError that says why."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise model_error(
            spec,
            found=f"could not fetch {source}: {type(error).__name__}: {first_line(error)}",
            next_step="check the network, HF_HUB_OFFLINE and, for gated models, that the licence is "
            "accepted and HF_TOKEN is set",
        ) from error
