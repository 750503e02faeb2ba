"""A run as its readers look at it: sector by sector, every planned pair in its place.

What the record does not hold is made visible here once, for every reporter: a planned pair without a
record stands among the others by name, a sector without a verdict is incomplete.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.evidence.types import PairRecord
from pytest_prodbench.metrics import HEADLINE, HEADLINES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from pytest_prodbench.evidence.judgement import Check, Verdict
    from pytest_prodbench.evidence.types import RunRecord
    from pytest_prodbench.settings.policy import GateMode

_TITLES = {
    "recall@1": "R@1",
    "recall@5": "R@5",
    "recall@10": "R@10",
    "map@20": "mAP@20",
    "mrr": "MRR",
    "product_recall@1": "product R@1",
    "category_recall@1": "category R@1",
}

METRICS: tuple[tuple[str, str], ...] = tuple((name, _TITLES[name]) for name in HEADLINES)
"""Metrics that stand in a table of pairs, and the name that the field writes."""


@dataclass(frozen=True, slots=True)
class Section:
    """One sector: who owns it, what was decided, its pairs, and what was demanded of them together.

    Attributes:
        away: pairs that the run did not set out to evaluate.
    """

    name: str
    owner: str
    verdict: Verdict
    pairs: tuple[PairRecord, ...]
    checks: tuple[Check, ...] = ()
    away: frozenset[str] = frozenset()

    @property
    def title(self) -> str:
        """What stands in headings."""
        return self.name or "no sector"

    @property
    def accepted(self) -> int:
        """How many pairs are accepted."""
        return sum(map(accepted, self.pairs))

    @property
    def drop_seen(self) -> float | None:
        """What stands beside the sector's verdict."""
        return drop_seen(self.pairs)

    def forgiven(self, gate: GateMode) -> str | None:
        """Why the lack of an accept is held against nobody; None if it is."""
        return forgiven(self.verdict, gate, self.pairs, self.checks, self.away)

    @property
    def together(self) -> list[str]:
        """Why the rules on all datasets together are not met."""
        return [check.message for check in self.checks if check.blocks]

    @property
    def reasons(self) -> list[str]:
        """Why the sector is not accepted; empty if it is."""
        if self.verdict == "accept":
            return []
        of_pairs = [
            reason if reason.startswith(f"{pair.name}: ") else f"{pair.name}: {reason}"
            for pair in self.pairs
            if not accepted(pair)
            for reason in reasons(pair)
        ]
        return [*of_pairs, *self.together] or ["no pair of this sector gives a reason"]

    @property
    def remarks(self) -> list[str]:
        """What decides nothing and must be seen: warnings, waivers in force, rules met together."""
        checks = [*(check for pair in self.pairs for check in pair.checks), *self.checks]
        return [remark for check in checks for remark in _remarks(check)]


def sections(record: RunRecord) -> tuple[Section, ...]:
    """Return the sectors by name; within one the pairs by dataset, then as they were planned."""
    order = {name: number for number, name in enumerate(record.planned)}
    pairs = [*record.pairs, *_without_record(record)]
    pairs.sort(key=lambda pair: (pair.dataset, order.get(pair.name, len(order)), pair.name))
    away = frozenset(narrowed_away(record))
    names = sorted({*record.sectors, *(pair.sector for pair in pairs)})
    return tuple(
        Section(
            name=name,
            owner=record.owners.get(name, ""),
            verdict=record.sectors.get(name, "incomplete"),
            pairs=tuple(pair for pair in pairs if pair.sector == name),
            checks=tuple(record.sector_checks.get(name, ())),
            away=away,
        )
        for name in names
    )


def pair_anchors(found: Sequence[Section]) -> dict[tuple[str, str], str]:
    """Return (sector, pair) → where the page of a run tells of it."""
    return {
        (section.name, pair.name): f"pair-{number}-{place}"
        for number, section in enumerate(found, start=1)
        for place, pair in enumerate(section.pairs, start=1)
    }


def _remarks(check: Check) -> Iterator[str]:
    tolerated = check.outcome == "inconclusive" and check.inconclusive == "warn"
    if check.severity == "info" and not check.passed:
        yield f"note: {check.message}"
    elif (check.severity == "warn" and not check.passed) or tolerated:
        yield f"warning: {check.message}"
    elif check.waiver is not None:
        yield f"waiver: {check.message}"
    elif check.outcome == "no baseline" or (check.dataset is None and check.passed):
        yield check.message


def forgiven(
    verdict: Verdict,
    gate: GateMode,
    pairs: Sequence[PairRecord],
    checks: Iterable[Check],
    away: Collection[str],
) -> str | None:
    """Return why the lack of an accept over some pairs is held against nobody; None if it is.

    The gate is not enforced and every selected pair was measured, or nothing but the narrowing of the run
    stands in the way.
    """
    if verdict == "accept":
        return None
    selected = [pair for pair in pairs if pair.name not in away]
    if gate != "enforce":
        measured = all(pair.status == "evaluated" for pair in selected)
        return f"the gate is set to {gate}" if measured else None
    narrowed = len(selected) < len(pairs) and all(map(accepted, selected))
    failed = any(check.outcome == "fails" and check.blocks for check in checks)
    return "the run was narrowed" if narrowed and not failed and verdict == "incomplete" else None


def accepted(pair: PairRecord) -> bool:
    """Whether a pair is proven: measured, and accepted on what was measured."""
    return pair.verdict == "accept" and pair.status == "evaluated" and pair.measurement is not None


def drop_seen(pairs: Iterable[PairRecord]) -> float | None:
    """Return the smallest drop of the headline that all of these pairs could have shown; None if unknown.

    That is the largest of theirs: a verdict over several pairs sees no better than the worst of them.
    """
    headlines = [pair.measurement.metrics.get(HEADLINE) for pair in pairs if pair.measurement]
    drops = [value.detectable for value in headlines if value and value.detectable is not None]
    return max(drops, default=None)


def reasons(pair: PairRecord) -> list[str]:
    """Return why a pair is not accepted: failed checks and the error; empty if it is accepted."""
    if accepted(pair):
        return []
    found = [check.message for check in pair.checks if check.blocks]
    if pair.error:
        found.append(pair.error)
    if not found:
        found.append(
            "no measurement is recorded"
            if pair.measurement is None
            else "no reason is recorded"
            if pair.checks
            else "no check was held against it"
        )
    return found


def outcome(pair: PairRecord) -> str:
    """Return one word for a pair: its verdict, or why it has no measurement."""
    if pair.status != "evaluated":
        return pair.status
    return pair.verdict if accepted(pair) or pair.verdict != "accept" else "incomplete"


def narrowed_away(record: RunRecord) -> list[str]:
    """Return the planned pairs that this run did not set out to evaluate, as planned."""
    selected = set(record.selected)
    return [name for name in record.planned if name not in selected]


def _without_record(record: RunRecord) -> list[PairRecord]:
    known = {pair.name for pair in record.pairs}
    selected = set(record.selected)
    missing = [
        name for name in dict.fromkeys([*record.planned, *record.selected]) if name not in known
    ]
    pairs = []
    for name in missing:
        model, dataset = _split(name, record)
        pairs.append(
            PairRecord(
                model=model,
                dataset=dataset,
                sector=record.datasets[dataset].sector if dataset in record.datasets else "",
                # Fail closed: what the run set out to do and left no trace of is lost.
                status="lost" if name in selected else "not run",
                verdict="incomplete",
                error="the run left no record of this pair"
                if name in selected
                else "not selected in this run",
            )
        )
    return pairs


def _split(name: str, record: RunRecord) -> tuple[str, str]:
    """Split ``model:dataset``; either name may hold a colon, so known names are tried first."""
    for dataset in sorted(record.datasets, key=len, reverse=True):
        if name.endswith(":" + dataset):
            return name[: -len(dataset) - 1], dataset
    for model in sorted(record.models, key=len, reverse=True):
        if name.startswith(model + ":"):
            return model, name[len(model) + 1 :]
    model, _, dataset = name.partition(":")
    return model, dataset
