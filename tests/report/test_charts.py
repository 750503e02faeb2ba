from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.report.charts import charts
from pytest_prodbench.report.scales import (
    BOTTOM,
    LEFT,
    MOST_TICKS,
    RIGHT,
    TOP,
    LogScale,
    height,
)

from . import builders as b


def drawn(**curves):
    return charts(b.measurement(curves=curves))


def places(points: str) -> list[tuple[float, float]]:
    return [tuple(map(float, point.split(","))) for point in points.split()]


def test_one_chart_a_question_and_none_without_a_curve():
    titles = [chart.title for chart in charts(b.detailed())]
    assert titles == [
        "Cumulative match",
        "Growth of the catalog (recall@1)",
        "Verification: is this the very item?",
        "Open set: is it in the catalog at all?",
    ]
    assert charts(b.measurement()) == ()
    assert drawn(**{"somebody's own": b.curve([1.0, 2.0], [0.1, 0.2])}) == ()


def test_the_match_curve_runs_from_the_first_k_to_the_last():
    (chart,) = drawn(**{"cumulative match": b.curve([1.0, 10.0, 100.0], [0.25, 0.5, 1.0])})
    (line,) = chart.lines
    assert places(line.points) == [
        (LEFT, pytest.approx(BOTTOM - (BOTTOM - TOP) / 4, abs=0.06)),
        (pytest.approx((LEFT + RIGHT) / 2, abs=0.06), pytest.approx((TOP + BOTTOM) / 2, abs=0.06)),
        (RIGHT, TOP),
    ]
    assert len(places(line.band)) == 6
    assert chart.reading == "0.250 at 1, 0.500 at 10"
    assert chart.legend == "shaded: 95 % interval"
    assert [tick.label for tick in chart.x_ticks] == ["1", "10", "100"]


def test_a_curve_without_an_interval_has_no_band():
    (chart,) = drawn(**{"cumulative match": b.curve([1.0, 2.0], [0.5, 0.6], half=None)})
    assert chart.lines[0].band == ""
    assert chart.legend == ""


def test_extrapolation_is_dashed_begins_where_the_measured_ends_and_says_what_it_assumes():
    chart = charts(b.detailed(0.8))[1]
    measured, beyond = chart.lines
    assert (measured.dashed, beyond.dashed) == (False, True)
    assert places(beyond.points)[0] == places(measured.points)[-1]
    assert len(measured.dots) == 4
    assert len(beyond.dots) == 2
    assert chart.legend == "dashed: extrapolated; shaded: 95 % interval"
    assert chart.notes == ("In closed form, not by sampling.", "Extrapolated, not measured.")
    assert chart.reading == (
        "0.950 at 100 images, 0.800 at 1,800 images, 0.600 at 18,000 images (extrapolated), "
        "0.350 at 180,000 images (extrapolated)"
    )
    assert [tick.label for tick in chart.x_ticks] == ["100", "1k", "10k", "100k"]


def test_growth_that_was_not_extrapolated_is_one_solid_line():
    (chart,) = drawn(**{"growth of the catalog, recall@1": b.growth([100.0, 900.0], [0.9, 0.8])})
    assert [line.dashed for line in chart.lines] == [False]
    assert "extrapolated" not in chart.legend + chart.reading


def test_a_catalog_of_one_size_is_a_dot():
    (chart,) = drawn(**{"growth of the catalog, recall@1": b.growth([24.0], [0.6])})
    (line,) = chart.lines
    assert (line.points, line.band) == ("", "")
    ((x, _),) = line.dots
    assert float(x) == pytest.approx((LEFT + RIGHT) / 2, abs=0.06)
    assert chart.reading == "0.600 at 24 images"


def test_operating_curves_are_steps_that_never_promise_more_than_was_measured():
    curve = b.curve([0.01, 0.1, 1.0], [0.5, 0.75, 1.0], half=None)
    (chart,) = drawn(verification=curve)
    points = places(chart.lines[0].points)
    middle, high = height(0.5), height(0.75)
    assert [y for _, y in points] == pytest.approx([middle, middle, high, high, TOP], abs=0.06)
    assert [x for x, _ in points[1:3]] == [points[1][0]] * 2
    assert [tick.label for tick in chart.x_ticks] == ["0.1 %", "1 %", "10 %", "100 %"]


def test_what_is_rarer_than_the_axis_is_one_point_at_its_end():
    curve = b.curve([0.0, 0.0, 0.0005, 0.5, 1.0], [0.0, 0.3, 0.5, 0.75, 1.0], half=None)
    (chart,) = drawn(verification=curve)
    points = places(chart.lines[0].points)
    assert points[0] == (LEFT, pytest.approx(height(0.5), abs=0.06))
    assert [x for x, _ in points].count(LEFT) == 1


def test_operating_charts_hold_two_curves_and_read_the_metrics_not_the_drawing():
    verification, open_set = charts(b.detailed())[2:]
    assert [line.dashed for line in verification.lines] == [False, True]
    assert verification.reading == "eer 0.080, tar_far_1pct 0.610"
    assert "look-alikes" in verification.legend
    assert open_set.reading == "auroc 0.940"


def test_look_alikes_alone_stay_dashed():
    curve = b.curve([0.0, 1.0], [0.2, 1.0], half=None)
    (chart,) = drawn(**{"verification: look-alikes": curve})
    assert [line.dashed for line in chart.lines] == [True]


number = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.lists(number, max_size=6)


@given(x=numbers, y=numbers, low=st.none() | numbers, high=st.none() | numbers)
def test_whatever_a_curve_holds_the_drawing_stays_inside_its_frame(x, y, low, high):
    curve = b.curve(x, y, half=None, low=low, high=high)
    names = b.curves()
    for chart in charts(b.measurement(curves=dict.fromkeys(names, curve))):
        for line in chart.lines:
            for place in [
                *places(line.points),
                *places(line.band),
                *places(" ".join(map(",".join, line.dots))),
            ]:
                assert LEFT <= place[0] <= RIGHT
                assert TOP <= place[1] <= BOTTOM


@given(low=st.floats(1e-9, 1e15), factor=st.floats(1, 1e12))
def test_ticks_are_few_round_and_in_order(low, factor):
    scale = LogScale.around([low, min(low * factor, 1e15)])
    ticks = scale.ticks()
    at = [float(tick.at) for tick in ticks]
    assert len(ticks) <= MOST_TICKS
    assert at == sorted(at)
    assert all(LEFT <= place <= RIGHT for place in at)
    if scale.high / scale.low >= 10:
        assert ticks


@given(st.lists(st.floats(1e-9, 1e15), min_size=2))
def test_more_is_further_right(values):
    scale = LogScale.around(values)
    at = [scale.at(value) for value in sorted(values)]
    assert at == sorted(at)
    assert math.isclose(scale.at(scale.low), LEFT)
    assert math.isclose(scale.at(scale.high), RIGHT)


def test_nothing_positive_has_no_scale():
    assert LogScale.around([0.0, -1.0]) is None
