"""A chart that is set into its kind's frame is the one that Vega draws."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.report import vega
from pytest_prodbench.report.charts import charts
from pytest_prodbench.report.curve_frames import filled, frame
from pytest_prodbench.report.drawing import _still

from . import builders as b

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def specs(measurement):
    return [_still(chart.spec) for chart in charts(measurement)]


def same(ours, theirs):
    """Equal but for numbers, and these to the last of the three digits that a path has."""
    assert NUMBER.sub("0", ours) == NUMBER.sub("0", theirs)
    pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True)
    assert all(abs(float(one) - float(other)) < 0.0015 for one, other in pairs)


@pytest.mark.parametrize("level", [0.0, 0.31, 0.5, 1.0])
def test_the_charts_of_a_pair_are_vega_s(level):
    found = specs(b.detailed(level))
    assert len(found) == 4
    for spec in found:
        assert frame(spec) is not None
        same(vega.drawn(json.dumps(spec)), vega._by_vega(spec))


place = st.floats(0.0001, 2000) | st.sampled_from([0.001, 0.01, 1.0, 1.0, 10.0])
share = st.floats(0, 1)


@settings(max_examples=20, deadline=None)
@given(
    x=st.lists(place, min_size=1, max_size=6),
    y=st.lists(share, min_size=6, max_size=6),
    edges=st.none() | st.lists(share, min_size=6, max_size=6),
    shorter=st.booleans(),
)
def test_whatever_the_curves_are_the_drawing_is_vega_s(x, y, edges, shorter):
    points = len(x)
    low = None if edges is None else edges[: points - shorter]
    curve = b.curve(sorted(x), y[:points], half=None, low=low, high=low)
    other = b.curve(x[:1], y[:1], half=None)
    curves = {name: other if place == 2 else curve for place, name in enumerate(sorted(b.curves()))}
    for spec in specs(b.measurement(curves=curves)):
        same(vega.drawn(json.dumps(spec)), vega._by_vega(spec))


def test_charts_of_one_kind_are_drawn_by_vega_once(monkeypatch):
    asked = []
    by_vega = vega._by_vega
    monkeypatch.setattr(vega, "_by_vega", lambda spec: asked.append(spec) or by_vega(spec))
    vega._frame.cache_clear()
    for level in (0.4, 0.5, 0.6):
        for spec in specs(b.detailed(level)):
            vega.drawn(json.dumps(spec))
    assert len(asked) == 4
    # One row a curve: what it takes to place the axes.
    assert max(len(spec["data"]["values"]) for spec in asked) <= 4


@pytest.mark.parametrize(
    "change",
    [
        {"layer": [{"mark": {"type": "bar"}}]},
        {"layer": [{"mark": {"type": "line", "interpolate": "basis"}}]},
        {"layer": [{"mark": {"type": "line", "clip": True}}]},
        {"layer": [{"mark": {"type": "line"}, "data": {"values": []}}]},
        {"layer": [{"mark": {"type": "line"}, "encoding": {"color": {"field": "kind"}}}]},
        {"layer": [{"mark": {"type": "line"}, "transform": [{"filter": "datum.y > 0.5"}]}]},
        {"layer": []},
        {"data": {"values": []}},
        {"data": {"values": [{"x": 0.0, "y": 1.0}, {"x": 1.0, "y": 1.0}]}},
        {"data": {"values": [{"x": 3.0, "y": 0.5}]}},
        {"data": {"values": [{"x": 1.0, "y": 0.5, "low": 0.1}, {"x": 2.0, "y": 0.5}]}},
        {"height": {"step": 20}},
    ],
)
def test_what_is_no_curve_over_such_axes_has_no_frame(change):
    spec, *_ = specs(b.detailed())
    assert frame(spec) is not None
    assert frame(spec | change) is None


def test_other_axes_have_no_frame():
    spec, *_ = specs(b.detailed())
    for axis, scale in (
        ("x", {"type": "linear"}),
        ("x", {"type": "log"}),
        ("y", {"domain": [0, 2]}),
    ):
        changed = {**spec["encoding"], axis: spec["encoding"][axis] | {"scale": scale}}
        assert frame(spec | {"encoding": changed}) is None


def test_a_drawing_that_is_not_as_expected_is_not_filled():
    spec, *_ = specs(b.detailed())
    framed = frame(spec)
    drawing = vega._by_vega(framed)
    assert filled(drawing, framed, spec) is not None
    assert filled(drawing.replace("layer_0_marks", "marks"), framed, spec) is None
