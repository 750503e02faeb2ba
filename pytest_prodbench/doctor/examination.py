"""The way of the doctor: open, look, compare, ask every rule, take waivers off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.doctor.facts import Facts, rows_by_pixels
from pytest_prodbench.doctor.kinds import (
    alike_ids,
    bad_pictures,
    bad_rows,
    few_images,
    few_queries,
    label_suspects,
    no_positive,
    one_photo,
    repeated_rows,
    same_pixels,
    two_products,
    upside_down,
)
from pytest_prodbench.doctor.pairs import same_photos
from pytest_prodbench.doctor.photos import Album, look

if TYPE_CHECKING:
    import datetime as dt

    import pyarrow as pa

    from pytest_prodbench.doctor.finding import Finding, Key, Row
    from pytest_prodbench.doctor.subject import Subject
    from pytest_prodbench.doctor.waivers import WaivedFinding
    from pytest_prodbench.embedding import ModelHandle, OnProgress
    from pytest_prodbench.settings.policy import Rule, Waiver
    from pytest_prodbench.settings.types import RunSettings

KINDS: tuple[Callable[[Facts], list[Finding]], ...] = (
    bad_rows.find,
    repeated_rows.find,
    two_products.find,
    one_photo.find,
    alike_ids.find,
    label_suspects.find,
    no_positive.find,
    bad_pictures.find,
    few_queries.find,
    same_pixels.find,
    upside_down.find,
    few_images.find,
)
"""Every rule, in the order in which findings are shown."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor found.

    Attributes:
        facts: what was looked at.
        findings: open ones, findings before notes.
        waived: those that a waiver covers, each with it.
        stale: waivers that cover nothing: their finding is gone, or their last day is over.
    """

    facts: Facts
    findings: tuple[Finding, ...]
    waived: tuple[tuple[Finding, WaivedFinding], ...] = ()
    stale: tuple[WaivedFinding, ...] = ()

    @property
    def failing(self) -> tuple[Finding, ...]:
        """What makes the benchmark lie."""
        return tuple(found for found in self.findings if found.severity == "finding")

    @property
    def notes(self) -> tuple[Finding, ...]:
        """What is worth knowing."""
        return tuple(found for found in self.findings if found.severity == "note")


@dataclass(frozen=True, slots=True)
class Demands:
    """What else the doctor is told.

    Attributes:
        rules, waivers: of the sector that owns the dataset.
        rankings: model → table of its queries in a run.
        waived: findings that somebody answers for.
    """

    rules: Sequence[Rule] = ()
    waivers: Sequence[Waiver] = ()
    rankings: Mapping[str, pa.Table] = field(default_factory=dict)
    waived: Sequence[WaivedFinding] = ()


def examine(
    subject: Subject,
    settings: RunSettings,
    *,
    today: dt.date,
    model: ModelHandle | None = None,
    demands: Demands | None = None,
    on_progress: OnProgress | None = None,
) -> Examination:
    """Examine a dataset.

    Args:
        subject: its rows.
        settings: how to embed, and the largest picture that is decoded.
        today: by which waivers hold.
        model: finds photos cut out of each other and pictures upside down; None: hashes alone.
        demands: rules, rankings, waivers.
        on_progress: told about every batch that is embedded.
    """
    demands = demands or Demands()
    facts = gather(
        subject, settings, today=today, model=model, demands=demands, on_progress=on_progress
    )
    found = [finding for kind in KINDS for finding in kind(facts)]
    found.sort(key=lambda finding: finding.severity)
    return _waived(facts, found, demands.waived, today)


def gather(
    subject: Subject,
    settings: RunSettings,
    *,
    today: dt.date,
    model: ModelHandle | None,
    demands: Demands,
    on_progress: OnProgress | None = None,
) -> Facts:
    """Look at every picture and compare those that may be one photo."""
    photos = look(subject, max_pixels=settings.max_pixels)
    by_pixels = rows_by_pixels(subject, photos)
    # Of equal pixels one speaks for all; blank and tiny pictures all resemble each other.
    keys = [
        rows[0].key
        for rows in by_pixels.values()
        if photos[rows[0].key].contrast >= bad_pictures.BLANK
        and min(photos[rows[0].key].width, photos[rows[0].key].height) >= bad_pictures.TINY
    ]
    rows_of: dict[Key, Sequence[Row]] = {key: by_pixels[photos[key].pixels] for key in keys}
    album = Album(subject, max_pixels=settings.max_pixels)
    near: list[tuple[int, int, float]] = []
    turned: Mapping[Key, object] = {}
    if model is not None and keys:
        from pytest_prodbench.doctor.vectors import embed, neighbours, turned_pictures

        unit = embed(subject, keys, photos, model, settings, on_progress)
        near = neighbours(unit, settings)
        by_product: dict[str, list[Row]] = {}
        for rows in rows_of.values():
            by_product.setdefault(rows[0].product_id, []).append(rows[0])
        turned = turned_pictures(subject, album, keys, unit, by_product, model, settings)
    return Facts(
        subject=subject,
        photos=photos,
        by_pixels=by_pixels,
        same=same_photos(keys, photos, rows_of, near, album),
        turned=turned,  # type: ignore[arg-type]
        model=model.spec.name if model is not None else "",
        rankings=demands.rankings,
        rules=demands.rules,
        waivers=demands.waivers,
        today=today,
    )


def _waived(
    facts: Facts, found: list[Finding], waivers: Sequence[WaivedFinding], today: dt.date
) -> Examination:
    in_force = {waiver.id: waiver for waiver in waivers if waiver.until >= today}
    known = {finding.id for finding in found}
    return Examination(
        facts=facts,
        findings=tuple(finding for finding in found if finding.id not in in_force),
        waived=tuple(
            (finding, in_force[finding.id]) for finding in found if finding.id in in_force
        ),
        stale=tuple(
            waiver for waiver in waivers if waiver.id not in known or waiver.id not in in_force
        ),
    )


def default_waivers(path: Path) -> Path:
    """Where waivers of a dataset lie unless another file is named: beside its manifest, in its folder."""
    return (path if path.is_dir() else path.parent) / "doctor.toml"
