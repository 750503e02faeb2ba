from __future__ import annotations

from pytest_prodbench.report.conditions import CROSSINGS_SHOWN, columns, crossings

from . import builders as b


def test_a_column_says_worst_best_and_how_far_apart():
    (light,) = columns(b.detailed())
    apart = light.apart
    assert (apart.worst, apart.worst_value) == ("dim", 0.71)
    assert (apart.best, apart.best_value, apart.spread) == ("daylight", 0.93, 0.22)


def test_values_with_fewer_queries_than_a_slice_needs_are_small():
    (light,) = columns(b.detailed())
    assert {part.name: part.small for part in light.slices} == {
        "daylight": False,
        "dim": False,
        "torch": True,
    }
    (light,) = columns(b.detailed(smallest_slice=91))
    assert [part.name for part in light.slices if part.small] == ["dim", "torch"]
    (light,) = columns(b.detailed(smallest_slice=10))
    assert not any(part.small for part in light.slices)


def test_an_open_set_ranks_a_value_by_the_queries_that_the_headline_counts():
    values = {"dim": {"recall@1": b.metric(0.5, 19), "auroc": b.metric(0.5, 60)}}
    (light,) = columns(b.measurement(conditions={"light": values}))
    (dim,) = light.slices
    assert (dim.n, dim.small) == (60, True)
    values = {"dim": {"auroc": b.metric(0.5, 60)}}  # every product absent
    (light,) = columns(b.measurement(conditions={"light": values}))
    assert (light.slices[0].recall, light.slices[0].small) == (None, False)


def test_a_spread_of_another_metric_or_without_a_worst_is_none():
    nobody = {"worst": None, "best": None, "worst_value": None, "best_value": None, "spread": None}
    (light,) = columns(b.detailed(spreads=[b.spread("light", **nobody)]))
    assert (light.apart, light.stated) == (None, True)
    (light,) = columns(b.detailed(spreads=[b.spread("light", metric="mrr")]))
    assert (light.apart, light.stated) == (None, False)


def test_crossings_come_worst_first_and_the_small_are_counted():
    met = crossings(b.detailed())
    assert (met.total, met.small, met.measured) == (3, 1, 2)
    assert [meeting.values for meeting in met.worst] == [("front", "dim"), ("front", "daylight")]


def test_a_bounded_number_of_crossings_whatever_their_order():
    made = [b.crossing((f"v{n:02}", "dim"), 0.9 - n / 100) for n in range(30)]
    met = crossings(b.measurement(crossings=made))
    assert (met.total, met.measured, len(met.worst)) == (30, 30, CROSSINGS_SHOWN)
    assert [meeting.values[0] for meeting in met.worst] == [f"v{n:02}" for n in range(29, 19, -1)]
    assert crossings(b.measurement(crossings=made[::-1])) == met


def test_equal_crossings_go_by_their_names():
    made = [b.crossing((value, "dim"), 0.5) for value in "cab"]
    met = crossings(b.measurement(crossings=made))
    assert [meeting.values[0] for meeting in met.worst] == ["a", "b", "c"]


def test_a_crossing_without_the_headline_is_counted_and_not_ranked():
    without = [b.crossing(("a", "b"), 0.5, metrics={})]
    met = crossings(b.measurement(crossings=without))
    assert (met.total, met.small, met.measured, met.worst) == (1, 1, 0, ())
    # A dataset that was not measured by the headline says nothing of small pairs.
    met = crossings(b.measurement(crossings=without, metrics={"mrr": b.metric(0.5)}))
    assert (met.total, met.small, met.measured, met.worst) == (1, 0, 0, ())


def test_a_crossing_of_which_the_headline_counts_few_queries_is_not_ranked():
    few = b.crossing(("a", "b"), 0.0, metrics={"recall@1": b.metric(0.0, 1)})
    met = crossings(b.measurement(crossings=[few, b.crossing(("a", "c"), 0.5)]))
    assert (met.total, met.small, met.measured) == (2, 1, 1)
    assert [meeting.values for meeting in met.worst] == [("a", "c")]


def test_no_two_conditions():
    assert crossings(b.measurement()) is None
