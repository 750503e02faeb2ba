"""A pair against production's result on the same dataset, query by query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.evaluation.paired import Paired, Resampling
from pytest_prodbench.evidence.comparison import PairComparison
from pytest_prodbench.evidence.queries import query_names
from pytest_prodbench.metrics import HEADLINES, Metric, parse_metric

if TYPE_CHECKING:
    import pyarrow as pa

    from pytest_prodbench.evidence.types import DatasetRecord, ModelRecord
    from pytest_prodbench.settings.policy import Rule


@dataclass(frozen=True, slots=True)
class Result:
    """One model's result on one dataset, from a run or from a baseline.

    Attributes:
        model, dataset: what they were.
        protocol_version, metric_versions: of the release that measured.
        table: the queries (columns: ``evidence/queries.py``).
    """

    model: ModelRecord
    dataset: DatasetRecord
    protocol_version: int
    metric_versions: Mapping[str, int]
    table: pa.Table


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
        model=before.model.name,
        weights_digest=before.model.weights_digest,
        refused=refused,
        rebased=mendable if rebase else [],
        **counts,
    )
    if refused:
        return found
    left = before.table.take([rows[mine[i]] for i in joined])
    right = after.table.take(joined)
    paired = Paired(left, right, resampling)
    failing, right_now = paired.changed_sides()
    return found.model_copy(
        update={
            "changes": paired.changes(metrics),
            "conditions": paired.by_condition(rules),
            "crossings": paired.crossed(rules),
            # After the three above: they ask for the metrics.
            "not_compared": dict(sorted(paired.not_compared.items())),
            "newly_failing": failing,
            "newly_right": right_now,
        }
    )


def metric_versions(names: Iterable[str]) -> dict[str, int]:
    """Return metric, without its k → version of its definition in this release."""
    found = {name: parse_metric(name, where="evidence")[0] for name in names}
    return {metric.name: metric.version for _, metric in sorted(found.items())}


def without_counterpart(model: str, weights_digest: str, reason: str) -> PairComparison:
    """Comparison that was not possible, because the baseline has nothing to compare with."""
    return PairComparison(model=model, weights_digest=weights_digest, refused=[reason])


def _metrics(rules: Iterable[Rule], measured: Mapping[str, int]) -> list[str]:
    wanted = [*HEADLINES, *(rule.metric for rule in rules if rule.is_paired)]
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
    digest, now = before.dataset.content_digest, after.dataset.content_digest
    if digest != now:
        digests = f"{digest[:12]} in the baseline, now {now[:12]}"
        mendable.append(f"the content of the dataset changed (digest {digests})")
    return fatal, mendable
