"""Published counts held against what was read: a set that is not whole measures something else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError, did_you_mean


def verify_counts(
    path: Path,
    found: Mapping[str, int],
    published: Mapping[str, int],
    stated: Mapping[str, int] | None = None,
) -> None:
    """Hold counts against the published ones, or against those that the options state instead.

    Args:
        path: file or folder that was counted.
        found: what is counted, in words → how often it was found.
        published: the same as published; nothing is asked of what is not in it.
        stated: option ``expected_counts``: of a subset on purpose. Replaces all that is published.

    Raises:
        DatasetError: a difference, with both numbers; or ``stated`` counts something unknown.
    """
    for name in stated or ():
        if name not in found:
            raise DatasetError(
                f"{shown(path)}, option expected_counts",
                found=f"{name!r}, which is not counted",
                expected=f"some of {', '.join(found)}",
                next_step=did_you_mean(name, list(found)),
            )
    wanted = published if stated is None else stated
    wrong = [name for name, count in wanted.items() if found[name] != count]
    if not wrong:
        return
    raise DatasetError(
        shown(path),
        found=", ".join(f"{found[name]:,} {name}" for name in wrong),
        expected=", ".join(f"{wanted[name]:,} {name}" for name in wrong)
        + (" (as published)" if stated is None else " (option expected_counts)"),
        next_step="fetch the dataset again, whole; state expected_counts only for a subset on purpose",
    )
