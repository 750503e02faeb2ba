"""What the page's script does, in a real browser; and that nothing is missing without it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_prodbench.evidence.comparison import PairComparison
from pytest_prodbench.report.html import write_html

from . import builders as b
from .four_sectors import four_sectors
from .test_browser import Watched, browser

__all__ = ["browser"]


@pytest.fixture
def opened(browser, tmp_path):
    path = write_html(four_sectors(tmp_path))
    watched = Watched(browser, path)
    yield watched.page
    watched.assert_quiet(path)


def texts(locator) -> list[str]:
    return [text.strip() for text in locator.all_text_contents()]


def test_a_column_sorts_down_then_up_then_as_it_was(opened):
    table = opened.locator("table.pairs").nth(1)  # diy: no pair is missing
    names = table.locator("tbody th")
    before = texts(names)
    head = table.locator("thead th", has_text="R@1").last
    values = {}
    for body in table.locator("tbody").all():
        name = body.locator("th").text_content().strip()
        values[name] = float(body.locator("td.number").first.text_content().split()[0])
    button = head.locator(".sort")
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    assert texts(names) == sorted(values, key=values.get, reverse=True)
    button.focus()
    opened.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert texts(names) == sorted(values, key=values.get)
    button.click()
    assert head.get_attribute("aria-sort") is None
    assert texts(names) == before


def test_what_was_not_measured_sorts_last_both_ways(opened):
    table = opened.locator("table.pairs").first  # automotive: dinov2 was lost
    head = table.locator("thead th", has_text="R@1").last
    for _ in range(2):
        head.locator(".sort").click()
        assert texts(table.locator("tbody th"))[-1] == "dinov2-b14"
    # Its reasons moved with it.
    assert "worker gw1 died" in table.locator("tbody").last.text_content()


def test_the_switch_of_metrics(opened):
    matrix = opened.locator("table.matrix")
    cell = matrix.locator("tbody tr", has_text="catalog-r50-arcface").locator("td.cell").nth(1)
    assert cell.locator(".reading-of:visible").count() == 1
    before = cell.locator(".what:visible").text_content()
    opened.get_by_label("Metric").select_option(label="mAP@20")
    assert cell.locator(".reading-of:visible").count() == 1
    assert cell.locator(".what:visible").text_content() != before
    assert matrix.locator("caption .term:visible").text_content() == "mAP@20"
    # Beside the switch and in the caption the same definition opens.
    for button in (
        opened.get_by_role("button", name="What is mAP@20?"),
        matrix.locator("caption .term:visible"),
    ):
        button.click()
        assert opened.locator("div.about:visible strong").text_content() == "map@k"
        opened.keyboard.press("Escape")


def test_the_matrix_is_narrowed_to_a_sector(opened):
    matrix = opened.locator("table.matrix")
    assert texts(matrix.locator("thead th:visible .sort"))[2:] == [
        "automotive", "diy", "manufacturing", "retail",
    ]  # fmt: skip
    opened.locator("#matrix .tools").get_by_label("Sector").select_option("diy")
    assert texts(matrix.locator("thead th:visible .sort")) == ["Model", "Candidate", "diy"]
    for row in matrix.locator("tbody tr").all():
        assert row.locator("td.cell:visible").count() == 1
    opened.locator("#matrix .tools").get_by_label("Sector").select_option("")
    assert matrix.locator("thead th:visible").count() == 6


def test_queries_are_filtered_and_sorted(opened):
    details = opened.locator("details.pair").first
    tools, shots = details.locator(".tools"), details.locator("ol.shots > li")
    total = shots.count()
    assert tools.get_by_role("status").text_content() == f"{total} of {total} shown"
    tools.get_by_label("Outcome").select_option("hit")
    hits = details.locator("ol.shots > li:visible")
    assert 0 < hits.count() < total
    assert {hit.get_attribute("data-rank") for hit in hits.all()} == {"1"}
    tools.get_by_label("light").select_option("dim")
    for hit in hits.all():
        assert "light: dim" in hit.text_content()
    assert tools.get_by_role("status").text_content() == f"{hits.count()} of {total} shown"
    tools.get_by_label("light").select_option("")
    tools.get_by_label("Outcome").select_option("")
    tools.get_by_label("Order").select_option("rank")
    ranks = [int(shot.get_attribute("data-rank")) for shot in shots.all()]
    assert ranks == sorted(ranks, reverse=True)
    tools.get_by_label("Order").select_option("hits")
    ranks = [int(shot.get_attribute("data-rank")) for shot in shots.all()]
    assert ranks == sorted(ranks)


def test_changed_sides_can_be_picked_out(browser, tmp_path):
    report = b.small_run(tmp_path)
    pair = report.record.pairs[0]
    comparison = PairComparison(
        model="old", weights_digest="0", newly_failing=["q/3.jpg"], newly_right=["q/1.jpg"]
    )
    pairs = [pair.model_copy(update={"comparison": comparison})]
    report = replace(report, record=report.record.model_copy(update={"pairs": pairs}))
    page = Watched(browser, write_html(report)).page
    page.get_by_label("Change").select_option("newly failing")
    (shot,) = page.locator("ol.shots > li:visible").all()
    assert "rank 90" in shot.text_content()


def test_without_a_script_all_is_there(browser, tmp_path):
    path = write_html(four_sectors(tmp_path))
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(path.as_uri())
    assert page.locator(".tools, .sort").count() == 0
    assert page.locator("table.matrix tbody tr").count() == 4
    assert page.locator("table.matrix .what:visible").count() == 10
    page.locator("details.pair summary").first.click()
    shots = page.locator("details.pair").first.locator("ol.shots > li")
    assert shots.count() > 10
    assert shots.locator("visible=true").count() >= shots.count()


def test_a_phone_shows_matrix_and_filters(browser, tmp_path):
    path = write_html(four_sectors(tmp_path))
    page = Watched(browser, path, viewport={"width": 390, "height": 844}, has_touch=True).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for tools in page.locator(".tools").all():
        box = tools.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
