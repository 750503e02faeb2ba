"""Two models on the same photos: how much they differ, and whether that is chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_prodbench.errors import EvidenceError, SettingsError
from pytest_prodbench.evidence.queries import product_codes, query_names
from pytest_prodbench.metrics.comparison import Difference, McNemar, holm, metric_difference
from pytest_prodbench.metrics.declared import values_of
from pytest_prodbench.metrics.metric import Statistic, parse_metric

if TYPE_CHECKING:
    from pytest_prodbench.evaluation.result import Evaluation


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of two models on the same queries.

    Attributes:
        metric: its name.
        difference: after less before, paired by query, with its 95 % interval by product and the
            smallest drop that these queries could have shown.
        mcnemar: for metrics that are hit or miss: queries that one model alone hits, and the exact test;
            None for others. It takes each photo for a witness of its own; the interval does not.
        adjusted_p: p of McNemar's test corrected for the number of datasets compared (Holm); None where
            there is no test, or one dataset alone.
    """

    metric: str
    difference: Difference
    mcnemar: McNemar | None
    adjusted_p: float | None = None


def compare(
    before: Evaluation,
    after: Evaluation,
    metric: str = "recall@1",
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Comparison:
    """Compare two models on one dataset, query by query.

    Args:
        before, after: evaluations of the same queries against the same gallery. Photos are joined by
            content, in any order of rows; bare vectors have none and are joined by row.
        metric: name of one that has a value a query (not a median or an area).
        resamples, seed: of the bootstrap.

    Raises:
        SettingsError: an unknown metric, or one without a value a query.
        MetricError: its values are not what it declares.
        EvidenceError: the queries, or the contents of the datasets, are not the same (bare vectors:
            only the queries' products can be compared), or no query defines the metric.
    """
    found, k = parse_metric(metric, where=f"compare(metric={metric!r})")
    if isinstance(found, Statistic):
        raise SettingsError(
            f"compare(metric={metric!r})",
            found=f"{metric}, which has no value a query",
            expected="a metric that is a mean over queries, as recall@1",
        )
    order = _matching(before, after)
    left = values_of(found, before.ranking, k)
    right = values_of(found, after.ranking, k)[order]
    codes = product_codes(before.queries)
    made = metric_difference(found, left, right, codes, resamples=resamples, seed=seed)
    if made is None:
        raise EvidenceError(
            f"compare(metric={metric!r})",
            found="no query on which both models have a value",
            expected="queries whose product is in the gallery",
        )
    return Comparison(metric, *made)


def compare_all(
    pairs: Mapping[str, tuple[Evaluation, Evaluation]],
    metric: str = "recall@1",
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare two models on several datasets or sectors; p values are corrected for their number.

    Args:
        pairs: name → evaluations before and after.
        metric, resamples, seed: as in :func:`compare`.
    """
    found = {
        name: compare(before, after, metric, resamples=resamples, seed=seed)
        for name, (before, after) in pairs.items()
    }
    tested = {name: one.mcnemar.p_value for name, one in found.items() if one.mcnemar is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return {
        name: replace(one, adjusted_p=adjusted.get(name) if len(pairs) > 1 else None)
        for name, one in found.items()
    }


def _matching(before: Evaluation, after: Evaluation) -> list[int]:
    """Row of ``after`` for each row of ``before``: the same photo, by content and product."""
    if before.dataset is not None and after.dataset is not None:
        digests = before.dataset.content_digest, after.dataset.content_digest
        if digests[0] != digests[1]:
            raise EvidenceError(
                "compare(…)",
                found=f"datasets {before.dataset.name!r} and {after.dataset.name!r} of different "
                f"content ({digests[0][:12]} and {digests[1][:12]})",
                expected="one dataset, unchanged between the two evaluations",
                next_step="evaluate both models on the catalog as it is now",
            )
    left, right = query_names(before.queries), query_names(after.queries)
    if sorted(left) != sorted(right):
        alone = len(set(left) ^ set(right))
        raise EvidenceError(
            "compare(…)",
            found=f"{len(left)} queries and {len(right)} queries, {alone} of which only one has",
            expected="the same queries in both evaluations",
            next_step="evaluate both models on the same queries",
        )
    row = {name: i for i, name in enumerate(right)}
    return [row[name] for name in left]
