"""Two results side by side: in a terminal, and as a page with the photos that changed sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.errors import unturned
from pytest_prodbench.metrics import HEADLINE
from pytest_prodbench.report.drawing import Drawings
from pytest_prodbench.report.gallery import Shot, named_shots
from pytest_prodbench.report.html import Surroundings, render
from pytest_prodbench.report.standing import change_words
from pytest_prodbench.report.thumbnails import Thumbnails
from pytest_prodbench.report.wording import line

if TYPE_CHECKING:
    from pytest_prodbench.evaluation.two_runs import PairOfResults
    from pytest_prodbench.evidence.comparison import Change

PICTURED = 12
"""Queries shown with their pictures, each way, of a pair."""


@dataclass(frozen=True, slots=True)
class ChangedSlice:
    """The headline on the queries of one condition value; ``column`` is empty for all queries."""

    column: str
    value: str
    change: Change

    @property
    def words(self) -> str:
        """The change with its interval."""
        return change_words(self.change)


@dataclass(frozen=True, slots=True)
class PairOfResultsView:
    """One comparison as the page shows it."""

    pair: PairOfResults
    metrics: tuple[tuple[str, Change], ...]
    slices: tuple[ChangedSlice, ...]
    failing: tuple[Shot, ...]
    right: tuple[Shot, ...]

    @property
    def models(self) -> str:
        """The two models; one name where both sides have it."""
        before, after = self.pair.before.model.name, self.pair.after.model.name
        return after if before == after else f"{before} → {after}"


def comparison_lines(pairs: Sequence[PairOfResults]) -> list[str]:
    """Return what a terminal shows: by sector, the change of the headline, the worst slices, some queries."""
    lines: list[str] = []
    for pair in pairs:
        head = f"{pair.after.dataset.sector or 'no sector'}: {pair.after.dataset.name}: "
        lines += ["", _clean(f"{head}{pair.before.model.name} → {pair.after.model.name}")]
        found = pair.comparison
        lines += [f"  not comparable: {_clean(reason)}" for reason in found.refused]
        lines += [f"  compared although {_clean(reason)}" for reason in found.rebased]
        if found.refused:
            continue
        for name, change in found.changes.items():
            lines.append(
                f"  {name:18} {change.before:.4f} → {change.after:.4f}  {change_words(change)}"
            )
        if pair.adjusted_p is not None:
            lines.append(
                f"  p of {HEADLINE}, corrected for {len(pairs)} comparisons: {pair.adjusted_p:.3g}"
            )
        worst = sorted(_slices(pair), key=lambda one: -one.change.drop.value)
        for one in worst[:5]:
            lines.append(f"  {_clean(one.column)} = {_clean(one.value)}: {one.words}")
        for title, names in (
            ("newly failing", found.newly_failing),
            ("newly right", found.newly_right),
        ):
            lines += [f"  {title}: {_clean(name)}" for name in names[:5]]
            if len(names) > 5:
                lines.append(f"  {title}: … {len(names) - 5} more")
    return lines


def write_comparison(pairs: Sequence[PairOfResults], path: Path, project: Path) -> Path:
    """Write the page; photos are shown where the datasets still lie where they did."""
    around = Surroundings(Thumbnails(project, path.parent).uri, Drawings())
    atomic_write_text(path, comparison_page(pairs, around))
    return path


def comparison_page(
    pairs: Sequence[PairOfResults],
    around: Surroundings,
    *,
    title: str = "Comparison of two results",
    reason: str = "",
) -> str:
    """Return the page of a comparison; ``reason``: why there are no pairs."""
    return render(
        "compare.html",
        around,
        drawn=False,
        title=title,
        reason=reason,
        views=[_view(pair) for pair in pairs],
        headline=HEADLINE,
        change_words=change_words,
    )


def _view(pair: PairOfResults) -> PairOfResultsView:
    found = pair.comparison
    contents = dict(
        zip(
            pair.after.table["query"].to_pylist(),
            pair.after.table["content"].to_pylist(),
            strict=True,
        )
    )
    failing = [contents[name] for name in found.newly_failing[:PICTURED]]
    right = [contents[name] for name in found.newly_right[:PICTURED]]
    return PairOfResultsView(
        pair=pair,
        metrics=tuple(found.changes.items()),
        slices=tuple(_slices(pair)),
        # Each with the wrong answer: that of the model which fails on it.
        failing=named_shots(pair.after.table, failing),
        right=named_shots(pair.before.table, right),
    )


def _slices(pair: PairOfResults) -> Iterable[ChangedSlice]:
    for column, values in pair.comparison.conditions.items():
        for value, changes in values.items():
            if HEADLINE in changes:
                yield ChangedSlice(column, value, changes[HEADLINE])


def _clean(text: str) -> str:
    return line(unturned(text))
