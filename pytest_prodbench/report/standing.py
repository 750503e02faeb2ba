"""How a verdict stands: whether it is enforced, what it was compared with, and what that means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.sections import accepted, forgiven, sections

if TYPE_CHECKING:
    from pytest_prodbench.evidence.comparison import Change
    from pytest_prodbench.evidence.types import PairRecord, RunRecord

STAMPS = {
    "report": "GATE SET TO REPORT: verdicts were made and held against nobody",
    "off": "GATE OFF: nothing was judged",
}


def stamp(record: RunRecord) -> str | None:
    """Return what must stand on every report of a run whose gate was not enforced."""
    return STAMPS.get(record.gate)


def standing(record: RunRecord) -> list[str]:
    """Return what the run was compared with, and what of that no longer fits, one line each."""
    baseline = record.baseline
    lines = ["judged by other rules than it was made with"] if record.overridden else []
    if baseline is None:
        return [*lines, "no baseline yet: nothing was compared with a model in production"]
    lines += [
        f"compared with {baseline.role}: {baseline.model}, accepted {baseline.accepted} "
        f"(run {baseline.run}: {baseline.reason})"
    ]
    if baseline.despite is not None:
        lines.append(f"{baseline.role} was accepted although it failed: {baseline.despite}")
    lines += [f"stale in the baseline: {entry}" for entry in baseline.stale]
    lines += [
        f"{pair.name}: compared although {what}, on {pair.comparison.queries} queries"
        for pair in record.pairs
        if pair.comparison is not None
        for what in pair.comparison.rebased
    ]
    return lines


def waivers(record: RunRecord) -> list[str]:
    """Return the waivers that stand in the place of a limit, one line each, however many pairs they touch."""
    checks = [
        *(check for pair in record.pairs for check in pair.checks),
        *(check for found in record.sector_checks.values() for check in found),
    ]
    return list(
        dict.fromkeys(
            f"waiver in force: {check.what} {check.limit:g} instead of {check.waiver.limit:g} until "
            f"{check.waiver.expires}, {check.waiver.owner}: {check.waiver.reason} [{check.waiver.where}]"
            for check in checks
            if check.waiver is not None
        )
    )


def change_line(pair: PairRecord) -> str | None:
    """Return the change of the headline from production, in words; None where nothing was compared."""
    if pair.comparison is None:
        return None
    if pair.comparison.refused:
        return f"{pair.name}: not comparable with production: {'; '.join(pair.comparison.refused)}"
    change = pair.comparison.changes.get(HEADLINE)
    if change is None:
        return None
    return (
        f"{pair.name}: {HEADLINE} {change.after:.4f}, production ({pair.comparison.model}) "
        f"{change.before:.4f}: {change_words(change)}"
    )


def change_words(change: Change) -> str:
    """Return a change with its interval, and how many queries changed sides: gains are positive."""
    words = change_gain(change, digits=4)
    if change.only_before is not None and change.p_value is not None:
        words += (
            f", {change.only_before} newly failing, {change.only_after} newly right, "
            f"McNemar p = {change.p_value:.3g}"
        )
    return words


def change_gain(change: Change, digits: int = 3) -> str:
    """Return by how much the candidate is better, with its interval."""
    drop = change.drop
    # 0 − x and not −x: a gain of nothing is +0.0000.
    value, low, high = (f"{0.0 - end:+.{digits}f}" for end in (drop.value, drop.high, drop.low))
    return f"{value} (95 % {low} to {high})"


def candidate_reasons(record: RunRecord, model: str) -> list[str]:
    """Return why a model is not accepted, in the order of the sectors; empty if it is."""
    if record.candidates.get(model) == "accept":
        return []
    return list(_against(record, model)) or ["no pair of this model gives a reason"]


def _against(record: RunRecord, model: str) -> Iterator[str]:
    for section in sections(record):
        for pair in section.pairs:
            if pair.model == model and not accepted(pair):
                word = "not run" if pair.name in section.away else pair.verdict
                yield f"{pair.name}: {word}"
        yield from (c.message for c in section.checks if c.model == model and c.blocks)


def candidate_forgiven(record: RunRecord, model: str) -> str | None:
    """Return why the lack of an accept of a model is held against nobody; None if it is."""
    found = sections(record)
    return forgiven(
        record.candidates[model],
        record.gate,
        [pair for section in found for pair in section.pairs if pair.model == model],
        [check for section in found for check in section.checks if check.model == model],
        frozenset().union(*(section.away for section in found)),
    )
