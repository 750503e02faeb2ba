"""A pair against production's result on the same dataset, query by query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.evidence.comparison import Change, Compared, CrossedChanges, PairComparison
from pytest_prodbench.evidence.queries import CONDITION_PREFIX, query_names, ranking_of
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.metrics import DIGITS
from pytest_prodbench.metrics.comparison import mcnemar_exact, paired_difference
from pytest_prodbench.metrics.metric import Metric, parse_metric

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from pytest_prodbench.evidence.types import Measurement
    from pytest_prodbench.protocol import Ranking
    from pytest_prodbench.settings.policy import Rule

HEADLINE = "recall@1"

COMPARED = (
    HEADLINE,
    "recall@5",
    "recall@10",
    "map@20",
    "mrr",
    "product_recall@1",
    "category_recall@1",
)
"""Metrics compared whatever the rules demand."""

NAMED = 50
"""Queries named each way."""


@dataclass(frozen=True, slots=True)
class Result:
    """One model's result on one dataset, from a run or from a baseline.

    Attributes:
        model, weights_digest: of the model.
        content_digest: of the dataset.
        protocol_version, metric_versions: of the release that measured.
        table: the queries (columns: ``evidence/queries.py``).
    """

    model: str
    weights_digest: str
    content_digest: str
    protocol_version: int
    metric_versions: Mapping[str, int]
    table: pa.Table


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made.

    Attributes:
        resamples, seed: of the bootstrap.
        smallest_slice: queries below which a slice is not compared.
    """

    resamples: int
    seed: int
    smallest_slice: int


def compare_pair(
    before: Result,
    after: Result,
    rules: Sequence[Rule],
    resampling: Resampling,
    *,
    rebase: bool = False,
) -> PairComparison:
    """Compare a candidate's result with production's; queries are joined by content and product.

    Args:
        before, after: production's and the candidate's.
        rules: whose metrics and slices are compared beside the usual ones.
        resampling: how intervals are made.
        rebase: compare what remains comparable although the dataset changed. Another protocol or another
            version of a metric is never let pass: their ranks mean something else.

    Returns:
        The comparison; where something differs that is not let pass it says what, and compares nothing.
    """
    rows = {name: i for i, name in enumerate(query_names(before.table))}
    mine = query_names(after.table)
    joined = [i for i, name in enumerate(mine) if name in rows]
    counts = {
        "queries": len(joined),
        "only_before": len(rows) - len(joined),
        "only_after": len(mine) - len(joined),
    }
    metrics = _metrics(rules, after.metric_versions)
    fatal, mendable = _differences(before, after, metrics)
    if mendable and not rebase:
        mendable = [
            f"{what}; {len(joined)} of {len(mine)} queries remain comparable under --prodbench-rebase"
            for what in mendable
        ]
    refused = fatal if rebase else [*fatal, *mendable]
    if not joined:
        refused = [*refused, "no query is in both"]
    found = PairComparison(
        model=before.model,
        weights_digest=before.weights_digest,
        refused=refused,
        rebased=mendable if rebase else [],
        **counts,
    )
    if refused:
        return found
    left = before.table.take([rows[mine[i]] for i in joined])
    right = after.table.take(joined)
    paired = _Paired(left, right, resampling)
    return found.model_copy(
        update={
            "changes": paired.changes(metrics),
            "conditions": _by_condition(paired, right, rules),
            "crossings": _crossed(paired, right, rules),
            **_named(left, right),
        }
    )


def metric_versions(names: Iterable[str]) -> dict[str, int]:
    """Return metric, without its k → version of its definition in this release."""
    found = {name: parse_metric(name, where="evidence")[0] for name in names}
    return {metric.name: metric.version for _, metric in sorted(found.items())}


def resampling_of(measurement: Measurement) -> Resampling:
    """Return how the intervals of a measurement were made, to make those of its comparison so too."""
    return Resampling(measurement.resamples, measurement.seed, measurement.smallest_slice)


def contest(
    before: Result, after: Result, rules: Sequence[Rule], resampling: Resampling
) -> Compared:
    """Compare two models of one run on one dataset: ``after`` is the one that must lead."""
    found = compare_pair(before, after, rules, resampling)
    return Compared(**{name: getattr(found, name) for name in Compared.model_fields})


def without_counterpart(model: str, weights_digest: str, reason: str) -> PairComparison:
    """Comparison that was not possible, because the baseline has nothing to compare with."""
    return PairComparison(model=model, weights_digest=weights_digest, refused=[reason])


class _Paired:
    """Two tables whose rows are the same queries."""

    def __init__(self, left: pa.Table, right: pa.Table, resampling: Resampling) -> None:
        self._rankings: tuple[Ranking, Ranking] = ranking_of(left), ranking_of(right)
        products = right["product_id"].to_pylist()
        place = {product: code for code, product in enumerate(sorted(set(products)))}
        self._codes = np.array([place[product] for product in products], np.intp)
        self._resampling = resampling
        self._values: dict[str, tuple[Metric, NDArray[np.float64], NDArray[np.float64]]] = {}

    def changes(self, metrics: Iterable[str]) -> dict[str, Change]:
        """Of all queries."""
        found = {name: self._change(name, None) for name in metrics}
        return {name: change for name, change in found.items() if change is not None}

    def changes_in(
        self, metrics: Iterable[str], chosen: NDArray[np.bool_]
    ) -> dict[str, Change] | None:
        """Of a slice, without metrics that too few of its queries define; None if the slice is too small."""
        smallest = self._resampling.smallest_slice
        if np.count_nonzero(chosen) < smallest:
            return None
        found = {name: self._change(name, chosen) for name in metrics}
        return {
            name: change
            for name, change in found.items()
            if change is not None and change.drop.n >= smallest
        }

    def _change(self, name: str, chosen: NDArray[np.bool_] | None) -> Change | None:
        if name not in self._values:
            metric, k = parse_metric(name, where="comparison with the baseline")
            assert isinstance(metric, Metric)  # noqa: S101 - _metrics leaves nothing else
            before, after = (metric.per_query(ranking, k) for ranking in self._rankings)
            self._values[name] = (metric, before, after)
        metric, before, after = self._values[name]
        codes = self._codes
        if chosen is not None:
            before, after, codes = before[chosen], after[chosen], codes[chosen]
        # left − right of "after − before" is how much worse: what a rule tolerates is a drop.
        sign = 1.0 if metric.higher_is_better else -1.0
        span = metric.high - metric.low
        difference = paired_difference(
            sign * after,
            sign * before,
            codes,
            resamples=self._resampling.resamples,
            seed=self._resampling.seed,
            span=span if np.isfinite(span) else 1.0,
        )
        if difference is None:
            return None
        defined = ~(np.isnan(before) | np.isnan(after))
        test = mcnemar_exact(before, after) if metric.binary else None
        return Change(
            before=_rounded(before[defined].mean()),
            after=_rounded(after[defined].mean()),
            drop=MetricValue(
                value=_rounded(difference.value),
                low=_rounded(difference.low),
                high=_rounded(difference.high),
                n=difference.n,
                products=difference.products,
                method=difference.method,
                detectable=_rounded(difference.detectable),
            ),
            only_before=None if test is None else test.only_left,
            only_after=None if test is None else test.only_right,
            # Ten significant digits: the ten decimals of other numbers would make a small one 0.
            p_value=None if test is None else float(f"{test.p_value:.{DIGITS}g}"),
        )


def _rounded(value: float) -> float:
    return round(float(value), DIGITS) + 0.0  # never -0.0


def _metrics(rules: Iterable[Rule], measured: Mapping[str, int]) -> list[str]:
    wanted = [*COMPARED, *(rule.metric for rule in rules if rule.is_paired)]
    return [
        name
        for name in dict.fromkeys(wanted)
        if name.partition("@")[0] in measured
        and isinstance(parse_metric(name, where="rule")[0], Metric)
    ]


def _differences(
    before: Result, after: Result, metrics: Iterable[str]
) -> tuple[list[str], list[str]]:
    """What forbids a comparison, and what forbids it unless it is let pass."""
    fatal, mendable = [], []
    if before.protocol_version != after.protocol_version:
        fatal.append(
            f"protocol version {before.protocol_version} in the baseline, now {after.protocol_version}"
        )
    for name in dict.fromkeys(metric.partition("@")[0] for metric in metrics):
        old, new = before.metric_versions.get(name), after.metric_versions.get(name)
        if old is not None and old != new:
            fatal.append(f"version {old} of metric {name} in the baseline, now {new}")
    if before.content_digest != after.content_digest:
        digests = f"{before.content_digest[:12]} in the baseline, now {after.content_digest[:12]}"
        mendable.append(f"the content of the dataset changed (digest {digests})")
    return fatal, mendable


def _by_condition(
    paired: _Paired, table: pa.Table, rules: Sequence[Rule]
) -> dict[str, dict[str, dict[str, Change]]]:
    found: dict[str, dict[str, dict[str, Change]]] = {}
    for column, values in _columns(table).items():
        wanted = [HEADLINE]
        for rule in rules:
            single = [c for c, _ in rule.condition] if len(rule.condition) == 1 else []
            if rule.is_paired and column in {rule.worst_condition, *single}:
                wanted.append(rule.metric)
        for value in sorted(set(values.tolist()) - {""}):
            changes = paired.changes_in(dict.fromkeys(wanted), values == value)
            if changes is not None:
                found.setdefault(column, {})[value] = changes
    return found


def _crossed(paired: _Paired, table: pa.Table, rules: Sequence[Rule]) -> list[CrossedChanges]:
    columns = _columns(table)
    wanted: dict[Any, list[str]] = {}
    for rule in rules:
        if rule.is_paired and len(rule.condition) == 2:
            wanted.setdefault(rule.condition, []).append(rule.metric)
    found = []
    for ((one, first), (two, second)), metrics in sorted(wanted.items()):
        if one not in columns or two not in columns:
            continue
        chosen = (columns[one] == first) & (columns[two] == second)
        changes = paired.changes_in(dict.fromkeys(metrics), chosen)
        if changes is not None:
            found.append(
                CrossedChanges(columns=(one, two), values=(first, second), changes=changes)
            )
    return found


def _columns(table: pa.Table) -> dict[str, NDArray[np.object_]]:
    """Condition column → value of each query; "" where it has none."""
    return {
        name.removeprefix(CONDITION_PREFIX): np.array(table[name].fill_null("").to_pylist(), object)
        for name in table.column_names
        if name.startswith(CONDITION_PREFIX)
    }


def _named(left: pa.Table, right: pa.Table) -> dict[str, list[str]]:
    """Queries whose first hit was lost or won, the largest change of rank first."""
    before, after = (ranking_of(table).ranks for table in (left, right))
    paths = right["query"].to_pylist()

    def listed(lost: NDArray[np.int64], kept: NDArray[np.int64]) -> list[str]:
        changed = np.flatnonzero((kept == 1) & (lost > 1)).tolist()
        rows = sorted(changed, key=lambda i: (-int(lost[i]), paths[i]))
        return [paths[i] for i in rows[:NAMED]]

    return {"newly_failing": listed(after, before), "newly_right": listed(before, after)}
