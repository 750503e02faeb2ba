"""What a metric is, and how it is found by name (``recall@5`` is ``recall`` with k = 5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

MAX_K = 1000
"""Largest k of a metric that reads the result list; the list is never longer."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: the mean over queries of a value a query.

    Attributes:
        name: without its k: ``recall``.
        per_query: (ranking, k) → float64 (q,); NaN for queries that the metric is not defined on
            (their product is absent), which are counted apart. k is None for a metric without one.
        takes_k: whether its name carries ``@k``.
        needs_list: whether it reads the first k of the result list (else ranks alone).
        higher_is_better: direction.
        low, high: range of its value.
        source: where the definition is published.
    """

    name: str
    per_query: Callable[[Ranking, int | None], NDArray[np.float64]]
    takes_k: bool
    needs_list: bool
    higher_is_better: bool
    low: float
    high: float
    source: str


def parse_metric(text: str, *, where: str) -> tuple[Metric, int | None]:
    """Return the metric and k that a name such as ``recall@5`` or ``mrr`` means.

    Raises:
        SettingsError: unknown metric, a k that is missing, not wanted, or outside 1 … 1000; ``where``
            says who asked.
    """
    name, at, digits = text.partition("@")
    metric: Metric = registry.load("prodbench.metrics", name, where=where)
    if not metric.takes_k:
        if at:
            raise SettingsError(where, found=f"metric {text!r}", expected=f"{name!r}, without a k")
        return metric, None
    if not re.fullmatch(r"[1-9][0-9]*", digits) or int(digits) > MAX_K:
        raise SettingsError(
            where,
            found=f"metric {text!r}",
            expected=f"{name}@k with k from 1 to {MAX_K}, as {name}@5",
        )
    return metric, int(digits)
