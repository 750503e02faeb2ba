"""Embeddings of the pictures: their nearest neighbours, and whether they resemble their product turned."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from pytest_prodbench.datasets.threads import for_each
from pytest_prodbench.doctor.facts import Turned
from pytest_prodbench.embedding import ImageRequest, embed_images
from pytest_prodbench.retrieval import normalise, search

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pytest_prodbench.doctor.finding import Key, Row
    from pytest_prodbench.doctor.photos import Album, Photo
    from pytest_prodbench.doctor.subject import Subject
    from pytest_prodbench.embedding import ModelHandle, OnProgress
    from pytest_prodbench.settings.types import RunSettings

    Unit = NDArray[np.float32]

NEIGHBOURS = 6
"""Nearest pictures of each that are compared with it."""

NEAR = 0.8
"""Least cosine of a pair that is compared."""

FEWEST_OTHERS = 2
"""Other pictures of a product that say which way is up."""

MORE_ALIKE = 0.3
"""By how much more a turned picture must resemble them."""


def embed(
    subject: Subject,
    keys: Sequence[Key],
    photos: Mapping[Key, Photo],
    model: ModelHandle,
    settings: RunSettings,
    on_progress: OnProgress | None = None,
) -> Unit:
    """Return unit vectors of some pictures, float32 (n, d); what the cache lacks is embedded."""
    requests = [
        ImageRequest(key[0], subject.root / key[0], photos[key].file, key[1], subject.files)
        for key in keys
    ]
    return _embedded(requests, model, settings, on_progress)


def neighbours(unit: Unit, settings: RunSettings) -> list[tuple[int, int, float]]:
    """Return (row, row, cosine) of the nearest pictures of each, every pair once; memory is linear."""
    if len(unit) < 2:
        return []
    k = min(NEIGHBOURS + 1, len(unit))
    backend = "torch" if settings.backend == "auto" else settings.backend
    rows, scores = search(unit, unit, k, backend=backend, threads=max(settings.threads, 1))
    found: dict[tuple[int, int], float] = {}
    for i, (near, cosines) in enumerate(zip(rows.tolist(), scores.tolist(), strict=True)):
        for j, cosine in zip(near, cosines, strict=True):
            if j not in (-1, i) and cosine >= NEAR:
                found[min(i, j), max(i, j)] = cosine
    return [(i, j, cosine) for (i, j), cosine in sorted(found.items())]


class _Turned:
    """Opens pictures turned by 180 degrees, as files that never lie on a disk."""

    def __init__(self, album: Album, names: Mapping[str, Key]) -> None:
        self._album, self._names = album, names

    def data(self, name: str) -> bytes:
        from PIL import Image

        turned = self._album.picture(self._names[name]).transpose(Image.Transpose.ROTATE_180)
        buffer = io.BytesIO()
        # Without compression: written twice, for its digest and to be embedded.
        turned.save(buffer, "BMP")
        return buffer.getvalue()

    def open(self, image: str) -> BinaryIO:
        return io.BytesIO(self.data(image))


def turned_pictures(
    subject: Subject,
    album: Album,
    keys: Sequence[Key],
    unit: Unit,
    by_product: Mapping[str, Sequence[Row]],
    model: ModelHandle,
    settings: RunSettings,
    *,
    more_alike: float = MORE_ALIKE,
) -> Mapping[Key, Turned]:
    """Find pictures that resemble the others of their product more when turned by 180 degrees.

    Args:
        subject, album, keys: pictures with distinct pixels, and where they are.
        unit: embedding of each key, float32 (n, d).
        by_product: product → a row a key.
        model, settings: what embeds the turned ones.
        more_alike: by how much the mean cosine must be higher.
    """
    place = {key: i for i, key in enumerate(keys)}
    groups = [
        sorted({place[row.key] for row in rows if row.key in place})
        for _, rows in sorted(by_product.items())
    ]
    groups = [group for group in groups if len(group) > FEWEST_OTHERS]
    asked = sorted({i for group in groups for i in group})
    if not asked:
        return {}
    names = {f"{i} turned: {keys[i][0]}": keys[i] for i in asked}
    files = _Turned(album, names)
    digests = for_each(list(names), lambda name: hashlib.sha256(files.data(name)).hexdigest())
    requests = [
        ImageRequest(name, subject.root, digest, None, files)
        for name, digest in zip(names, digests, strict=True)
    ]
    turned = dict(zip(asked, _embedded(requests, model, settings, None), strict=True))
    found: dict[Key, Turned] = {}
    for group in groups:
        vectors = unit[group]
        for n, i in enumerate(group):
            others = np.delete(vectors, n, axis=0)
            upright, over = float((others @ unit[i]).mean()), float((others @ turned[i]).mean())
            if over - upright >= more_alike:
                found[keys[i]] = Turned(upright, over, len(others))
    return found


def _embedded(
    requests: Sequence[ImageRequest],
    model: ModelHandle,
    settings: RunSettings,
    on_progress: OnProgress | None,
) -> Unit:
    digest = hashlib.sha256(b"".join(request.key for request in requests)).hexdigest()
    embedded = embed_images(requests, model, settings, dataset=digest[:16], on_progress=on_progress)
    return normalise(embedded.vectors, lambda row: requests[row].name)
