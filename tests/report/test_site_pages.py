"""A site on disk: its pages, what stays and what is made anew, what it refuses, and in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pytest_prodbench.cli import main
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.report.site import write_site
from pytest_prodbench.report.site.comparisons import run_pairs
from pytest_prodbench.report.site.dataset_page import dataset_page
from pytest_prodbench.report.site.history import history
from pytest_prodbench.report.site.model_page import model_page

from . import builders as b
from .site_runs import on_disk, ranks_for, record
from .test_browser import ATTACK, Watched, browser  # noqa: F401 - a fixture

LINK = re.compile(r'(?:href|src)="([^"#][^"]*)"')


def three_runs(folder: Path):
    """Three runs of two models on two datasets; the second model comes later, and gets better."""
    return [
        on_disk(folder, record("one", {("m", "d"): 0.5, ("m", "e"): 0.4}, day=1)),
        on_disk(folder, record("two", {("m", "d"): 0.5, ("n", "d"): 0.3}, day=2)),
        on_disk(
            folder,
            record("three", {("m", "d"): 0.5, ("n", "d"): 0.9, ("n", "e"): 0.8}, day=3),
        ),
    ]


def project(folder: Path) -> Path:
    """Photos of the dataset ``d``; those of ``e`` are gone."""
    for n in range(1, 11):
        b.draw_part(folder / f"data/d/cat/{n}.jpg", n)
    for n in range(40):
        b.draw_part(folder / f"data/d/q/{n}.jpg", n + 50)
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One site that many tests look at and none changes."""
    folder = tmp_path_factory.mktemp("written")
    runs = three_runs(folder / "reports")
    return write_site(runs, folder / "site", project(folder / "project"))


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_a_page_a_run_a_model_a_dataset_and_a_comparison(written):
    site = written.index.parent
    kinds = [path.parent.name for path in pages(site)]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "site": 1,
        "runs": 3,
        "models": 2,
        "datasets": 2,
        "compare": 3 + 1,
    }
    assert written.pages == len(kinds)
    assert written.made == 6


def test_every_link_leads_to_a_file_and_every_anchor_to_a_place(written):
    for path in pages(written.index.parent):
        text = path.read_text(encoding="utf-8")
        for found in LINK.findall(text):
            if found.startswith("data:"):
                continue
            address, _, anchor = found.partition("#")
            target = (path.parent / address).resolve()
            assert target.is_file(), f"{path.name}: {found}"
            if anchor:
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), found


def test_photos_are_files_that_pages_share(written):
    site = written.index.parent
    pictures = {path.name for path in (site / "pictures").iterdir()}
    shown = [
        set(re.findall(r"pictures/(\w+\.jpg)", path.read_text("utf-8"))) for path in pages(site)
    ]
    assert set().union(*shown) == pictures
    assert sum(map(len, shown)) > len(pictures)
    assert not any("data:image" in path.read_text("utf-8") for path in pages(site))


def test_what_is_unchanged_stays_and_what_is_gone_goes(tmp_path):
    runs, out = three_runs(tmp_path / "reports"), tmp_path / "site"
    photos = project(tmp_path / "project")
    # Pages with a picture missing are made anew each time: those of e.
    for n in range(1, 11):
        b.draw_part(photos / f"data/e/cat/{n}.jpg", n)
    for n in range(40):
        b.draw_part(photos / f"data/e/q/{n}.jpg", n + 90)
    write_site(runs[:2], out, photos)
    before = {path: path.stat().st_mtime_ns for path in pages(out) if path.parent.name == "runs"}
    second = write_site(runs, out, photos)
    assert second.made == 3, "the third run, and it against the other two"
    assert all(path.stat().st_mtime_ns == moment for path, moment in before.items())
    everything = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert write_site(runs, out, photos).made == 0
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == everything
    write_site(runs[1:], out, photos)
    left = {path.name.rpartition("-")[0] for path in pages(out) if path.parent.name == "runs"}
    assert left == {"two", "three"}
    assert not any(runs[0].slug in path.name for path in pages(out))


def test_a_page_with_a_hole_in_it_is_made_again(tmp_path):
    runs, out, photos = (
        three_runs(tmp_path / "reports")[:1],
        tmp_path / "site",
        tmp_path / "project",
    )
    assert write_site(runs, out, photos).made == 1
    assert write_site(runs, out, photos).made == 1
    for path in ("d", "e"):
        for n in range(1, 11):
            b.draw_part(photos / f"data/{path}/cat/{n}.jpg", n)
        for n in range(40):
            b.draw_part(photos / f"data/{path}/q/{n}.jpg", n + 50)
    assert write_site(runs, out, photos).made == 1
    assert write_site(runs, out, photos).made == 0
    next((out / "pictures").iterdir()).unlink()
    assert write_site(runs, out, photos).made == 1, "a picture was taken away"


def test_the_same_runs_make_the_same_bytes_in_any_order(tmp_path):
    runs, photos = three_runs(tmp_path / "reports"), project(tmp_path / "project")
    write_site(runs, tmp_path / "a", photos)
    write_site(runs[::-1], tmp_path / "b", photos)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert files == sorted(
        path.relative_to(tmp_path / "b") for path in (tmp_path / "b").rglob("*.*")
    )
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.parametrize(
    "contents",
    [
        None,
        "not json",
        "[]",
        '{"made_by": "somebody", "pages": {}}',
        '{"made_by": "prodbench site", "pages": {"index.html": {}}}',
    ],
)
def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path, contents):
    out = tmp_path / "mine"
    out.mkdir()
    (out / "thesis.html").write_text("three years of work")
    if contents is not None:
        (out / "site.json").write_text(contents)
    with pytest.raises(SettingsError, match=r"--out: .*mine.*site\.json.*expected a new folder"):
        write_site([], out, tmp_path)
    assert (out / "thesis.html").read_text() == "three years of work"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "site").write_text("")
    with pytest.raises(SettingsError, match="expected a folder"):
        write_site([], tmp_path / "site", tmp_path)


def test_nothing_outside_the_site_is_taken_away(tmp_path):
    out = tmp_path / "site"
    write_site(three_runs(tmp_path / "reports")[:1], out, tmp_path)
    (tmp_path / "thesis.html").write_text("three years of work")
    held = json.loads((out / "site.json").read_text())
    page = {"key": "", "pictures": [], "told": None}
    held["pages"] |= {
        "../thesis.html": page,
        str(tmp_path / "thesis.html"): page,
        "site.json": page,
    }
    (out / "site.json").write_text(json.dumps(held))
    write_site([], out, tmp_path)
    assert (tmp_path / "thesis.html").exists()
    assert [path.name for path in pages(out)] == ["index.html", "index.html"]


def test_the_newest_runs_are_compared_each_with_each():
    chosen = list("abcd")
    assert [(p.before, p.after) for p in run_pairs(chosen, 3)] == [
        ("b", "c"),
        ("b", "d"),
        ("c", "d"),
    ]
    assert [*run_pairs(chosen, 0)] == [*run_pairs(chosen, 1)] == []
    assert len([*run_pairs(chosen, 99)]) == 6


def test_the_table_of_comparisons_says_what_is_proven(written):
    text = (written.index.parent / "compare" / "index.html").read_text("utf-8")
    assert "1 proven better" in text, "n on d, from 0.3 to 0.9"
    assert "no difference proven" in text


def test_runs_with_nothing_in_common(tmp_path):
    runs = [
        on_disk(tmp_path / "reports", record("one", {("m", "d"): 0.5}, day=1)),
        on_disk(tmp_path / "reports", record("two", {("m", "e"): 0.5}, day=2)),
    ]
    write_site(runs, tmp_path / "site", tmp_path)
    assert "nothing to compare" in (tmp_path / "site/compare/index.html").read_text("utf-8")
    (page,) = (path for path in pages(tmp_path / "site") if "--" in path.name)
    assert "which have nothing in common" in page.read_text("utf-8")


def test_photos_that_nobody_finds(tmp_path):
    ranks = {
        "m:d": [1, 2, 9, 4] + [1] * 36,
        "n:d": [2, 3, 2, 1] + [1] * 36,
    }
    made = record("one", {("m", "d"): 0.9, ("n", "d"): 0.9})
    view = dataset_page(history([on_disk(tmp_path, made, ranks=ranks)]), "d")
    assert (view.missed.models, view.missed.queries, view.missed.missed) == (2, 40, 2)
    assert {shot.query for shot in view.missed.shots} == {"q/1.jpg", "q/2.jpg"}


def test_a_dataset_shows_its_models_by_their_newest_numbers(tmp_path):
    view = dataset_page(history(three_runs(tmp_path)), "d")
    assert [(one.point.model.name, one.point.headline.value) for one in view.standings] == [
        ("n", 0.9),
        ("m", 0.5),
    ]
    assert [line.name for line in view.lines] == ["m", "n"]
    assert len(view.versions) == 1


def test_a_model_shows_every_measurement(tmp_path):
    view = model_page(history(three_runs(tmp_path)), "n")
    assert [
        (one.point.run.record.run, one.point.pair.dataset, one.version) for one in view.measurements
    ] == [("three", "e", 1), ("three", "d", 1), ("two", "d", 1)]
    assert view.costs, "what the builders state of conditions"
    assert view.chart is not None


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(project(tmp_path / "project"))
    three_runs(tmp_path / "project/reports")
    assert main(["site", "reports", "--out", "out", "--compare", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("out/index.html: 3 runs, ")
    assert len([path for path in pages(Path("out")) if "--" in path.name]) == 1
    assert main(["site", "reports/one", "reports/two", "reports/one", "--out", "out"]) == 0
    assert "2 runs" in capsys.readouterr().out


def test_a_run_that_cannot_be_read_is_named_and_left_out(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    three_runs(tmp_path / "reports")
    (tmp_path / "reports/two/evidence.json").write_text('{"schema_version": 99}')
    victim = next((tmp_path / "reports/three/queries").iterdir())
    victim.write_bytes(b"damaged")
    assert main(["site", "reports"]) == 2
    said = capsys.readouterr()
    assert "1 run," in said.out
    assert "reports/two" in said.err
    assert victim.name in said.err
    text = (tmp_path / "site/index.html").read_text("utf-8")
    assert "Not on this site" in text
    assert victim.name in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["nowhere"], "nowhere: no folder"), (["empty"], "empty: no run")],
)
def test_nothing_to_make_a_site_of(tmp_path, capsys, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    assert main(["site", *arguments]) == 4
    assert told in capsys.readouterr().err


# In a real browser, from the disk.


class Visit(Watched):
    """A page of the site, as it is opened, and all that it must not do."""

    unfolded = False

    def assert_quiet(self, site: Path) -> None:
        assert self.noise == []
        assert self.page.evaluate("window.ran") is None
        inside = site.as_uri() + "/"
        assert [url for url in self.requests if not url.startswith(("data:", inside))] == []


def test_every_page_opens_from_the_disk(browser, written):  # noqa: F811
    site = written.index.parent
    for path in pages(site):
        visit = Visit(browser, path)
        visit.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        broken = visit.page.evaluate(
            "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
        )
        assert broken == [], path
        visit.assert_quiet(site)
        visit.page.context.close()


def test_from_the_leaderboard_to_a_photo_and_back(browser, written):  # noqa: F811
    visit = Visit(browser, written.index)
    page = visit.page
    page.get_by_role("button", name="Mean").click()
    assert page.locator("table.matrix tbody th").first.inner_text().startswith("n")
    page.locator("table.matrix tbody tr").first.locator("a.open").first.click()
    assert "three" in page.title()
    assert page.locator("img").count() > 0
    page.get_by_role("link", name="Compare").click()
    page.locator("table.grid a").first.click()
    assert "→" in page.title()
    page.get_by_role("link", name="Leaderboard").click()
    assert page.get_by_role("heading", name="Leaderboard").is_visible()
    visit.assert_quiet(written.index.parent)


def test_the_switch_of_metrics_turns_means_and_cells(browser, written):  # noqa: F811
    page = Visit(browser, written.index).page
    row = page.locator("table.matrix tbody tr").first
    assert "0.850" in row.inner_text()
    page.get_by_label("Metric").select_option(label="mAP@20")
    assert "0.425" in row.inner_text()
    assert "0.850" not in row.inner_text()


def test_a_trend_answers_to_the_pointer(browser, written):  # noqa: F811
    page = Visit(browser, written.index).page
    figure = page.locator("figure.chart").first
    figure.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('figure.chart').dataset.drawn !== undefined")
    assert figure.locator("svg").count() == 1


@pytest.mark.parametrize("name", ["index", "models", "datasets", "compare"])
def test_a_phone_holds_it(browser, written, name):  # noqa: F811
    site = written.index.parent
    for path in [site / "index.html"] if name == "index" else sorted((site / name).iterdir()):
        page = Visit(browser, path, viewport={"width": 390, "height": 800}).page
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.context.close()


def test_without_a_script_all_is_there(browser, written):  # noqa: F811
    page = Visit(browser, written.index, java_script_enabled=False).page
    assert page.locator("figure.chart svg").count() >= 1
    assert page.get_by_text("0.850").first.is_visible()


def test_hostile_names_are_names(browser, tmp_path):  # noqa: F811
    # Short and without a slash: a file of queries is named by model and dataset.
    text = '<img src=x onerror="window.ran=1">\'"<svg onload=alert(1)>\u202eturned'
    made = [
        record("one", {(text, text): 0.5}, day=1),
        record("two", {(text, text): 0.7}, day=2, policy_digest=text),
    ]
    turned = [
        on_disk(
            tmp_path,
            one.model_copy(
                update={
                    "sectors": {ATTACK: "accept"},
                    "candidates": {text: "accept"},
                    "models": {text: one.models[text].model_copy(update={"source": ATTACK})},
                    "pairs": [p.model_copy(update={"sector": ATTACK}) for p in one.pairs],
                }
            ),
        )
        for one in made
    ]
    index = write_site(turned, tmp_path / "site", tmp_path, skipped=[ATTACK]).index
    for path in pages(index.parent):
        visit = Visit(browser, path)
        visit.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        visit.assert_quiet(index.parent)
        assert visit.page.locator("iframe, object, form").count() == 0
        visit.page.context.close()


def test_ranks_are_what_the_builders_say():
    assert ranks_for(0.5, 4) == [1, 1, 2, 3]
