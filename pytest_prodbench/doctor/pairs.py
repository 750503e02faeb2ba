"""Which pictures are one photo: proposed by hash and embedding, decided by laying one over the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytest_prodbench.datasets.threads import for_each
from pytest_prodbench.doctor.facts import SamePhoto
from pytest_prodbench.doctor.same_photo import as_part, as_whole
from pytest_prodbench.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_prodbench.doctor.finding import Key, Row
    from pytest_prodbench.doctor.photos import Album, Photo

BITS = 6
"""Most bits of 64 that may differ between the hashes of a photo and of itself encoded or resized."""

HASHED_NEIGHBOURS = 20
"""Pictures with the nearest hashes that are compared with each; memory stays linear."""

BLOCK = 8192
"""Hashes that are searched for at once."""

LEFT = 4.5
"""Most grey levels that may be left in the worst part of two pictures that are one photo."""


def close_hashes(hashes: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return (row, row, bits) of the pairs whose hashes differ in at most ``BITS``, every pair once.

    All are compared with all, 64 bits at a time, by faiss; of each the nearest are kept.
    """
    import faiss

    count = len(hashes)
    if count < 2:
        return []
    codes = np.frombuffer(b"".join(h.to_bytes(8) for h in hashes), np.uint8).reshape(count, 8)
    index = faiss.IndexBinaryFlat(64)
    index.add(codes)
    k = min(HASHED_NEIGHBOURS + 1, count)
    found: dict[tuple[int, int], int] = {}
    for start in range(0, count, BLOCK):
        bits, rows = index.search(codes[start : start + BLOCK], k)
        for n, place in np.argwhere((bits <= BITS) & (rows >= 0)).tolist():
            i, j = start + n, int(rows[n, place])
            if i != j:
                found[min(i, j), max(i, j)] = int(bits[n, place])
    return [(i, j, bits) for (i, j), bits in sorted(found.items())]


def same_photos(
    keys: Sequence[Key],
    photos: Mapping[Key, Photo],
    rows_of: Mapping[Key, Sequence[Row]],
    near: Iterable[tuple[int, int, float]],
    album: Album,
) -> list[SamePhoto]:
    """Compare the pairs that a hash or an embedding proposes, and return those that are one photo.

    Args:
        keys: pictures with distinct pixels.
        photos: of each.
        rows_of: of each; two pictures of one product in one role may resemble each other.
        near: (row, row, cosine) by embedding.
        album: decodes them again.
    """
    cosines = {(i, j): cosine for i, j, cosine in near}
    hashed = {(i, j) for i, j, _ in close_hashes([photos[key].hash for key in keys])}

    def compared(pair: tuple[int, int]) -> SamePhoto | None:
        one, other = keys[pair[0]], keys[pair[1]]
        try:
            pictures = album.picture(one), album.picture(other)
        except ImageError:
            return None  # readable a moment ago; the rows say so when the doctor is called again
        same = as_whole(*pictures)
        if same.left > LEFT:
            part = as_part(*pictures) if pair in cosines else None
            if part is None or part.left > LEFT:
                return None
            same = part
        bits = (photos[one].hash ^ photos[other].hash).bit_count()
        share = min(same.window[2] * same.window[3], 1.0)
        return SamePhoto(one, other, same.left, bits, cosines.get(pair), same.cut, share)

    proposed = [
        (i, j)
        for i, j in sorted({*hashed, *cosines})
        if _matters(rows_of[keys[i]], rows_of[keys[j]])
    ]
    return [same for same in for_each(proposed, compared) if same is not None]


def _matters(one: Sequence[Row], other: Sequence[Row]) -> bool:
    """Whether the two would be a fault as one photo: of two products, or in both roles."""
    return any(a.product_id != b.product_id or a.role != b.role for a in one for b in other)
