"""The scores of first results, those that are right apart from those that are wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.report.vega_lite import Chart, short, specification
from pytest_prodbench.report.wording import count, figure

if TYPE_CHECKING:
    import pyarrow as pa

BINS = 24
"""Of the histogram of scores."""


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Queries whose first result has a score from ``low`` to ``high`` and is ``kind``: right or wrong."""

    low: float
    high: float
    kind: str
    queries: int


def score_bins(table: pa.Table) -> tuple[ScoreBin, ...]:
    """Return how many queries have which score at their first result; the empty bins are left out."""
    known = _first_results(table)
    if not known:
        return ()
    low, high = min(s for s, _ in known), max(s for s, _ in known)
    width = (high - low) / BINS or 1e-6
    counted: dict[tuple[int, str], int] = {}
    for score, kind in known:
        key = (min(int((score - low) / width), BINS - 1), kind)
        counted[key] = counted.get(key, 0) + 1
    return tuple(
        ScoreBin(low + place * width, low + (place + 1) * width, kind, n)
        for (place, kind), n in sorted(counted.items())
    )


def _first_results(table: pa.Table) -> list[tuple[float, str]]:
    return [
        (scores[0], "right" if right[0] else "wrong")
        for scores, right in zip(
            table["top_scores"].to_pylist(), table["top_relevant"].to_pylist(), strict=True
        )
        if scores and math.isfinite(scores[0])
    ]


def score_histogram(table: pa.Table) -> Chart | None:
    """Draw the scores of first results; None where no query has a result."""
    known = _first_results(table)
    if not known:
        return None
    rows = [
        {"x": short(one.low), "to": short(one.high), "y": one.queries, "first result": one.kind}
        for one in score_bins(table)
    ]
    spec = specification(
        rows,
        {
            "field": "x",
            "type": "quantitative",
            "title": "score of the first result",
            "scale": {"zero": False, "nice": False},
        },
        {
            "field": "y",
            "type": "quantitative",
            "title": "queries",
            "stack": None,
            "axis": {"tickCount": 4, "tickMinStep": 1},
        },
        [
            {
                "mark": {"type": "bar", "opacity": 0.6, "binSpacing": 0},
                "encoding": {
                    "x2": {"field": "to"},
                    "y2": {"datum": 0},
                    "color": {
                        "field": "first result",
                        "type": "nominal",
                        "scale": {"domain": ["right", "wrong"], "range": ["var(--accept)", "var(--reject)"]},
                    },
                    "tooltip": [
                        {"field": "first result", "type": "nominal"},
                        {"field": "y", "title": "queries"},
                        {"field": "x", "title": "from", "format": ".3f"},
                        {"field": "to", "title": "to", "format": ".3f"},
                    ],
                },
            }
        ],
    )  # fmt: skip
    right = sorted(score for score, kind in known if kind == "right")
    wrong = sorted(score for score, kind in known if kind == "wrong")
    read = [
        f"{kind} {count(len(scores))}, median {figure(scores[(len(scores) - 1) // 2])}"
        for kind, scores in (("right", right), ("wrong", wrong))
        if scores
    ]
    return Chart(
        "Scores of right and wrong first results",
        "number of queries by the score of their first result, right and wrong apart",
        spec,
        "",
        "; ".join(read),
        (),
    )
