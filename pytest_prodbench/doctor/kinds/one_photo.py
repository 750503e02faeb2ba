"""``near-duplicate`` and ``leak``: other pixels, the same photo."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Edit, Finding, Row, drop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_prodbench.doctor.facts import Facts, SamePhoto
    from pytest_prodbench.doctor.finding import Key
    from pytest_prodbench.doctor.photos import Photo


def find(facts: Facts) -> list[Finding]:
    """Return each pair of pictures that are one photo: of two products, or as query and in the gallery.

    Exclusion knows equal pixels only: a query finds its own photo, encoded again, at rank 1.
    """
    found = []
    for same in facts.same:
        one, other = (
            tuple(facts.by_pixels[facts.photos[key].pixels]) for key in (same.one, same.other)
        )
        pairs = [(a, b) for a in one for b in other]
        crossed = [(a, b) for a, b in pairs if a.product_id != b.product_id]
        leaks = [(a, b) for a, b in pairs if a.role != b.role and not _apart(a, b)]
        if crossed:
            found.append(_near_duplicate(same, crossed, facts.photos))
        elif leaks:
            found.append(_leak(same, leaks, facts.photos))
    return found


def _apart(one: Row, other: Row) -> bool:
    """Whether their exclusion group already keeps the two apart."""
    return bool(one.group) and one.group == other.group


def _near_duplicate(
    same: SamePhoto, pairs: Sequence[tuple[Row, Row]], photos: Mapping[Key, Photo]
) -> Finding:
    first, second = pairs[0]
    return Finding(
        kind="near-duplicate",
        severity="finding",
        told=f"{first.name} and {second.name} are one photo of two products ({_how(same, photos)})",
        fix="find out which product it is; with --confirm the second row is taken out",
        rows=_rows(pairs),
        numbers=_numbers(same),
        edits=drop(second),
        pictured=True,
    )


def _leak(
    same: SamePhoto, pairs: Sequence[tuple[Row, Row]], photos: Mapping[Key, Photo]
) -> Finding:
    first, second = pairs[0]
    rows = _rows(pairs)
    stated = sorted({row.group for row in rows if row.group})
    value = stated[0] if len(stated) == 1 else _group(rows)
    numbered = all(row.number for row in rows)
    return Finding(
        kind="leak",
        severity="finding",
        told=f"{first.name} and {second.name} are one photo in both roles ({_how(same, photos)}): "
        "a model need not know the product to find it",
        fix=f"give both rows one exclusion group (group = {value!r}), or take one of them out",
        rows=rows,
        numbers=_numbers(same),
        edits=tuple(Edit(row.number, "group", value) for row in rows) if numbered else (),
        # Two groups that become one would keep apart what neither kept apart.
        safe=len(stated) < 2,
        pictured=True,
    )


def _rows(pairs: Sequence[tuple[Row, Row]]) -> tuple[Row, ...]:
    return tuple(dict.fromkeys(row for pair in pairs for row in pair))


def _group(rows: Sequence[Row]) -> str:
    text = "\n".join(sorted(row.image for row in rows))
    return f"same-photo-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"


def _numbers(same: SamePhoto) -> dict[str, float | int | str]:
    found: dict[str, float | int | str] = {
        "grey levels left": round(same.left, 2),
        "hash bits": same.bits,
    }
    if same.cosine is not None:
        found["cosine"] = round(same.cosine, 4)
    if same.cut:
        found["share of the whole"] = round(same.share, 3)
    return found


def _how(same: SamePhoto, photos: Mapping[Key, Photo]) -> str:
    one, other = photos[same.one], photos[same.other]
    sizes = f"{one.width} x {one.height} and {other.width} x {other.height}"
    if same.cut:
        which = "first" if same.cut == 1 else "second"
        how = f"the {which} is cut out of the other, {same.share:.0%} of it"
    elif (one.width, one.height) != (other.width, other.height):
        how = f"resized: {sizes}"
    else:
        how = "encoded again"
    cosine = "" if same.cosine is None else f", cosine {same.cosine:.3f}"
    return (
        f"{how}; {same.left:.1f} grey levels left in the worst part, {same.bits} of 64 bits{cosine}"
    )
