"""Tables of what was measured on each pair: metrics, conditions, curves, confusions, facts on vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.metrics import parse_metric
from pytest_prodbench.report.answers import difference
from pytest_prodbench.report.conditions import columns
from pytest_prodbench.report.export.changed import CHANGE, change_cells
from pytest_prodbench.report.export.form import PAIR, VALUE, Form, Row, fields, names_of, of_pair
from pytest_prodbench.report.score_histogram import score_bins

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.comparison import Change
    from pytest_prodbench.evidence.measured import Spread
    from pytest_prodbench.evidence.types import Measurement, PairRecord
    from pytest_prodbench.evidence.values import MetricValue

METRICS = Form(
    "metrics",
    (
        *PAIR,
        *(("metric", "text"), ("better", "text"), ("version", "whole")),
        *VALUE,
        *CHANGE,
    ),
    ("model", "dataset", "metric"),
)
CONDITIONS = Form(
    "conditions",
    (
        *PAIR,
        *(("condition", "text"), ("condition_value", "text"), ("small", "truth")),
        ("metric", "text"),
        *VALUE,
        *CHANGE,
    ),
    ("model", "dataset", "condition", "condition_value", "metric"),
)
CROSSINGS = Form(
    "crossings",
    (
        *PAIR,
        *(("condition", "text"), ("condition_value", "text"), ("condition_2", "text")),
        *(("condition_value_2", "text"), ("slice_queries", "whole"), ("slice_products", "whole")),
        *(("small", "truth"), ("metric", "text")),
        *VALUE,
        *CHANGE,
    ),
    (
        *("model", "dataset", "condition", "condition_value", "condition_2", "condition_value_2"),
        "metric",
    ),
)
SPREADS = Form(
    "spreads",
    (
        *PAIR,
        *(("condition", "text"), ("metric", "text"), ("worst", "text"), ("best", "text")),
        *(("worst_value", "real"), ("best_value", "real"), ("spread", "real")),
        *(("spread_low", "real"), ("spread_high", "real"), ("small", "texts")),
    ),
    ("model", "dataset", "condition", "metric"),
)
CURVES = Form(
    "curves",
    (
        *PAIR,
        *(("curve", "text"), ("point", "whole"), ("x_label", "text"), ("y_label", "text")),
        *(("x", "real"), ("y", "real"), ("low", "real"), ("high", "real"), ("note", "text")),
    ),
    ("model", "dataset", "curve", "point"),
)
SCORE_BINS = Form(
    "score_bins",
    (
        *PAIR,
        *(("first_result", "text"), ("score_from", "real"), ("score_to", "real")),
        ("queries", "whole"),
    ),
    ("model", "dataset", "first_result", "score_from"),
)
CONFUSIONS = Form(
    "confusions",
    (
        *PAIR,
        *(("place", "whole"), ("product", "text"), ("taken_for", "text")),
        *(("same_family", "truth"), ("count", "whole"), ("tied", "whole"), ("queries", "texts")),
    ),
    ("model", "dataset", "place"),
)
EMBEDDING = Form(
    "embedding",
    (
        *PAIR,
        *(("dimension", "whole"), ("bytes_per_vector", "whole"), ("effective_rank", "real")),
        *(("hubness", "real"), ("near_identical", "real"), ("near_identical_from", "real")),
        ("near_identical_looked_at", "whole"),
    ),
    ("model", "dataset"),
)

_VALUE = names_of(VALUE)


def measured(
    pairs: Sequence[PairRecord], versions: Mapping[str, int], queries: Mapping[str, pa.Table]
) -> Iterator[tuple[Form, Iterator[Row]]]:
    """Give the tables of this room; ``versions``: metric without its k → version of its definition."""
    known = [(pair, pair.measurement) for pair in pairs if pair.measurement is not None]
    yield METRICS, (row for pair, found in known for row in _metrics(pair, found, versions))
    yield CONDITIONS, (row for pair, found in known for row in _conditions(pair, found))
    yield CROSSINGS, (row for pair, found in known for row in _crossings(pair, found))
    yield SPREADS, (row for pair, found in known for row in _spreads(pair, found))
    yield CURVES, (row for pair, found in known for row in _curves(pair, found))
    yield SCORE_BINS, (row for pair in pairs for row in _bins(pair, queries.get(pair.name)))
    yield CONFUSIONS, (row for pair, found in known for row in _confusions(pair, found))
    yield EMBEDDING, (row for pair, found in known for row in _embedding(pair, found))


@cache
def _better(metric: str) -> str | None:
    """``higher`` or ``lower``; None for a metric that nothing registers here."""
    try:
        known, _ = parse_metric(metric, where="metrics of the evidence")
    except SettingsError:
        return None
    return "higher" if known.higher_is_better else "lower"


def _valued(
    values: Mapping[str, MetricValue], changes: Mapping[str, Change]
) -> Iterator[dict[str, object]]:
    for metric in sorted({*values, *changes}):
        yield {
            "metric": metric,
            **fields(values.get(metric), _VALUE),
            **change_cells(changes.get(metric)),
        }


def _metrics(
    pair: PairRecord, measurement: Measurement, versions: Mapping[str, int]
) -> Iterator[Row]:
    compared = pair.comparison
    changes = compared.changes if compared and not compared.refused else {}
    for row in _valued(measurement.metrics, changes):
        name = str(row["metric"])
        version = versions.get(name, versions.get(name.partition("@")[0]))
        yield {**of_pair(pair), **row, "better": _better(name), "version": version}


def _conditions(pair: PairRecord, measurement: Measurement) -> Iterator[Row]:
    compared = pair.comparison
    changes = compared.conditions if compared and not compared.refused else {}
    small = {
        (column.name, part.name): part.small
        for column in columns(measurement)
        for part in column.slices
    }
    places = {(column, value) for column, values in changes.items() for value in values}
    for column, value in {*small, *places}:
        place = {
            "condition": column,
            "condition_value": value,
            "small": small.get((column, value)),
        }
        values = measurement.conditions.get(column, {}).get(value, {})
        for row in _valued(values, changes.get(column, {}).get(value, {})):
            yield {**of_pair(pair), **place, **row}


def _crossings(pair: PairRecord, measurement: Measurement) -> Iterator[Row]:
    compared = pair.comparison
    crossed = compared.crossings if compared and not compared.refused else []
    changes = {(one.columns, one.values): one.changes for one in crossed}
    found = {(one.columns, one.values): one for one in measurement.crossings}
    for key in {*found, *changes}:
        (column, column_2), (value, value_2) = key
        one = found.get(key)
        place = {
            "condition": column,
            "condition_value": value,
            "condition_2": column_2,
            "condition_value_2": value_2,
            "slice_queries": one.n if one else None,
            "slice_products": one.products if one else None,
            "small": one.small if one else None,
        }
        rows = list(_valued(one.metrics if one else {}, changes.get(key, {})))
        # What is only counted has a row all the same.
        none = {"metric": None, **fields(None, _VALUE), **change_cells(None)}
        for row in rows or [none]:
            yield {**of_pair(pair), **place, **row}


def _spreads(pair: PairRecord, measurement: Measurement) -> Iterator[Row]:
    own = ("metric", "worst", "best", "worst_value", "best_value", "spread", "small")
    for spread in measurement.spreads:
        low, high = _spread_interval(spread, measurement)
        yield {
            **of_pair(pair),
            "condition": spread.column,
            **fields(spread, own),
            "spread_low": low,
            "spread_high": high,
        }


def _spread_interval(
    spread: Spread, measurement: Measurement
) -> tuple[float, float] | tuple[None, None]:
    values = measurement.conditions.get(spread.column, {})
    ends = [
        found
        for name in (spread.worst, spread.best)
        if name is not None and (found := values.get(name, {}).get(spread.metric)) is not None
    ]
    if len(ends) < 2:
        return None, None
    lower, higher = sorted(ends, key=lambda end: end.value)
    _, low, high = difference(higher, lower)
    return low, high


def _curves(pair: PairRecord, measurement: Measurement) -> Iterator[Row]:
    for name, curve in measurement.curves.items():
        for point, (x, y) in enumerate(zip(curve.x, curve.y, strict=False)):
            yield {
                **of_pair(pair),
                "curve": name,
                "point": point,
                **fields(curve, ("x_label", "y_label", "note")),
                "x": x,
                "y": y,
                "low": _at(curve.low, point),
                "high": _at(curve.high, point),
            }


def _at(values: list[float] | None, point: int) -> float | None:
    return values[point] if values is not None and point < len(values) else None


def _bins(pair: PairRecord, table: pa.Table | None) -> Iterator[Row]:
    for one in () if table is None else score_bins(table):
        yield {
            **of_pair(pair),
            "first_result": one.kind,
            "score_from": one.low,
            "score_to": one.high,
            "queries": one.queries,
        }


def _confusions(pair: PairRecord, measurement: Measurement) -> Iterator[Row]:
    own = names_of(CONFUSIONS.columns[len(PAIR) + 1 :])
    for place, found in enumerate(measurement.confusions, start=1):
        yield {**of_pair(pair), "place": place, **fields(found, own)}


def _embedding(pair: PairRecord, measurement: Measurement) -> Iterator[Row]:
    if measurement.embedding is not None:
        own = names_of(EMBEDDING.columns[len(PAIR) :])
        yield {**of_pair(pair), **fields(measurement.embedding, own)}
