"""All that the rules look at, gathered before any of them speaks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from pytest_prodbench.doctor.finding import Key, Row
    from pytest_prodbench.doctor.photos import Photo
    from pytest_prodbench.doctor.subject import Subject
    from pytest_prodbench.settings.policy import Rule, Waiver


@dataclass(frozen=True, slots=True)
class SamePhoto:
    """Two pictures with other pixels that are one photo.

    Attributes:
        one, other: the two.
        left: grey levels that differ in the worst part, once one lies over the other.
        bits: of the 64 of their hashes, those that differ.
        cosine: of their embeddings; None without a model.
        cut: which of the two was cut out of the other: 0 neither, 1 the first, 2 the second.
        share: area of the part in the whole.
    """

    one: Key
    other: Key
    left: float
    bits: int
    cosine: float | None
    cut: int = 0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Turned:
    """A picture that resembles the others of its product more when it is turned by 180 degrees.

    Attributes:
        upright, turned: mean cosine with the other pictures of the product, as it is and turned.
        others: how many those are.
    """

    upright: float
    turned: float
    others: int


@dataclass(frozen=True, slots=True)
class Facts:
    """A dataset, and what was measured of it.

    Attributes:
        subject: its rows.
        photos: of each picture.
        by_pixels: pixel digest → rows that show these pixels, in their order.
        same: pairs of pictures that are one photo.
        turned: pictures that look upside down.
        model: whose embeddings were used; empty: none.
        rankings: model → table of its queries in the run that was given.
        rules, waivers: of the sector that owns the dataset.
        today: by which waivers of the sector are in force.
    """

    subject: Subject
    photos: Mapping[Key, Photo] = field(default_factory=dict)
    by_pixels: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    same: Sequence[SamePhoto] = ()
    turned: Mapping[Key, Turned] = field(default_factory=dict)
    model: str = ""
    rankings: Mapping[str, pa.Table] = field(default_factory=dict)
    rules: Sequence[Rule] = ()
    waivers: Sequence[Waiver] = ()
    today: dt.date | None = None


def rows_by_pixels(subject: Subject, photos: Mapping[Key, Photo]) -> Mapping[str, Sequence[Row]]:
    """Group the rows with a readable picture by its pixels."""
    found: dict[str, list[Row]] = {}
    for row in subject.rows:
        photo = photos.get(row.key)
        if photo is not None and photo.pixels:
            found.setdefault(photo.pixels, []).append(row)
    return found
