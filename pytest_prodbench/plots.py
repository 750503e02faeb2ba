"""The charts of the page as Altair charts, to be shown, changed and saved in a notebook.

They are made from the very specifications that the page draws, so that they say the same. Altair comes with
the extra ``notebook``. Every function takes ``dark=True`` for the dark colours of the page.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, cast

from pytest_prodbench.errors import EvidenceError, SettingsError, did_you_mean
from pytest_prodbench.evaluation.result import Evaluation
from pytest_prodbench.evidence.types import Measurement, PairRecord, RunRecord
from pytest_prodbench.report import charts, condition_chart, score_histogram
from pytest_prodbench.report.standalone import standalone
from pytest_prodbench.report.trade_offs import COSTS, Priced
from pytest_prodbench.report.trade_offs import trade_off as _trade_off

if TYPE_CHECKING:
    import altair as alt
    import pyarrow as pa

    from pytest_prodbench.report.vega_lite import Chart

__all__ = [
    "catalog_growth",
    "match_curve",
    "open_set",
    "recall_by_condition",
    "scores",
    "trade_off",
    "verification",
]

Measured = Evaluation | PairRecord | Measurement
"""What has curves: an evaluation, a pair of a run, or what was measured on it."""

Cost = Literal["embedding", "latency_p95_ms", "bytes_per_vector", "price_per_1000"]


def match_curve(measured: Measured, *, dark: bool = False) -> alt.LayerChart:
    """Return recall@k by k, shaded by its 95 % interval.

    Raises:
        EvidenceError: it was not measured, as with all charts here.
        SettingsError: Altair is not installed, as with all charts here.
    """
    chart = charts.match_curve(_measurement(measured))
    return _altair(chart, dark, "match_curve", "a cumulative match curve")


def catalog_growth(measured: Measured, *, dark: bool = False) -> alt.LayerChart:
    """Return recall@1 by the number of gallery images: measured, and extrapolated where it is dashed."""
    chart = charts.catalog_growth(_measurement(measured))
    return _altair(chart, dark, "catalog_growth", "recall@1 by the size of the gallery")


def recall_by_condition(measured: Measured, *, dark: bool = False) -> alt.LayerChart:
    """Return recall@1 of each value of each condition with its 95 % interval."""
    chart = condition_chart.recall_by_condition(_measurement(measured))
    return _altair(chart, dark, "recall_by_condition", "a dataset whose queries state conditions")


def verification(measured: Measured, *, dark: bool = False) -> alt.LayerChart:
    """Return the share of genuine pairs accepted by the share of wrong pairs accepted."""
    chart = charts.verification(_measurement(measured))
    return _altair(chart, dark, "verification", "curves of verification")


def open_set(measured: Measured, *, dark: bool = False) -> alt.LayerChart:
    """Return the share of known queries accepted by the share of unknown queries accepted."""
    chart = charts.open_set(_measurement(measured))
    return _altair(chart, dark, "open_set", "a dataset with absent products (open_set = true)")


def scores(queries: Evaluation | pa.Table, *, dark: bool = False) -> alt.LayerChart:
    """Return the histogram of the scores of first results, right and wrong apart.

    Args:
        queries: an evaluation, or the table of a pair's queries (``read_queries``).
        dark: as everywhere here.
    """
    table = queries.queries if isinstance(queries, Evaluation) else queries
    return _altair(score_histogram.score_histogram(table), dark, "scores", "queries with results")


def trade_off(
    measured: RunRecord | Iterable[Evaluation], cost: Cost = "embedding", *, dark: bool = False
) -> alt.LayerChart:
    """Return accuracy against a cost, a point a model, with the front that no other model beats.

    Args:
        measured: a run, or evaluations of two models or more.
        cost: ``embedding`` (ms an image; only what was not in the cache was timed), ``latency_p95_ms``,
            ``bytes_per_vector`` or ``price_per_1000``.
        dark: as everywhere here.

    Raises:
        EvidenceError: an evaluation of bare vectors, which no model is known of; or no two models whose cost
            is known and differs, measured on one dataset.
        SettingsError: an unknown cost.
    """
    if cost not in COSTS:
        raise SettingsError(
            "plots.trade_off(cost=…)",
            found=repr(cost),
            expected=", ".join(COSTS),
            next_step=did_you_mean(str(cost), list(COSTS)),
        )
    return _altair(
        _trade_off(_priced(measured), cost),
        dark,
        "trade_off",
        f"two models or more whose {cost} is known and differs, measured on the same dataset",
    )


def _priced(measured: RunRecord | Iterable[Evaluation]) -> list[Priced]:
    if isinstance(measured, RunRecord):
        return [
            Priced(pair.model, pair.dataset, pair.measurement, pair.timing)
            for pair in measured.pairs
            if pair.measurement is not None
        ]
    found = []
    for place, one in enumerate(measured):
        if one.model is None or one.dataset is None:
            raise EvidenceError(
                f"plots.trade_off(…)[{place}]",
                found="an evaluation of bare vectors",
                expected="evaluations of models, as evaluate() returns them",
            )
        # By content: two manifests may have one name.
        found.append(
            Priced(one.model.name, one.dataset.content_digest, one.measurement, one.timing)
        )
    return found


def _measurement(measured: Measured) -> Measurement:
    if isinstance(measured, Measurement):
        return measured
    if measured.measurement is None:
        raise EvidenceError(
            f"pair {measured.name}",
            found=f"no measurement ({measured.error or 'no reason is recorded'})",
            expected="a pair that was evaluated",
        )
    return measured.measurement


def _altair(chart: Chart | None, dark: bool, name: str, expected: str) -> alt.LayerChart:
    try:
        import altair as alt
    except ImportError as error:
        raise SettingsError(
            f"plots.{name}(…)",
            found="no package altair",
            expected="Altair 6 or newer, which the extra 'notebook' brings",
            next_step="pip install 'pytest-prodbench[notebook]'",
        ) from error
    if chart is None:
        raise EvidenceError(f"plots.{name}(…)", found="nothing to draw", expected=expected)
    return cast("alt.LayerChart", alt.Chart.from_dict(standalone(chart, dark=dark)))
