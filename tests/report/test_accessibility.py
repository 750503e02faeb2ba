"""axe-core on the page, in a real browser: nobody is kept from reading a verdict."""

from __future__ import annotations

from importlib.resources import files

import pytest

from pytest_prodbench.report.html import write_html
from pytest_prodbench.report.site import write_site

from . import builders as b
from .four_sectors import four_sectors
from .site_runs import on_disk, record
from .test_browser import browser, hostile

__all__ = ["browser"]

GRAVE = ("serious", "critical")


def violations(browser, path, **context) -> list[str]:
    """What axe finds on a page with its first pair unfolded: impact, rule and the first places of each."""
    pytest.importorskip("axe_playwright_python", reason="axe-core comes with it")
    axe = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    # The page's own policy lets no script in that is not its own, the one that looks at it included.
    page = browser.new_context(bypass_csp=True, **context).new_page()
    page.goto(path.as_uri())
    page.evaluate(
        "const one = document.querySelector('details.pair') ?? document;"
        "[one, ...one.querySelectorAll('details')].forEach(it => { it.open = true })"
    )
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert len(found["passes"]) > 30  # it has looked
    page.context.close()
    return [
        f"{one['impact']} {one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_four_sectors(browser, tmp_path, width, scheme):
    path = write_html(four_sectors(tmp_path))
    viewport = {"width": width, "height": 900}
    assert violations(browser, path, color_scheme=scheme, viewport=viewport) == []


def test_whatever_the_data_says(browser, tmp_path):
    found = violations(browser, write_html(hostile(tmp_path)))
    assert [one for one in found if one.startswith(GRAVE)] == []


def test_a_site(browser, tmp_path):
    recalls = {("m", "d"): 0.5, ("n", "d"): 0.3, ("n", "e"): 0.8}
    runs = [
        on_disk(tmp_path, record("one", recalls, day=1)),
        on_disk(tmp_path, record("two", recalls | {("n", "d"): 0.9}, day=2)),
    ]
    site = write_site(runs, tmp_path / "site", tmp_path).index.parent
    looked_at = [path for path in site.rglob("*.html") if path.parent.name != "runs"]
    assert len(looked_at) == 1 + 2 + 2 + 2
    for number, path in enumerate(sorted(looked_at)):
        # Wide and narrow, dark and light, in turn: they share their style.
        scheme, width = ("dark", 1280) if number % 2 else ("light", 390)
        viewport = {"width": width, "height": 900}
        assert violations(browser, path, color_scheme=scheme, viewport=viewport) == [], path


def test_a_fault_is_found(browser, tmp_path):
    path = write_html(b.small_run(tmp_path))
    text = path.read_text("utf-8").replace(' alt="', ' data-alt="').replace('lang="en"', "")
    path.write_text(text, "utf-8")
    found = [one.split(":")[0] for one in violations(browser, path)]
    assert {"critical image-alt", "serious html-has-lang"} <= set(found)
