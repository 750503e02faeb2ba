"""The scores of first results, those that are right apart from those that are wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.report.vega_lite import Chart, short, specification
from pytest_prodbench.report.wording import count, figure

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]

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
    return _bins(*_first_scores(table))


def _bins(right: Scores, wrong: Scores) -> tuple[ScoreBin, ...]:
    import numpy as np

    both = np.concatenate([right, wrong])
    if not len(both):
        return ()
    low, high = float(both.min()), float(both.max())
    width = (high - low) / BINS or 1e-6
    found = []
    for kind, scores in (("right", right), ("wrong", wrong)):
        places = np.minimum((scores - low) / width, BINS - 1).astype(np.intp)
        for place, n in enumerate(np.bincount(places, minlength=BINS).tolist()):
            if n:
                found.append(ScoreBin(low + place * width, low + (place + 1) * width, kind, n))
    return tuple(sorted(found, key=lambda one: (one.low, one.kind)))


def score_histogram(table: pa.Table) -> Chart | None:
    """Draw the scores of first results; None where no query has a result."""
    import numpy as np

    right, wrong = _first_scores(table)
    if not len(right) + len(wrong):
        return None
    rows = [
        {"x": short(one.low), "to": short(one.high), "y": one.queries, "first result": one.kind}
        for one in _bins(right, wrong)
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
    read = [
        f"{kind} {count(len(scores))}, median {figure(float(np.sort(scores)[(len(scores) - 1) // 2]))}"
        for kind, scores in (("right", right), ("wrong", wrong))
        if len(scores)
    ]
    return Chart(
        "Scores of right and wrong first results",
        "number of queries by the score of their first result, right and wrong apart",
        spec,
        "",
        "; ".join(read),
        (),
    )


def _first_scores(table: pa.Table) -> tuple[Scores, Scores]:
    """Return the finite scores of right and of wrong first results, float64 each."""
    import numpy as np
    import pyarrow.compute as pc

    # Both lists of a query are of one length: where it has no result, neither has a first one.
    first = (
        pc.list_flatten(pc.list_slice(table[name], 0, 1)).to_pylist()
        for name in ("top_scores", "top_relevant")
    )
    scores, right = np.array(next(first), np.float64), np.array(next(first), bool)
    finite = np.isfinite(scores)
    return scores[finite & right], scores[finite & ~right]
