"""Average precision by trapezoids against a loop over the list, and against what is known of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from ranking_oracle import cases, ranking_from_scores

from pytest_prodbench.metrics import parse_metric


def value(name, ranking):
    metric, k = parse_metric(name, where="test")
    return metric.per_query(ranking, k)


def area(listed):
    """Area below the points (recall, precision) of the list, joined by straight lines."""
    total, hits, last_recall, last_precision = 0.0, 0, 0.0, 1.0
    for place, hit in enumerate(listed, start=1):
        hits += hit
        recall, precision = hits / sum(listed), hits / place
        total += (recall - last_recall) * (precision + last_precision) / 2
        last_recall, last_precision = recall, precision
    return total


@settings(max_examples=60, deadline=None)
@given(cases())
def test_it_is_the_area_below_the_curve(case):
    ranking = case.ranking(top=20)
    found = value("oxford_map", ranking)
    for i in range(len(case.scores)):
        listed = ranking.top_relevant[i].astype(int).tolist()
        if sum(listed) == 0:
            assert np.isnan(found[i])
        else:
            assert found[i] == pytest.approx(area(listed), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[9, 8, 1, 0]], 1.0),  # both positives first
        ([[9, 1, 8, 0]], (1 + 1) / 4 + (1 / 2 + 2 / 3) / 4),
        ([[1, 0, 9, 8]], (0 + 1 / 3) / 4 + (1 / 3 + 2 / 4) / 4),
    ],
)
def test_by_hand(scores, expected):
    ranking = ranking_from_scores(np.array(scores, dtype=np.float32), [0], [0, 0, 1, 1])
    assert value("oxford_map", ranking) == pytest.approx([expected])


def test_it_is_not_map():
    ranking = ranking_from_scores(np.array([[9, 1, 8, 0]], dtype=np.float32), [0], [0, 0, 1, 1])
    assert value("oxford_map", ranking) != pytest.approx(value("map@4", ranking))


@settings(max_examples=30, deadline=None)
@given(cases())
def test_no_order_of_queries_changes_a_bit(case):
    ranking = case.ranking()
    order = list(reversed(range(len(case.scores))))
    np.testing.assert_array_equal(
        value("oxford_map", case.queries(order).ranking()), value("oxford_map", ranking)[order]
    )
