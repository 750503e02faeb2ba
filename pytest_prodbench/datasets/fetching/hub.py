"""Files of a repository on the Hugging Face hub; its own client resumes, checks and knows who asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from pytest_prodbench.datasets.fetching.room import need_room
from pytest_prodbench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_prodbench.datasets.published import Download


def fetch_hub(download: Download, folder: Path) -> tuple[str, int]:
    """Bring the files of a download into a folder; those that are there already are kept.

    Returns:
        The commit that its revision means, and how many files it has.

    Raises:
        DatasetError: no such repository, no access, no network, no room.
    """
    from huggingface_hub import snapshot_download

    # Read here: the client reads it once, when it is imported.
    endpoint = os.environ.get("HF_ENDPOINT")
    patterns = download.allow_patterns or None
    commit, sizes = _listed(download, endpoint)
    if not sizes:
        raise DatasetError(
            download.address,
            found=f"no file that matches {', '.join(download.allow_patterns) or 'anything'}",
            next_step="the repository has changed: look at its page",
        )
    missing = [name for name, size in sizes.items() if not _there(folder / name, size)]
    need_room(folder, sum(sizes[name] for name in missing), f"{download.repository} on the hub")
    if missing:
        with _failure_told(download):
            # By its commit: a branch may move between the two requests.
            snapshot_download(
                download.repository,
                repo_type="dataset",
                revision=commit,
                allow_patterns=patterns,
                local_dir=folder,
                endpoint=endpoint,
            )
    # The client gives back a folder as it is where the hub does not answer.
    lacking = [name for name, size in sizes.items() if not _there(folder / name, size)]
    if lacking:
        raise DatasetError(
            str(folder),
            found=f"{len(lacking):,} of {len(sizes):,} files are not there whole, the first: {lacking[0]}",
            next_step="run the same command again; what arrived is kept",
        )
    return commit, len(sizes)


def _listed(download: Download, endpoint: str | None) -> tuple[str, dict[str, int]]:
    """Return the commit, and the size of each file that is wanted of it."""
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    with _failure_told(download):
        api = HfApi(endpoint=endpoint)
        about = api.dataset_info(download.repository, revision=download.revision)
        commit = about.sha or download.revision
        tree = api.list_repo_tree(
            download.repository, recursive=True, revision=commit, repo_type="dataset"
        )
        return commit, {
            entry.path: entry.size
            for entry in tree
            if isinstance(entry, RepoFile) and _wanted(entry.path, download.allow_patterns)
        }


def _wanted(path: str, patterns: list[str]) -> bool:
    """Return whether the client would fetch a file: it matches as a shell does, over slashes too."""
    return not patterns or any(fnmatch(path, pattern) for pattern in patterns)


def _there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


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
