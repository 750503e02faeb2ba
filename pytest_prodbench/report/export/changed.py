"""Tables of one model against another: leads within the run, and the columns of a change from production."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pytest_prodbench.report.export.form import Columns, Form, Row

if TYPE_CHECKING:
    from pytest_prodbench.evidence.comparison import Change, Contest

CHANGE: Columns = (
    *(("before", "real"), ("after", "real"), ("drop", "real"), ("drop_low", "real")),
    *(("drop_high", "real"), ("drop_n", "whole"), ("drop_products", "whole")),
    *(("drop_method", "text"), ("drop_detectable", "real"), ("only_before", "whole")),
    *(("only_after", "whole"), ("p_value", "real")),
)
"""From ``before`` to ``after`` on the same queries; a drop below zero is a gain."""

CONTESTS = Form(
    "contests",
    (
        *(("model", "text"), ("other", "text"), ("dataset", "text"), ("refused", "texts")),
        *(("condition", "text"), ("condition_value", "text"), ("condition_2", "text")),
        *(("condition_value_2", "text"), ("metric", "text")),
        *CHANGE,
    ),
    (
        *("model", "other", "dataset", "condition", "condition_value", "condition_2"),
        *("condition_value_2", "metric"),
    ),
)


def change_cells(change: Change | None) -> dict[str, object]:
    """Return the columns of ``CHANGE``, all None where nothing was compared."""
    drop = change.drop if change else None
    return {
        "before": change.before if change else None,
        "after": change.after if change else None,
        "drop": drop.value if drop else None,
        "drop_low": drop.low if drop else None,
        "drop_high": drop.high if drop else None,
        "drop_n": drop.n if drop else None,
        "drop_products": drop.products if drop else None,
        "drop_method": drop.method if drop else None,
        "drop_detectable": drop.detectable if drop else None,
        "only_before": change.only_before if change else None,
        "only_after": change.only_after if change else None,
        "p_value": change.p_value if change else None,
    }


def changed(contests: Iterable[Contest]) -> Iterator[tuple[Form, Iterator[Row]]]:
    """Give the table of this room."""
    yield CONTESTS, (row for contest in contests for row in _contest(contest))


def _contest(contest: Contest) -> Iterator[Row]:
    """``model`` is the one that must lead (``after``), ``other`` the one that it is held against."""
    who = {
        "model": contest.model,
        "other": contest.other,
        "dataset": contest.dataset,
        "refused": contest.refused,
    }
    found = [] if contest.refused else list(_slices(contest))
    for place, changes in found:
        for metric, change in changes.items():
            yield {**who, **_place(*place), "metric": metric, **change_cells(change)}
    if not any(changes for _, changes in found):
        # That nothing was compared must be seen.
        yield {**who, **_place(), "metric": None, **change_cells(None)}


def _slices(contest: Contest) -> Iterator[tuple[tuple[str, ...], Mapping[str, Change]]]:
    yield (), contest.changes
    for column, values in contest.conditions.items():
        for value, changes in values.items():
            yield (column, value), changes
    for one in contest.crossings:
        (column, column_2), (value, value_2) = one.columns, one.values
        yield (column, value, column_2, value_2), one.changes


def _place(*parts: str) -> dict[str, str | None]:
    names = ("condition", "condition_value", "condition_2", "condition_value_2")
    return {name: parts[i] if i < len(parts) else None for i, name in enumerate(names)}
