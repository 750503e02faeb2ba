"""Files of a repository on the Hugging Face hub; its own client resumes, checks and knows who asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

from pytest_prodbench.datasets.fetching.room import need_room
from pytest_prodbench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from huggingface_hub.file_download import DryRunFileInfo

    from pytest_prodbench.datasets.published import Download


def fetch_hub(download: Download, folder: Path) -> tuple[str, int]:
    """Bring the files of a download into a folder; those that are there already are kept.

    Returns:
        The commit that its revision means, and how many files it has.

    Raises:
        DatasetError: no such repository, no access, no network, no room.
    """
    from huggingface_hub import snapshot_download

    snapshot = partial(
        snapshot_download,
        download.repository,
        repo_type="dataset",
        allow_patterns=download.allow_patterns or None,
        local_dir=folder,
        # Read here: the client reads it once, when it is imported.
        endpoint=os.environ.get("HF_ENDPOINT"),
    )
    with _failure_told(download):
        found = snapshot(revision=download.revision, dry_run=True)
    files = cast("list[DryRunFileInfo]", found)
    if not files:
        raise DatasetError(
            download.address,
            found=f"no file that matches {', '.join(download.allow_patterns) or 'anything'}",
            next_step="the repository has changed: look at its page",
        )
    wanted = sum(file.file_size or 0 for file in files if file.will_download)
    need_room(folder, wanted, f"{download.repository} on the hub")
    with _failure_told(download):
        # By its commit: a branch may move between the two requests.
        snapshot(revision=files[0].commit_hash)
    return files[0].commit_hash, len(files)


@contextmanager
def _failure_told(download: Download) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).strip().splitlines()[:1])[:300]
        raise DatasetError(
            download.address,
            found=f"could not be fetched: {type(error).__name__}: {reason}",
            next_step="check the network and HF_HUB_OFFLINE; where the set is gated, accept its terms on "
            "that page and set HF_TOKEN; what arrived is kept",
        ) from error
