"""The page in a real browser, with hostile text in every field that a dataset or a model can set."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace

import pytest

from pytest_prodbench.errors import unturned
from pytest_prodbench.evidence.types import Host
from pytest_prodbench.report import wording
from pytest_prodbench.report.html import write_html
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b
from .four_sectors import four_sectors

ATTACK = (
    '<script>window.ran=1</script><img src=x onerror="window.ran=1">\'"></bdi></td></style></title>'
    "<svg/onload=alert(1)>{{7*7}}&lt;\u202eturned"
)


def chromium() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return os.environ.get("PRODBENCH_CHROMIUM") or next(
        filter(None, map(shutil.which, names)), None
    )


@pytest.fixture(scope="module")
def browser():
    path = chromium()
    if path is None:
        pytest.skip("no Chromium here; set PRODBENCH_CHROMIUM to one")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    arguments = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync"
    )
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments.split())
        yield browser
        browser.close()


class Watched:
    """A page and everything that it must not do."""

    unfolded = True
    """Whether all that folds is opened at once."""

    def __init__(self, browser, path, **context) -> None:
        self.page = browser.new_context(**context).new_page()
        self.noise: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.noise.append(message.text))
        self.page.on("pageerror", lambda error: self.noise.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.noise.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        if self.unfolded:
            self.page.evaluate(
                "document.querySelectorAll('details').forEach(d => { d.open = true })"
            )

    def assert_quiet(self, path) -> None:
        assert self.noise == []
        assert self.page.evaluate("window.ran") is None
        # The comparison of two runs has none, others their own, those with charts also theirs and its data.
        assert self.page.locator("script").count() in {0, 1, 3}
        assert self.page.locator("iframe, object, form").count() == 0
        assert [url for url in self.requests if not url.startswith("data:")] == [path.as_uri()]


def hostile(tmp_path, text: str = ATTACK) -> ReportInput:
    check = b.held("recall@1", 0.95, 0.9, message=text, where=text)
    values = {"recall@1": b.metric(0.8, 5), "map@20": b.metric(0.7, 5)}
    curves = {
        name: curve.model_copy(update={"x_label": text, "y_label": text, "note": text})
        for name, curve in b.curves().items()
    }
    measured = b.detailed(
        conditions={text: {text: values}},
        spreads=[b.spread(text, worst=text, best=text)],
        crossings=[b.crossing((text, text), 0.5, columns=(text, text))],
        confusions=[b.confusion(text, text, queries=[text] * 4)],
        curves={**curves, text: curves["cumulative match"]},
        metrics={**values, text: b.metric(0.5), "recall@" + text: b.metric(0.5)},
    )
    record = b.run(
        [
            b.pair(
                text,
                text,
                text,
                verdict="reject",
                checks=[check],
                measurement=measured,
            ),
            b.unmeasured(text, "other", text, "lost", text),
        ],
        [
            b.model(
                text,
                source=text,
                family=text,
                pooling=text,
                preprocessing=text,
                preprocessing_digest=text,
                weights_digest=text,
                versions={text: text},
            )
        ],
        [b.dataset(text, text, layout=text, content_digest=text, protocol_note=text, root="data")],
        run=text,
        prodbench_version=text,
        policy_digest=text,
        policy_files=[text],
        selection=[text],
        partial=True,
        owners={text: text},
        definitions=[(text, text), ("recall@k", text)],
        host=Host(
            started=text,
            seconds=1,
            platform=text,
            python=text,
            cpu_count=1,
            gpus=[text],
            versions={text: text},
        ),
    )
    rows = [
        b.row(
            text,
            text,
            2,
            family=text,
            top_images=[text] * 10,
            top_products=[text] * 10,
            **{f"condition.{text}": text},
        )
    ]
    return ReportInput(record, {f"{text}:{text}": b.table(rows)}, tmp_path / "run", tmp_path)


@pytest.mark.parametrize("policy", ["as written", "taken out"])
def test_hostile_text_is_only_text(browser, tmp_path, policy):
    path = write_html(hostile(tmp_path))
    if policy == "taken out":  # escaping must hold by itself, not only behind the policy
        text, found = re.subn(r"<meta http-equiv[^>]*>", "", path.read_text("utf-8"))
        assert found == 1
        path.write_text(text, "utf-8")
    watched = Watched(browser, path)
    watched.assert_quiet(path)
    page = watched.page
    for selector in ("table.pairs tbody th", ".why li", ".id", ".assumed"):
        # Headings and narrow columns cut it, tables do not; what is shown is the text itself.
        assert wording.line(ATTACK, 300) in page.locator(selector).first.text_content()
    for selector in (
        ".sector > h2",
        ".slices caption",
        ".apart",
        ".crossings tbody th",
        ".confusions tbody th",
        ".numbers tbody tr:first-child th",
    ):
        assert wording.line(ATTACK, 80) in page.locator(selector).first.text_content()
    # Nothing can be isolated in a drawing: there the marks that turn text are replaced.
    label = wording.line(unturned(ATTACK), 48)
    assert label in page.locator(".chart text").all_text_contents()
    page.locator(".chart").first.scroll_into_view_if_needed()
    page.locator(".chart[data-drawn]").first.wait_for()
    assert label in page.locator(".chart[data-drawn] text").all_text_contents()
    watched.assert_quiet(path)
    assert page.locator("img").count() == 0
    assert page.locator(".gone").count() == 9
    assert page.evaluate("document.querySelectorAll('[onload], [onerror]').length") == 0


def test_a_hostile_name_of_a_real_image(browser, tmp_path):
    report = b.small_run(tmp_path)
    name = "q/<b onclick=alert(1)>\"'.jpg"
    b.draw_part(tmp_path / "project/data/parts" / name, 7)
    report = replace(report, queries={"lite0:parts": b.table([b.row(name, ATTACK, 2)])})
    path = write_html(report)
    watched = Watched(browser, path)
    watched.assert_quiet(path)
    image = watched.page.locator("figure.query img")
    assert image.evaluate("i => i.naturalWidth") == 128
    assert image.get_attribute("alt") == "Query photo of " + wording.line(ATTACK, 80)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window(browser, tmp_path, width, scheme):
    path = write_html(four_sectors(tmp_path))
    watched = Watched(browser, path, viewport={"width": width, "height": 844}, color_scheme=scheme)
    watched.assert_quiet(path)
    page = watched.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(250, 249, 246)" if scheme == "light" else "rgb(20, 22, 26)")
    assert page.locator("h1").bounding_box()["y"] < 200
    if width == 1280:  # the verdict of each sector is read without scrolling
        for box in (card.bounding_box() for card in page.locator(".card h2").all()):
            assert box["y"] + box["height"] < 844


def test_very_long_words_do_not_widen_the_page(browser, tmp_path):
    path = write_html(hostile(tmp_path, "W" * 5000))
    watched = Watched(browser, path, viewport={"width": 390, "height": 844})
    watched.assert_quiet(path)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_link_into_a_pair_unfolds_it(browser, tmp_path):
    path = write_html(b.small_run(tmp_path))
    watched = Watched(browser, path)
    page = watched.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = false })")
    page.locator("table.pairs tbody th a").first.click()
    # Not wait_for_function: the page's own policy forbids what it evaluates.
    page.locator("details.pair[open]").wait_for()


def test_print_fits_a_page(browser, tmp_path):
    path = write_html(four_sectors(tmp_path))
    watched = Watched(browser, path, viewport={"width": 760, "height": 1000})
    page = watched.page
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 760
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_print_shows_no_controls_and_opens_nothing(browser, tmp_path):
    path = write_html(four_sectors(tmp_path))
    page = browser.new_context(viewport={"width": 760, "height": 1000}).new_page()
    page.goto(path.as_uri())
    page.locator("details.pair").first.evaluate("one => { one.open = true }")
    page.locator("details.pair").first.locator(".sort").first.wait_for()
    page.locator(".card .term").first.click()
    assert page.locator("div.about:visible").count() == 1
    page.emulate_media(media="print")
    assert (
        page.locator("select, input, .tools, .skip, div.about, .tip").filter(visible=True).count()
        == 0
    )
    # Names that open something are printed as words.
    boxes = "all => all.filter(one => getComputedStyle(one).display !== 'contents').length"
    assert page.locator("button").count() > 20
    assert page.locator("button").evaluate_all(boxes) == 0
    assert page.locator("table.pairs thead").first.inner_text().split()[0] == "Model"
    # What is folded stays away as a whole, what is open is there with its charts and pictures.
    pairs = page.locator("details.pair")
    assert pairs.filter(visible=True).count() == 1
    assert pairs.first.locator(".chart svg").filter(visible=True).count() > 2
    assert pairs.first.locator("img").filter(visible=True).count() > 6
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/Type /Page\n") > 3


def test_what_unfolds_is_drawn_and_described(browser, tmp_path):
    path = write_html(b.small_run(tmp_path, pair={"measurement": b.detailed()}))
    watched = Watched(browser, path)
    watched.assert_quiet(path)
    page = watched.page
    assert page.locator(".chart svg").count() == 5
    for chart in page.locator(".chart svg").all():
        box = chart.bounding_box()
        assert 200 < box["width"] < 500
        for mark in chart.locator("text, path:not(.background), line").all():
            inner = mark.bounding_box()
            assert inner["x"] >= box["x"] - 1
            assert inner["x"] + inner["width"] <= box["x"] + box["width"] + 1
            assert inner["y"] + inner["height"] <= box["y"] + box["height"] + 1
    growth = page.get_by_role("img", name="Growth of the catalog (recall@1)")
    assert growth.count() == 1
    described = growth.evaluate(
        "e => document.getElementById(e.getAttribute('aria-describedby')).textContent"
    )
    assert described.startswith("expected recall@1 by gallery images: 0.975 at 100 images")
    assert growth.locator("[stroke-dasharray='5,3']").count() == 1


def test_a_chart_answers_to_the_pointer(browser, tmp_path):
    path = write_html(b.small_run(tmp_path, pair={"measurement": b.detailed()}))
    watched = Watched(browser, path)
    page = watched.page
    chart = page.locator(".chart", has_text="Cumulative match")
    before = chart.locator("svg").bounding_box()
    chart.scroll_into_view_if_needed()
    page.locator(".chart[data-drawn]", has_text="Cumulative match").wait_for()
    after = chart.locator("svg").bounding_box()
    assert after["width"] == pytest.approx(before["width"], abs=1)
    assert after["height"] == pytest.approx(before["height"], abs=2)
    tip = page.locator(".tip")
    assert not tip.is_visible()
    chart.locator(".mark-symbol path").first.hover(force=True)
    assert "recall" in tip.text_content()
    page.mouse.move(1, 1)
    assert not tip.is_visible()
    watched.assert_quiet(path)


@pytest.mark.parametrize("scripts", [True, False])
def test_a_metric_opens_its_definition(browser, tmp_path, scripts):
    path = write_html(b.small_run(tmp_path, pair={"measurement": b.detailed()}))
    page = browser.new_context(java_script_enabled=scripts).new_page()
    page.goto(path.as_uri())
    for summary in ("details.pair > summary", "details.numbers > summary"):
        page.locator(summary).click()
    assert page.locator("div.about:visible").count() == 0
    page.locator(".numbers tbody th .term", has_text="median_rank").click()
    told = page.locator("div.about:visible")
    assert "Lower median over queries of the rank" in told.text_content()
    page.keyboard.press("Escape")
    assert page.locator("div.about:visible").count() == 0
    page.locator("table.pairs thead .term", has_text="R@1").first.click()
    assert told.locator("strong").text_content() == "recall@k"


def test_every_limit_says_where_it_stands(browser, tmp_path):
    path = write_html(four_sectors(tmp_path))
    page = Watched(browser, path).page
    for details in page.locator("details.pair").all():
        rows = details.locator(".rules tbody tr")
        assert rows.count() == 2
        for row in rows.all():
            assert "sector.toml" in row.locator("td").last.text_content()
