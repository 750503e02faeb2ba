"""Figures of others: in tables of their own, marked with whose word they are, and nowhere else."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from pytest_prodbench.datasets import published as facts
from pytest_prodbench.report.html import write_html
from pytest_prodbench.report.published_figures import NOT_VERIFIED, PUBLISHED_MEANS, published_sets
from pytest_prodbench.report.reporter import ReportInput
from pytest_prodbench.report.show import show_pair, show_run

from . import builders as b
from .compared import rows_of
from .test_accessibility import violations
from .test_browser import ATTACK, Watched, browser  # noqa: F401 - a fixture
from .test_html import Seen


def on(folder, *keys: str, **changes) -> ReportInput:
    """A run of two models on a dataset for each key of a published set."""
    values = {"recall@1": b.metric(0.5231, 400), "map@20": b.metric(0.4117, 400)}
    datasets = [b.dataset(f"set-{n}", "retail", published=key) for n, key in enumerate(keys)]
    pairs = [
        b.pair(model, dataset.name, "retail", measurement=b.measurement(metrics=values))
        for dataset in datasets
        for model in ("ours", "theirs")
    ]
    record = b.run(pairs, [b.model("ours"), b.model("theirs")], datasets, **changes)
    return ReportInput(record, {}, folder / "run", folder)


def mine(folder, monkeypatch, text: str, **row: object) -> None:
    """Write a facts file ``mine`` in which every text is the same."""
    (folder / "references").mkdir()
    monkeypatch.setattr(facts, "REFERENCES", folder / "references")
    quoted = json.dumps(text, ensure_ascii=True)
    lines = {"model": quoted, "metric": quoted, "value": 0.5, "source": quoted, "on": quoted,
             "note": quoted, "kind": '"reported by third parties"', **row}  # fmt: skip
    (folder / "references/mine.toml").write_text(
        f'title = {quoted}\nprotocol = "ours"\nprotocol_note = {quoted}\ncounts = {quoted}\n'
        f"sources = [{quoted}]\n[[reference]]\n"
        + "".join(f"{key} = {value}\n" for key, value in lines.items())
    )


def seen(markup: str) -> str:
    return " ".join(" ".join(Seen(markup).parts).split())


def section(markup: str) -> str:
    found = re.search(r'<section id="published".*?</section>', markup, re.DOTALL)
    assert found is not None
    return found[0]


def shown(function, *arguments) -> str:
    out = io.StringIO()
    function(*arguments, Console(file=out, width=200, highlight=False))
    return " ".join(out.getvalue().split())


GOLDEN = (
    "ours recall@1 0.523 [0.498, 0.548] measured in this run – – "
    "theirs recall@1 0.523 [0.498, 0.548] measured in this run – – "
    "EVA02-CLIP-bigE-plus recall@1 0.691 published, first-hand MIEB published as hit@1; one dataset is not a "
    "ranking SigLIP-SO400M recall@1 0.643"
)


def test_the_page_shows_them_below_what_was_measured(tmp_path):
    markup = write_html(on(tmp_path, "mieb_sop")).read_text("utf-8")
    text = seen(section(markup))
    assert text.startswith("As published " + PUBLISHED_MEANS)
    assert "MIEB: Stanford Online Products set-0 Protocol official: merges train and test" in text
    assert "Published: 120,053 documents, 22,634 queries, 97,419 relations" in text
    assert "Measured here: 400 queries, 1,800 gallery images." in text
    assert GOLDEN in text


def test_they_are_nowhere_else(tmp_path):
    markup = write_html(on(tmp_path, "mieb_sop", "visual_product_search_2026")).read_text("utf-8")
    elsewhere = markup.replace(section(markup), "")
    for name in ("EVA02", "SigLIP", "MoCo", "DINOv2", "0.691", "0.137"):
        assert name in section(markup)
        assert name not in elsewhere


def test_what_nobody_verified_is_marked_in_every_row(tmp_path):
    markup = section(write_html(on(tmp_path, "visual_product_search_2026")).read_text("utf-8"))
    rows = re.findall(r"<tr class=\"unverified\">.*?</tr>", markup, re.DOTALL)
    assert len(rows) == 11
    assert all(f"<strong><bdi>{NOT_VERIFIED}</bdi></strong>" in row for row in rows)
    assert "clips and connectors" in rows[0]
    assert "unverified" not in section(
        write_html(on(tmp_path, "stanford_online_products")).read_text("utf-8")
    )


def test_a_teams_own_dataset_has_none(tmp_path):
    report = on(tmp_path, "")
    assert published_sets(report.record) == ()
    assert "As published" not in write_html(report).read_text("utf-8")
    assert "As published" not in shown(show_run, report.record)


def test_a_set_that_this_release_does_not_know(tmp_path):
    report = on(tmp_path, "of-another-release", "uned")
    text = seen(section(write_html(report).read_text("utf-8")))
    assert "Of the set of-another-release nothing is known" in text
    assert "No figure of others is known to us." in text  # of uned


def test_a_metric_that_was_not_measured_is_said_to_be(tmp_path, monkeypatch):
    mine(tmp_path, monkeypatch, "words", metric='"mmp@5"')
    text = seen(section(write_html(on(tmp_path, "mine")).read_text("utf-8")))
    assert "None of these metrics was measured in this run." in text


def test_the_record_is_not_changed(tmp_path):
    report = on(tmp_path, "mieb_sop")
    before = report.record.model_dump_json()
    write_html(report)
    rows_of(report)
    assert report.record.model_dump_json() == before


def test_the_terminal_shows_them_last(tmp_path):
    record = on(tmp_path, "mieb_rp2k", "visual_product_search_2026").record
    text = shown(show_run, record)
    assert text.index("As published: MIEB: RP2K (set-0)") > text.index("recall@1")
    assert "0.718" in text
    assert text.count(NOT_VERIFIED) == 11
    assert text.endswith(PUBLISHED_MEANS)
    alone = shown(show_pair, record.pairs[0], record)
    assert "MIEB: RP2K" in alone
    assert "Visual Product Search" not in alone
    part = alone[alone.index("As published") :]
    assert "ours" in part
    assert "theirs" not in part


def test_the_table_has_every_figure_once(tmp_path):
    rows = rows_of(on(tmp_path, "mieb_sop", "visual_product_search_2026", "uned"))["published"]
    assert len(rows) == 5 + 11
    first = facts.published("mieb_sop").reference[0]
    assert rows[0] == {
        "dataset": "set-0",
        "set": "mieb_sop",
        "title": "MIEB: Stanford Online Products",
        "place": 1,
        "model": first.model,
        "metric": "recall@1",
        "value": 0.691,
        "part": "",
        "kind": "first-hand",
        "verified": True,
        "source": "MIEB",
        "note": first.note,
    }
    assert {row["verified"] for row in rows if row["dataset"] == "set-1"} == {False}
    assert {row["kind"] for row in rows if row["dataset"] == "set-1"} == {NOT_VERIFIED}


@pytest.mark.parametrize("policy", ["as written", "taken out"])
def test_hostile_facts_are_only_text(browser, tmp_path, monkeypatch, policy):  # noqa: F811
    mine(tmp_path, monkeypatch, ATTACK)
    path = write_html(on(tmp_path, "mine"))
    if policy == "taken out":  # escaping must hold by itself, not only behind the policy
        path.write_text(re.sub(r"<meta http-equiv[^>]*>", "", path.read_text("utf-8")), "utf-8")
    watched = Watched(browser, path)
    watched.assert_quiet(path)
    text = watched.page.locator("#published .unverified").text_content()
    assert text.count("<script>window.ran=1</script>") == 5  # model, metric, part, source, note
    assert watched.page.evaluate("document.querySelectorAll('[onload], [onerror]').length") == 0


def test_hostile_facts_do_not_repaint_a_terminal(tmp_path, monkeypatch):
    mine(tmp_path, monkeypatch, "\x1b[2J\x1b]0;owned\x07[red]\u202eturned[/red]\nline")
    record = on(tmp_path, "mine").record
    for text in (shown(show_run, record), shown(show_pair, record.pairs[0], record)):
        assert not set(text) & {"\x1b", "\x07", "\u202e"}
        assert "[red]" in text


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_tables_can_be_read_by_everybody(browser, tmp_path, width, scheme):  # noqa: F811
    path = write_html(on(tmp_path, "mieb_sop", "visual_product_search_2026"))
    how = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
    assert violations(browser, path, **how) == []
    watched = Watched(browser, path, **how)
    watched.assert_quiet(path)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
