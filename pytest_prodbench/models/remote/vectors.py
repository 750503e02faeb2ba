"""Vectors out of a reply, in the order of the images that were sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.remote.protocol import BrokenReplyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


LARGEST = 2.0**63
"""No account of a request has larger numbers."""


def stacked(rows: Sequence[Any], images: int) -> NDArray[np.float32]:
    """Return float32 (b, d) of as many rows of numbers as images were sent.

    Raises:
        BrokenReplyError: another number of rows, rows of different lengths, or something that is no number.
    """
    import numpy as np

    if len(rows) != images:
        raise BrokenReplyError(f"{len(rows)} vectors for {images} images")
    try:
        vectors = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError):
        raise BrokenReplyError("vectors that are no rows of numbers of one length") from None
    if vectors.ndim != 2:
        raise BrokenReplyError(f"vectors of shape {vectors.shape}")
    return vectors


def by_index(
    entries: Sequence[Mapping[str, Any]], images: int, vector: str = "embedding"
) -> NDArray[np.float32]:
    """Return float32 (b, d) of entries that say in ``index`` which image each belongs to.

    Raises:
        BrokenReplyError: as ``stacked``, or the indices are not those of the images, each once.
    """
    found: dict[int, Any] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or vector not in entry:
            raise BrokenReplyError(f"an entry without {vector!r}")
        if not isinstance(entry.get("index"), int):
            raise BrokenReplyError("an entry whose 'index' is no whole number")
        found[entry["index"]] = entry[vector]
    if len(entries) != images or set(found) != set(range(images)):
        raise BrokenReplyError(
            f"indices {[entry['index'] for entry in entries][:20]} for {images} images"
        )
    return stacked([found[index] for index in range(images)], images)


def usage_of(reply: object) -> dict[str, float]:
    """Return the amounts in a provider's account of a request, one level deep; empty where it gives none.

    What is no amount (not finite, below 0) is left out: the vectors beside it are paid for all the same.
    """
    if not isinstance(reply, Mapping):
        return {}
    return {
        str(name): float(value)
        for name, value in reply.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < LARGEST
    }
