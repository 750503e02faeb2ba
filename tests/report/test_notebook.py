"""Cards in a notebook: they hold the numbers, and whatever the data say they run and fetch nothing."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench import evaluate_embeddings
from pytest_prodbench.evaluation.result import Evaluation
from pytest_prodbench.evidence.timing import Timing
from pytest_prodbench.metrics import HEADLINES
from pytest_prodbench.report.notebook import ROOM, evaluation_card, pair_card, run_card
from pytest_prodbench.report.palette import palette
from pytest_prodbench.report.wording import count, figure, interval

from . import builders as b
from .four_sectors import four_sectors
from .test_browser import ATTACK, browser, hostile

__all__ = ["browser"]

SVG = "http://www.w3.org/2000/svg"

ELEMENTS = frozenset(
    (
        *("div", "style", "span", "bdi", "strong", "em", "p", "ul", "li", "details", "summary"),
        *("table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption"),
        *("svg", "g", "path", "line", "rect", "text", "tspan", "circle"),
    )
)
"""All that a card may be made of."""


def evaluation(measurement=None, name="lite0", **changes) -> Evaluation:
    fields = {
        "model": b.model(name),
        "dataset": b.dataset("parts", "diy", absent=12),
        "timing": Timing(embed_s=11.0, rank_s=1.0, metrics_s=0.5, images_embedded=7),
    } | changes
    table = b.table([b.row("q/1.jpg", "A1", 1), b.row("q/2.jpg", "A2", 3)])
    return Evaluation(measurement or b.detailed(), None, table, **fields)


def elements(card: str) -> list[ET.Element]:
    """Read a card by a parser that forgives nothing, and return its elements."""
    return list(ET.fromstring(card).iter())


def text_of(card: str) -> str:
    style = re.compile("<style>.*?</style>", re.DOTALL)
    return re.sub(r"\s+", " ", "".join(ET.fromstring(style.sub("", card)).itertext()))


def assert_harmless(card: str) -> None:
    for element in elements(card):
        assert element.tag.rpartition("}")[2] in ELEMENTS
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on")
            assert name not in {"href", "src", "srcset", "style", "action", "data"}
            assert "://" not in value
    style = re.search("<style>(.*?)</style>", card, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert "</style" not in style
    assert card.count("<style") == 1


def test_a_card_holds_every_headline_with_its_interval_and_count():
    measured = b.detailed()
    text = text_of(evaluation_card(evaluation(measured)))
    for name in HEADLINES:
        value = measured.metrics[name]
        assert f"{figure(value.value)} {interval(value)}" in text
        assert count(value.n) in text
    for name in measured.metrics:
        assert name in text


def test_a_card_says_what_was_evaluated_and_how():
    text = text_of(evaluation_card(evaluation()))
    assert "lite0 on parts measured, not judged" in text
    assert "timm:lite0, open, 768 dimensions, weights abababababab" in text
    assert "400 queries (12 of absent products), 1,800 gallery images of 310 products" in text
    assert "content 121212121212" in text
    assert "2 ties, 1 near tie, 0 identical gallery images excluded" in text
    assert "embedding 11.0 s, ranking 1.00 s, metrics 0.50 s, 7 images embedded, 0 from" in text
    assert "drop seen 0.062" in text
    assert re.search(r"light\s*dim\s*0\.710.*0\.930\s*daylight\s*0\.220", text)
    assert "Cumulative match (recall@k): 0.900 at 1" in text


def test_a_condition_that_is_not_ranked_says_why():
    nobody = {"worst": None, "best": None, "worst_value": None, "best_value": None, "spread": None}
    card = evaluation_card(evaluation(b.detailed(spreads=[b.spread("light", **nobody)])))
    assert "no two values have the 20 queries that it takes to be ranked" in text_of(card)
    assert_harmless(card)


def test_what_was_not_measured_is_not_drawn():
    card = evaluation_card(evaluation(b.measurement(metrics={})))
    assert "None of the headline metrics was measured" in text_of(card)
    assert not [element for element in elements(card) if element.tag.endswith("svg")]
    assert_harmless(card)


def test_vectors_have_a_card_without_model_and_dataset():
    vectors = np.eye(30)
    products = [f"{number}" for number in range(30)]
    found = evaluate_embeddings(vectors, vectors, products, products, resamples=100)
    card = found._repr_html_()
    text = text_of(card)
    assert "vectors on their gallery" in text
    assert "dataset 30 queries" in text
    assert "weights" not in text
    assert interval(found.metrics["recall@1"]) in text
    assert_harmless(card)


def test_a_judged_pair_says_its_verdict_and_why():
    failed = b.check(0.7, 0.85)
    pair = b.pair("lite0", "parts", "diy", verdict="reject", checks=[failed, b.check(0.9, 0.8)])
    card = pair_card(pair)
    root, *_ = elements(card)
    assert "reject" in root.get("class").split()
    text = text_of(card)
    assert "✕ reject" in text
    assert failed.message in text
    assert "diy, 1 of 2 rules met" in text
    assert "not judged" not in text


def test_a_pair_without_a_measurement_says_why():
    card = pair_card(b.unmeasured("lite0", "parts", "diy", "lost", "worker gw1 died"))
    assert "! lost" in text_of(card)
    assert "worker gw1 died" in text_of(card)
    assert_harmless(card)


def test_a_run_shows_each_pair_and_what_is_not_met(tmp_path):
    record = four_sectors(tmp_path).record
    card = run_card(record)
    text = text_of(card)
    assert "✕ reject" in text
    assert "13 pairs planned, 12 selected, 10 evaluated" in text
    for pair in record.pairs:
        if pair.measurement is not None:
            value = pair.measurement.metrics["recall@1"]
            assert f"{figure(value.value)} {interval(value)}" in text
        assert pair.dataset in text
        assert pair.model in text
    assert "worker gw1 died while it embedded batch 12 of 40" in text
    assert_harmless(card)


def test_notebooks_find_the_cards_where_they_are_registered(tmp_path):
    record = four_sectors(tmp_path).record
    found = evaluation()
    assert found._repr_html_() == evaluation_card(found)
    assert record._repr_html_() == run_card(record)
    assert record.pairs[0]._repr_html_() == pair_card(record.pairs[0])


def test_the_same_evaluation_has_the_same_card():
    assert evaluation_card(evaluation()) == evaluation_card(evaluation())


def attacked(tmp_path, text: str) -> list[str]:
    record = hostile(tmp_path, text).record
    (pair, *_) = record.pairs
    found = evaluation(pair.measurement, model=record.models[text], dataset=record.datasets[text])
    return [evaluation_card(found), pair_card(pair), run_card(record)]


def test_hostile_text_is_only_text(tmp_path):
    for card in attacked(tmp_path, ATTACK):
        assert_harmless(card)
        # Cut to 80 characters, and in an element that no mark of direction reaches out of.
        assert "<script>window.ran=1</script><img src=x onerror=" in text_of(card)
        isolated = [e for e in elements(card) if "\u202e" in (e.text or "")]
        assert {element.tag for element in isolated} <= {"bdi"}


@settings(max_examples=25, deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_any_text_makes_a_card_of_the_same_elements(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    # Behind a tilde it is no other name of this run.
    for card, other in zip(attacked(folder, "~" + text), attacked(folder, "~"), strict=True):
        assert_harmless(card)
        made, expected = (Counter(element.tag for element in elements(c)) for c in (card, other))
        drawn = f"{{{SVG}}}text"  # of a label that is blank or long there may be none, or two lines
        assert {**made, drawn: 0} == {**expected, drawn: 0}


def test_a_megabyte_is_cut(tmp_path):
    usual = [len(card) for card in attacked(tmp_path, "plain")]
    for card, before in zip(attacked(tmp_path, "x" * 1_000_000), usual, strict=True):
        assert len(card) < before + 10_000


def test_more_conditions_and_reasons_than_there_is_room_for_are_counted():
    names = [f"column {number:03}" for number in range(ROOM + 30)]
    values = {"dim": {"recall@1": b.metric(0.5, 30)}, "day": {"recall@1": b.metric(0.9, 30)}}
    measured = b.detailed(
        conditions=dict.fromkeys(names, values), spreads=[b.spread(name) for name in names]
    )
    checks = [b.check(0.5, 0.6 + number / 1000) for number in range(ROOM + 1)]
    text = text_of(
        pair_card(b.pair("m", "d", "s", measurement=measured, checks=checks, verdict="reject"))
    )
    assert "and 30 more conditions" in text
    assert "and 1 more reason" in text
    assert names[ROOM - 1] in text
    assert names[ROOM] not in text


def test_the_repr_of_what_has_a_card_is_one_short_line(tmp_path):
    record = four_sectors(tmp_path).record
    assert repr(record) == ("<RunRecord '2026-01-05T09-30-00Z': reject, 10 of 13 pairs evaluated>")
    assert repr(b.pair("m", "d", "s")) == "<PairRecord 'm:d': evaluated, accept>"
    assert len(repr(b.pair("m" * 10_000, "d", "s"))) < 300
    assert repr(evaluation()) == (
        "<Evaluation 'lite0 on parts': recall@1 0.900 [0.875, 0.925], 2 queries>"
    )
    assert len(repr(evaluation(name="x" * 10_000))) < 200
    assert "no recall@1" in repr(evaluation(b.measurement(metrics={}), model=None, dataset=None))


def test_both_palettes_hold_every_colour_that_is_used():
    light, dark = palette(dark=False), palette(dark=True)
    assert set(light) == set(dark)
    assert light["ink"] != dark["ink"]
    card = evaluation_card(evaluation())
    used = set(re.findall(r"var\(--([\w-]+)\)", card)) - {"tone", "tint", "sans"}
    assert used <= set(light)
    for name, colour in dark.items():
        assert f"--{name}: {colour};" in card


def test_what_a_notebook_imports_draws_nothing_before_it_is_asked():
    code = (
        "import sys, pytest_prodbench\n"
        "assert not {'torch', 'numpy', 'pydantic', 'jinja2', 'vl_convert', 'altair'} & set(sys.modules)\n"
        "pytest_prodbench.Evaluation\n"
        "from pytest_prodbench import plots\n"
        "assert not {'torch', 'jinja2', 'vl_convert', 'altair'} & set(sys.modules)\n"
        "from pytest_prodbench.report import notebook\n"
        "assert not {'torch', 'vl_convert', 'altair'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("scheme", "theme", "night"),
    [
        ("light", "", False),
        ("dark", "", True),
        # A notebook with a theme of its own is followed, whatever the system wants.
        ("light", 'data-jp-theme-light="false"', True),
        ("dark", 'data-jp-theme-light="true"', False),
        ("light", 'class="vscode-dark"', True),
    ],
)
def test_a_card_in_a_browser(browser, tmp_path, scheme, theme, night):
    path = tmp_path / "cell.html"
    cards = "".join(attacked(tmp_path, ATTACK)) + evaluation_card(evaluation())
    stripes = "tbody tr:nth-child(odd) { background: #f00 } td { text-align: right }"
    path.write_text(
        f'<meta charset="utf-8"><style>{stripes}</style><body {theme}>{cards}', encoding="utf-8"
    )
    width = 420
    page = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}
    ).new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert page.evaluate("window.ran") is None
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    def colour(selector: str, kind: str) -> str:
        rgb = page.locator(selector).last.evaluate(f"e => getComputedStyle(e).{kind}")
        return "#" + "".join(f"{int(part):02x}" for part in re.findall(r"\d+", rgb)[:3])

    assert colour(".prodbench-card", "backgroundColor") == palette(dark=night)["card"]
    assert colour(".prodbench-card", "color") == palette(dark=night)["ink"]
    assert (
        colour(".prodbench-card .drawing path[stroke^='var(--link)']", "stroke")
        == palette(dark=night)["link"]
    )
    row = page.locator(".prodbench-card tbody tr").first
    assert row.evaluate("e => getComputedStyle(e).backgroundColor") == "rgba(0, 0, 0, 0)"
