"""Altair charts: valid, drawn, and made of what the page draws."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET

import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench import plots
from pytest_prodbench.errors import EvidenceError, SettingsError
from pytest_prodbench.evidence.timing import Timing
from pytest_prodbench.report import charts
from pytest_prodbench.report.condition_chart import MOST, recall_by_condition
from pytest_prodbench.report.palette import palette
from pytest_prodbench.report.score_histogram import score_histogram
from pytest_prodbench.report.standalone import standalone
from pytest_prodbench.report.trade_offs import COSTS, trade_offs

from . import builders as b
from .four_sectors import four_sectors
from .test_browser import ATTACK
from .test_notebook import evaluation

pytest.importorskip("altair", reason="the extra 'notebook' brings it")

SAME = {
    "match_curve": charts.match_curve,
    "catalog_growth": charts.catalog_growth,
    "verification": charts.verification,
    "open_set": charts.open_set,
    "recall_by_condition": recall_by_condition,
}


def rows(chart) -> list[dict]:
    """The rows of a chart, wherever Altair put them."""
    made = chart.to_dict()
    data = made["data"]
    return data["values"] if "values" in data else made["datasets"][data["name"]]


def coloured(spec: dict) -> dict:
    """The specification of the page, by a plain replacement in its text."""
    text = json.dumps(spec)
    for name, colour in palette().items():
        text = text.replace(f"var(--{name})", colour)
    return json.loads(text)


def shapes(svg: str) -> list[tuple]:
    """What is drawn: each element with its look; not where, as padding differs."""
    look = ("fill", "stroke", "stroke-width", "stroke-dasharray", "font-size", "opacity", "d")
    found = [
        (element.tag, element.text, *(element.get(name) for name in look))
        for element in ET.fromstring(svg).iter()
        if element.tag.rpartition("}")[2] in {"path", "line", "text"}
    ]
    return [shape for shape in found if shape[-1] or shape[1]]


def evaluations() -> list:
    return [
        evaluation(b.detailed(recall), name, timing=Timing(embed_s=took, images_embedded=1000))
        for name, recall, took in (("small", 0.7, 4.0), ("large", 0.9, 30.0), ("odd", 0.6, 9.0))
    ]


def every_chart(dark: bool = False) -> dict:
    found = evaluation()
    return {
        **{name: getattr(plots, name)(found, dark=dark) for name in SAME},
        "scores": plots.scores(found, dark=dark),
        "trade_off": plots.trade_off(evaluations(), dark=dark),
    }


def test_every_function_is_tried_here():
    assert set(every_chart()) == set(plots.__all__)


@pytest.mark.parametrize("dark", [False, True])
def test_charts_are_valid_and_drawn_in_colours_that_need_no_page(dark):
    for chart in every_chart(dark).values():
        made = chart.to_dict()  # validated against Vega-Lite's schema
        text = json.dumps(made)
        assert "var(--" not in text
        assert made.get("background") == ("#1c1f25" if dark else None)
        svg = vl_convert.vegalite_to_svg(made, allowed_base_urls=[])
        assert svg.startswith("<svg")
        assert made["title"]["text"] in svg


@pytest.mark.parametrize("name", SAME)
def test_a_chart_holds_the_rows_and_layers_of_the_page(name):
    measured = b.detailed()
    (page, chart) = SAME[name](measured), getattr(plots, name)(measured)
    assert rows(chart) == page.spec["data"]["values"]
    kinds = [layer["mark"]["type"] for layer in page.spec["layer"]]
    assert [layer["mark"]["type"] for layer in chart.to_dict()["layer"]] == kinds
    subtitle = " ".join(chart.to_dict()["title"]["subtitle"])
    assert page.legend in subtitle
    assert page.reading.split(";")[0].split(",")[0] in subtitle


def test_charts_can_be_set_beside_and_below_each_other():
    made = every_chart()
    row = made["match_curve"] | made["verification"]
    for chart in (row & made["scores"], made["recall_by_condition"] & made["trade_off"]):
        svg = vl_convert.vegalite_to_svg(chart.to_dict(), allowed_base_urls=[])
        assert svg.startswith("<svg")


def test_a_notebook_without_a_network_gets_a_drawing():
    import altair as alt

    with alt.renderers.enable("svg"):
        bundle = every_chart()["match_curve"]._repr_mimebundle_()
    assert set(bundle) == {"image/svg+xml"}
    assert "Cumulative match" in bundle["image/svg+xml"]


def test_a_chart_looks_as_on_the_page():
    """The style that the page takes from the configuration is in the chart itself."""
    for page in charts.charts(b.detailed(), evaluation().queries):
        bare = standalone(page)
        del bare["title"]
        drawn = [shapes(vl_convert.vegalite_to_svg(spec)) for spec in (coloured(page.spec), bare)]
        assert drawn[0] == drawn[1]
        assert len(drawn[0]) > 5


def test_an_evaluation_a_pair_and_a_measurement_draw_the_same():
    found = evaluation()
    pair = b.pair("lite0", "parts", "diy", measurement=found.measurement)
    drawn = [plots.match_curve(one).to_dict() for one in (found, pair, found.measurement)]
    assert drawn[0] == drawn[1] == drawn[2]


def test_scores_of_an_evaluation_and_of_a_table_are_the_same():
    found = evaluation()
    chart = score_histogram(found.queries)
    assert rows(plots.scores(found)) == rows(plots.scores(found.queries))
    assert rows(plots.scores(found)) == chart.spec["data"]["values"]


def test_conditions_go_from_worst_to_best_with_their_interval_and_the_small_are_hollow():
    chart = recall_by_condition(b.detailed())
    found = chart.spec["data"]["values"]
    assert [(row["name"], row["x"], row["queries"], row["kind"]) for row in found] == [
        ("light: torch", 0.4, 10, "few"),
        ("light: dim", 0.71, 90, "ranked"),
        ("light: daylight", 0.93, 300, "ranked"),
    ]
    assert all(row["low"] <= row["x"] <= row["high"] for row in found)
    assert chart.reading == "light dim 0.710 to daylight 0.930"
    assert "hollow" in chart.legend


def test_a_dataset_without_conditions_has_no_such_chart():
    assert recall_by_condition(b.measurement()) is None
    bare = {"light": {"dim": {"map@20": b.metric(0.5)}}}
    assert recall_by_condition(b.measurement(conditions=bare)) is None


names = st.lists(st.text(min_size=1, max_size=50), min_size=1, max_size=8, unique=True)


@settings(deadline=None)
@given(columns=names, values=names)
def test_every_value_has_a_row_of_its_own_whatever_its_name(columns, values):
    stated = {value: {"recall@1": b.metric(0.5, 30)} for value in values}
    chart = recall_by_condition(b.measurement(conditions=dict.fromkeys(columns, stated)))
    found = [row["name"] for row in chart.spec["data"]["values"]]
    assert len(set(found)) == len(found) == min(len(columns) * len(values), MOST)


def test_names_that_are_cut_to_the_same_still_have_rows_of_their_own():
    values = {"x" * 60 + end: {"recall@1": b.metric(0.5, 30)} for end in "abc"}
    chart = recall_by_condition(b.measurement(conditions={"light": values}))
    assert len({row["name"] for row in chart.spec["data"]["values"]}) == 3


def test_more_values_than_there_is_room_for_are_counted():
    values = {f"{number}": {"recall@1": b.metric(0.5, 30)} for number in range(MOST + 5)}
    chart = recall_by_condition(b.measurement(conditions={"light": values}))
    assert len(chart.spec["data"]["values"]) == MOST
    assert chart.notes == ("And 5 more values.",)


def test_text_of_the_data_is_text_and_no_colour():
    values = {ATTACK: {"recall@1": b.metric(0.5)}, "var(--ink)": {"recall@1": b.metric(0.6)}}
    measured = b.measurement(conditions={"var(--ink)": values})
    found = rows(plots.recall_by_condition(measured))
    assert [row["name"].partition(": ")[0] for row in found] == ["var(--ink)"] * 2
    assert found[1]["name"] == "var(--ink): var(--ink)"
    assert "\u202e" not in found[0]["name"]


def test_a_trade_off_of_a_run_is_the_page_s(tmp_path):
    record = four_sectors(tmp_path).record
    costs = {"siglip2-b16": 9.0, "dinov2-b14": 30.0, "catalog-r50-arcface": 12.0}
    pairs = [
        pair.model_copy(update={"timing": Timing(costs={"latency_p95_ms": costs[pair.model]})})
        for pair in record.pairs
    ]
    record = record.model_copy(update={"pairs": pairs})
    (page,) = trade_offs(record)
    chart = plots.trade_off(record, "latency_p95_ms")
    assert chart.to_dict()["title"]["text"] == page.title
    assert rows(chart) == page.spec["data"]["values"]


def test_a_trade_off_of_evaluations_takes_a_dataset_for_what_is_in_it():
    found = rows(plots.trade_off(evaluations()))
    assert {row["name"]: (row["x"], row["y"]) for row in found} == {
        "small": (4.0, 0.7), "large": (30.0, 0.9), "odd": (9.0, 0.6),
    }  # fmt: skip
    # Two manifests of one name, and two contents.
    other = b.dataset("parts", "diy", content_digest="sha256:" + "99" * 32)
    more = [
        evaluation(b.detailed(0.1), one.model.name, dataset=other, timing=one.timing)
        for one in evaluations()
    ]
    means = {row["name"]: row["y"] for row in rows(plots.trade_off([*evaluations(), *more]))}
    assert means["large"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plots.match_curve(b.measurement()), "nothing to draw; expected a cumulative"),
        (lambda: plots.open_set(b.measurement()), "absent products"),
        (
            lambda: plots.match_curve(b.unmeasured("m", "d", "s", "lost", "the worker died")),
            "pair m:d: no measurement .the worker died.",
        ),
        (lambda: plots.trade_off(evaluations()[:1]), "two models or more whose embedding is known"),
        (
            lambda: plots.trade_off([evaluation(model=None, dataset=None)]),
            "bare vectors; expected evaluations of models",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, words):
    with pytest.raises(EvidenceError, match=words):
        draw()


def test_an_unknown_cost_is_named():
    with pytest.raises(SettingsError, match="did you mean 'embedding'"):
        plots.trade_off(evaluations(), "embeding")
    assert set(plots.Cost.__args__) == set(COSTS)


def test_a_missing_altair_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(
        SettingsError, match=r"extra 'notebook'.*pip install 'pytest-prodbench\[not"
    ):
        plots.match_curve(evaluation())
