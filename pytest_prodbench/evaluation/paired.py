"""Two models on the same queries: what changed, over all of them and in slices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from pytest_prodbench.errors import MetricError
from pytest_prodbench.evidence.comparison import Change, CrossedChanges
from pytest_prodbench.evidence.not_kept import NotKeptError
from pytest_prodbench.evidence.queries import CONDITION_PREFIX, product_codes, ranking_of
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.metrics import DIGITS, HEADLINE, Metric, parse_metric
from pytest_prodbench.metrics.comparison import metric_difference
from pytest_prodbench.metrics.declared import values_of
from pytest_prodbench.protocol import read_only

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from pytest_prodbench.evidence.types import Measurement
    from pytest_prodbench.protocol import Ranking
    from pytest_prodbench.settings.policy import Rule

NAMED = 50
"""Queries named each way."""


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


def resampling_of(measurement: Measurement) -> Resampling:
    """Return how the intervals of a measurement were made, to make those of its comparison so too."""
    return Resampling(measurement.resamples, measurement.seed, measurement.smallest_slice)


_Values: TypeAlias = "tuple[Metric, NDArray[np.float64], NDArray[np.float64]]"
"""A metric, and its value for each query, before and after."""


class Paired:
    """Two tables whose rows are the same queries.

    Attributes:
        not_compared: of the metrics asked for so far, those that read what the tables do not hold → why.
    """

    def __init__(self, left: pa.Table, right: pa.Table, resampling: Resampling) -> None:
        self._tables = left, right
        self._rankings: tuple[Ranking, Ranking] = ranking_of(left), ranking_of(right)
        self._codes = product_codes(right)
        self._paths: list[str] = right["query"].to_pylist()
        self._columns = {
            name.removeprefix(CONDITION_PREFIX): np.array(
                right[name].fill_null("").to_pylist(), object
            )
            for name in right.column_names
            if name.startswith(CONDITION_PREFIX)
        }
        self._resampling = resampling
        self._values: dict[str, _Values | None] = {}
        self.not_compared: dict[str, str] = {}

    def changes(self, metrics: Iterable[str]) -> dict[str, Change]:
        """Of all queries."""
        found = {name: self._change(name, None) for name in metrics}
        return {name: change for name, change in found.items() if change is not None}

    def by_condition(self, rules: Sequence[Rule]) -> dict[str, dict[str, dict[str, Change]]]:
        """Column → value → changes: of the headline, and of what rules ask for there."""
        found: dict[str, dict[str, dict[str, Change]]] = {}
        for column, values in self._columns.items():
            wanted = [HEADLINE]
            for rule in rules:
                single = [c for c, _ in rule.condition] if len(rule.condition) == 1 else []
                if rule.is_paired and column in {rule.worst_condition, *single}:
                    wanted.append(rule.metric)
            for value in sorted(set(values.tolist()) - {""}):
                changes = self._changes_in(dict.fromkeys(wanted), values == value)
                if changes is not None:
                    found.setdefault(column, {})[value] = changes
        return found

    def crossed(self, rules: Sequence[Rule]) -> list[CrossedChanges]:
        """Changes in the slices of two columns that rules ask for."""
        columns = self._columns
        wanted: dict[Any, list[str]] = {}
        for rule in rules:
            if rule.is_paired and len(rule.condition) == 2:
                wanted.setdefault(rule.condition, []).append(rule.metric)
        found = []
        for ((one, first), (two, second)), metrics in sorted(wanted.items()):
            if one not in columns or two not in columns:
                continue
            chosen = (columns[one] == first) & (columns[two] == second)
            changes = self._changes_in(dict.fromkeys(metrics), chosen)
            if changes is not None:
                found.append(
                    CrossedChanges(columns=(one, two), values=(first, second), changes=changes)
                )
        return found

    def changed_sides(self) -> tuple[list[str], list[str]]:
        """Paths of queries whose first hit was lost, and was won; the largest change of rank first."""
        before, after = (ranking.ranks for ranking in self._rankings)

        def listed(lost: NDArray[np.int64], kept: NDArray[np.int64]) -> list[str]:
            changed = np.flatnonzero((kept == 1) & (lost > 1)).tolist()
            rows = sorted(changed, key=lambda i: (-int(lost[i]), self._paths[i]))
            return [self._paths[i] for i in rows[:NAMED]]

        return listed(after, before), listed(before, after)

    def _changes_in(
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

    def _values_of(self, name: str) -> _Values | None:
        """Values of a metric; None, and the reason in ``not_compared``, where the tables lack what it reads.

        A number made of what is not there would be the same for both models, and every drop would hold.
        """
        metric, k = parse_metric(name, where="comparison with the baseline")
        assert isinstance(metric, Metric)  # noqa: S101 - _metrics leaves nothing else
        try:
            rankings = self._rankings
            if metric.needs_list:
                if k is None:
                    raise NotKeptError("result lists of a length that it does not state")  # noqa: TRY301
                rankings = ranking_of(self._tables[0], k), ranking_of(self._tables[1], k)
            before, after = (values_of(metric, read_only(ranking), k) for ranking in rankings)
        except NotKeptError as missing:
            self.not_compared[name] = (
                f"metric {name} reads {missing}, which the stored queries lack"
            )
            return None
        except MetricError as error:
            self.not_compared[name] = str(error)
            return None
        return metric, before, after

    def _change(self, name: str, chosen: NDArray[np.bool_] | None) -> Change | None:
        if name not in self._values:
            self._values[name] = self._values_of(name)
        values = self._values[name]
        if values is None:
            return None
        metric, before, after = values
        codes = self._codes
        if chosen is not None:
            before, after, codes = before[chosen], after[chosen], codes[chosen]
        made = metric_difference(
            metric,
            before,
            after,
            codes,
            resamples=self._resampling.resamples,
            seed=self._resampling.seed,
        )
        if made is None:
            return None
        difference, test = made
        ends = difference.low, difference.high
        # What a rule tolerates is a drop: what is gained where less is better, and lost elsewhere.
        sign = -1.0 if metric.higher_is_better else 1.0
        low, high = sorted(sign * end for end in ends)
        defined = ~(np.isnan(before) | np.isnan(after))
        return Change(
            before=_rounded(before[defined].mean()),
            after=_rounded(after[defined].mean()),
            drop=MetricValue(
                value=_rounded(sign * difference.value),
                low=_rounded(low),
                high=_rounded(high),
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
