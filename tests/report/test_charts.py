"""What charts hold, and that whatever they hold is drawn, inside its frame, and does nothing else."""

from __future__ import annotations

import itertools
import json
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_prodbench.report.charts import LEAST_SHARE, PIXELS, charts
from pytest_prodbench.report.drawing import ATTRIBUTES, TAGS, Drawings
from pytest_prodbench.report.score_histogram import BINS
from pytest_prodbench.report.trade_offs import front, trade_offs
from pytest_prodbench.report.vega_lite import WIDTH

from . import builders as b
from .four_sectors import four_sectors
from .test_browser import ATTACK


def drawn(**curves):
    return charts(b.measurement(curves=curves))


def rows(chart, **only):
    values = chart.spec["data"]["values"]
    return [row for row in values if all(row.get(k) == v for k, v in only.items())]


def lines(chart):
    return [layer for layer in chart.spec["layer"] if layer["mark"]["type"] == "line"]


def test_one_chart_a_question_and_none_without_a_curve():
    titles = [chart.title for chart in charts(b.detailed())]
    assert titles == [
        "Cumulative match (recall@k)",
        "Growth of the catalog (recall@1)",
        "Verification: is this the very item?",
        "Open set: is it in the catalog at all?",
    ]
    assert charts(b.measurement()) == ()
    assert drawn(**{"somebody's own": b.curve([1.0, 2.0], [0.1, 0.2])}) == ()


def test_the_match_curve_holds_its_points_and_interval():
    (chart,) = drawn(**{"cumulative match": b.curve([1.0, 10.0, 100.0], [0.25, 0.5, 1.0])})
    assert [(row["x"], row["y"]) for row in rows(chart)] == [(1, 0.25), (10, 0.5), (100, 1)]
    assert all(row["low"] <= row["y"] <= row["high"] for row in rows(chart))
    assert chart.reading == "0.250 at 1, 0.500 at 10"
    assert chart.legend == "shaded: 95 % interval"
    assert chart.spec["encoding"]["x"]["scale"]["type"] == "log"


def test_a_curve_without_an_interval_has_no_band():
    (chart,) = drawn(**{"cumulative match": b.curve([1.0, 2.0], [0.5, 0.6], half=None)})
    assert "area" not in {layer["mark"]["type"] for layer in chart.spec["layer"]}
    assert chart.legend == ""


def test_extrapolation_is_dashed_begins_where_the_measured_ends_and_says_what_it_assumes():
    chart = charts(b.detailed(0.8))[1]
    measured, beyond = lines(chart)
    assert "strokeDash" not in measured["mark"]
    assert "strokeDash" in beyond["mark"]
    last = rows(chart, kind="measured", own=True)[-1]
    first = rows(chart, kind="extrapolated", own=False)[0]
    assert (first["x"], first["y"]) == (last["x"], last["y"])
    assert len(rows(chart, kind="measured", own=True)) == 4
    assert len(rows(chart, kind="extrapolated", own=True)) == 2
    assert chart.legend == "dashed: extrapolated; shaded: 95 % interval"
    assert chart.notes == ("In closed form, not by sampling.", "Extrapolated, not measured.")
    assert chart.reading == (
        "0.950 at 100 images, 0.800 at 1,800 images, 0.600 at 18,000 images (extrapolated), "
        "0.350 at 180,000 images (extrapolated)"
    )


def test_growth_that_was_not_extrapolated_is_one_solid_line():
    (chart,) = drawn(**{"growth of the catalog, recall@1": b.growth([100.0, 900.0], [0.9, 0.8])})
    assert ["strokeDash" in layer["mark"] for layer in lines(chart)] == [False]
    assert "extrapolated" not in chart.legend + chart.reading


def test_a_catalog_of_one_size_is_a_dot_that_is_seen():
    (chart,) = drawn(**{"growth of the catalog, recall@1": b.growth([24.0], [0.6])})
    dots = [layer for layer in chart.spec["layer"] if layer["mark"]["type"] == "point"]
    assert [layer["mark"].get("opacity", 1) for layer in dots] == [1]
    assert chart.reading == "0.600 at 24 images"


def test_operating_curves_are_steps_that_never_promise_more_than_was_measured():
    curve = b.curve([0.01, 0.1, 1.0], [0.5, 0.75, 1.0], half=None)
    (chart,) = drawn(verification=curve)
    assert [layer["mark"]["interpolate"] for layer in lines(chart)] == ["step-after"]


def test_what_is_rarer_than_the_axis_is_one_point_at_its_end():
    curve = b.curve([0.0, 0.0, 0.0005, 0.5, 1.0], [0.0, 0.3, 0.5, 0.75, 1.0], half=None)
    (chart,) = drawn(verification=curve)
    assert [(row["x"], row["y"]) for row in rows(chart)] == [
        (LEAST_SHARE, 0.5), (0.5, 0.75), (1, 1),
    ]  # fmt: skip


def test_operating_charts_hold_two_curves_and_read_the_metrics_not_the_drawing():
    verification, open_set = charts(b.detailed())[2:]
    assert ["strokeDash" in layer["mark"] for layer in lines(verification)] == [False, True]
    assert verification.reading == "eer 0.080, tar_far_1pct 0.610"
    assert "look-alikes" in verification.legend
    assert open_set.reading == "auroc 0.940"


def test_look_alikes_alone_stay_dashed():
    curve = b.curve([0.0, 1.0], [0.2, 1.0], half=None)
    (chart,) = drawn(**{"verification: look-alikes": curve})
    assert ["strokeDash" in layer["mark"] for layer in lines(chart)] == [True]


scores = st.lists(st.tuples(st.floats(-1, 1, width=32), st.booleans()), min_size=1, max_size=60)


@settings(deadline=None)
@given(scores)
def test_the_histogram_counts_every_query_once(found):
    table = b.table(
        [
            b.row(f"{n}.jpg", "A", 1, top_scores=[s], top_relevant=[right], top_images=["c"],
                  top_products=["A"])
            for n, (s, right) in enumerate(found)
        ]
    )  # fmt: skip
    (chart,) = charts(b.measurement(), table)
    for kind, right in (("right", True), ("wrong", False)):
        bars = rows(chart, **{"first result": kind})
        assert sum(bar["y"] for bar in bars) == sum(r is right for _, r in found)
        assert len(bars) <= BINS
    low, high = min(s for s, _ in found), max(s for s, _ in found)
    edges = [end for bar in rows(chart) for end in (bar["x"], bar["to"])]
    assert min(edges) == pytest.approx(low, abs=1e-4)
    assert max(edges) == pytest.approx(high, abs=1e-4)


def test_queries_without_a_result_or_a_score_are_in_no_bar():
    empty = {"top_scores": [], "top_relevant": [], "top_images": [], "top_products": []}
    one = {"top_relevant": [True], "top_images": ["c"], "top_products": ["A"]}
    table = b.table(
        [
            b.row("1.jpg", "A", 1, **empty),
            b.row("2.jpg", "A", 1, top_scores=[float("nan")], **one),
            b.row("3.jpg", "A", 1, top_scores=[0.5], **one),
        ]
    )
    (chart,) = charts(b.measurement(), table)
    assert [(bar["first result"], bar["y"]) for bar in rows(chart)] == [("right", 1)]
    assert chart.reading == "right 1, median 0.500"
    assert charts(b.measurement(), b.table([b.row("1.jpg", "A", 1, **empty)])) == ()
    assert charts(b.measurement(), b.table([])) == ()


def test_points_that_nobody_can_tell_apart_are_left_out():
    steps = [n / 999 for n in range(1000)]
    far = [0.001 ** (1 - step) for step in steps]
    (chart,) = drawn(verification=b.curve(far, steps))
    kept = rows(chart)
    assert len(kept) < 250
    assert (kept[0]["x"], kept[-1]["x"]) == (0.001, 1)
    across = [math.log10(row["x"]) * WIDTH / 3 for row in kept]
    assert max(b - a for a, b in itertools.pairwise(across)) < 2 * PIXELS


points = st.lists(
    st.tuples(st.uuids().map(str), st.integers(1, 6).map(float), st.integers(0, 6).map(float)),
    min_size=1,
    max_size=12,
)


@given(points)
def test_the_front_is_what_nothing_beats(found):
    best = set(front(found))
    assert best
    for name, cost, worth in found:
        beaten = [n for n, c, w in found if (c <= cost and w > worth) or (c < cost and w >= worth)]
        assert (name in best) == (not beaten)
        if beaten:  # by one on the front, too
            assert best & set(beaten)


def run_with(costs, embedded=()):
    pairs = [
        b.pair(model, "parts", "diy", timing={"costs": {"latency_p95_ms": ms}} if ms else {})
        for model, ms in costs.items()
    ]
    return b.run(pairs, [b.model(name) for name in costs], [b.dataset("parts", "diy")])


def test_a_trade_off_needs_two_costs_that_differ():
    titles = [chart.title for chart in trade_offs(run_with({"a": 3.0, "b": 9.0}))]
    assert titles == ["Accuracy and latency"]
    assert trade_offs(run_with({"a": 3.0, "b": 3.0})) == ()
    assert trade_offs(run_with({"a": 3.0, "b": 0.0})) == ()


def test_a_trade_off_compares_on_what_all_were_measured_on(tmp_path):
    record = run_with({"a": 3.0, "b": 9.0})
    extra = b.pair("a", "more", "diy", measurement=b.measurement(1.0))
    record = record.model_copy(update={"pairs": [*record.pairs, extra]})
    (chart,) = trade_offs(record)
    assert len({row["y"] for row in rows(chart)}) == 1
    assert chart.notes == ("recall@1: mean over 1 dataset that all of them were measured on.",)


number = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.lists(number, max_size=6)


@settings(max_examples=15, deadline=None)
@given(x=numbers, y=numbers, low=st.none() | numbers, high=st.none() | numbers)
@example(x=[0.0, 0.0], y=[0.0, 0.0], low=[0.0], high=[0.0])
@example(x=[1.0, 2.0], y=[0.5, 0.5], low=[0.25, 0.25], high=None)
def test_whatever_a_curve_holds_is_drawn_inside_its_frame(x, y, low, high):
    curve = b.curve(x, y, half=None, low=low, high=high)
    names = b.curves()
    for chart in charts(b.measurement(curves=dict.fromkeys(names, curve))):
        svg = Drawings().svg(chart.spec)
        assert "NaN" not in svg
        for row in rows(chart):
            assert row["x"] > 0
            assert 0 <= row["y"] <= 1


def test_a_drawing_holds_shapes_and_words_and_nothing_else():
    for chart in charts(b.detailed()):
        root = ET.fromstring(Drawings().svg(chart.spec))
        for element in root.iter():
            assert element.tag in TAGS
            assert set(element.attrib) - {"aria-hidden"} <= ATTRIBUTES
        # Its colours are the page's, in light and dark.
        colours = {e.get(kind) for e in root.iter() for kind in ("fill", "stroke")} - {None, "none"}
        assert all(re.fullmatch(r"var\(--\w+\)|transparent", colour) for colour in colours), colours


def test_words_in_a_drawing_are_words():
    curve = b.curve([1.0, 2.0], [0.5, 0.6]).model_copy(
        update={"x_label": ATTACK, "y_label": ATTACK}
    )
    (chart,) = drawn(**{"cumulative match": curve})
    root = ET.fromstring(Drawings().svg(chart.spec))
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("text")]
    assert any(text.startswith("<script>window.ran=1</script>") for text in texts)
    assert not any("\u202e" in text for text in texts)


def test_the_next_run_draws_nothing_again(tmp_path, monkeypatch):
    from pytest_prodbench.report import drawing

    (chart, *_) = charts(b.detailed())
    first = Drawings(tmp_path).svg(chart.spec)
    with monkeypatch.context() as patch:
        patch.setattr(drawing, "_remembered", {})
        patch.setattr(drawing, "drawn", lambda text: pytest.fail("drawn again"))
        assert Drawings(tmp_path).svg(json.loads(json.dumps(chart.spec))) == first
    for kept in tmp_path.rglob("*.svg"):
        kept.write_text(kept.read_text()[:-20])
    assert Drawings(tmp_path).svg(chart.spec) == first
    assert Drawings().svg(chart.spec) == first


def test_an_element_that_no_drawing_of_ours_has_is_refused(monkeypatch):
    from pytest_prodbench.report import drawing

    link = '<svg xmlns="http://www.w3.org/2000/svg"><a href="x"/></svg>'
    monkeypatch.setattr(drawing, "drawn", lambda text: link)
    with pytest.raises(ValueError, match="expected lines, areas and text"):
        Drawings().svg({})


def test_every_chart_of_a_large_run_can_be_drawn(tmp_path):
    record = four_sectors(tmp_path).record
    measured = [pair.measurement for pair in record.pairs if pair.measurement]
    for chart in charts(measured[0]):
        assert Drawings().svg(chart.spec).startswith("<svg")
