from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.evidence.comparison import PairComparison
from pytest_prodbench.evidence.store import queries_file
from pytest_prodbench.report import wording
from pytest_prodbench.report.html import Later, write_html
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b
from .four_sectors import four_sectors
from .site_runs import on_disk


class Seen(HTMLParser):
    """The tags, the names of their attributes, and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[tuple[str, ...]] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.parts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add((tag, *sorted(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data):
        self.parts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.parts)


def page(report: ReportInput) -> str:
    return write_html(report).read_text("utf-8")


def test_the_verdict_comes_first_with_its_counts(tmp_path):
    text = Seen(page(four_sectors(tmp_path))).text
    head = text[: text.index("Partial run")]
    assert "REJECT" in head
    assert re.search(r"pairs planned\s*13\s*selected\s*12\s*evaluated\s*10", head)
    assert "-k 'not openai'" in text
    assert "cannot become a baseline" in text


def test_lost_failed_and_unselected_pairs_stand_by_name(tmp_path):
    text = Seen(page(four_sectors(tmp_path))).text
    assert "worker gw1 died while it embedded batch 12 of 40" in text
    assert "24 bytes left over" in text
    assert "openai-clip-l14:fasteners" in text
    assert "recall@1 is 0.744 and must be at least 0.8" in text


def test_a_planned_pair_without_any_record_is_lost(tmp_path):
    report = b.small_run(tmp_path, planned=["lite0:parts", "ghost:parts"], selected=["ghost:parts"])
    text = Seen(page(report)).text
    assert "ghost" in text
    assert "the run left no record of this pair" in text


def test_conditions_with_few_queries_are_marked(tmp_path):
    text = Seen(page(four_sectors(tmp_path))).text
    assert text.count("shown, not ranked: under 20 queries") == 10


def test_policy_allows_this_style_and_script_and_nothing_else(tmp_path):
    text = page(b.small_run(tmp_path))
    style, vega, script = (
        base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()
        for tag in ("style", "script")
        for found in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    )
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.replace("&#39;", "'") == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; "
        f"script-src 'sha256-{vega}' 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_fetched_and_only_the_script_that_ships_runs(tmp_path):
    text = page(four_sectors(tmp_path))
    seen = Seen(text)
    assert not {"iframe", "object", "form"} & {tag for tag, *_ in seen.tags}
    assert text.count("<script>") == 2
    assert text.count("<script") == 3  # and the charts' specifications, which are data
    script = (files("pytest_prodbench.report") / "templates" / "report.js").read_text("utf-8")
    assert f"<script>{script}</script>" in text
    # What would make markup of data, or code of text.
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
    for _, name, value in seen.attributes:
        assert not name.startswith("on")
        assert name != "style"
        if name in {"src", "href"}:
            assert value.startswith(("data:", "#"))


def test_every_link_has_a_target(tmp_path):
    seen = Seen(page(four_sectors(tmp_path)))
    ids = [value for _, name, value in seen.attributes if name == "id"]
    links = {value[1:] for _, name, value in seen.attributes if name == "href" and value[0] == "#"}
    assert len(ids) == len(set(ids))
    assert links <= set(ids)


def test_the_ways_on_are_parted_by_a_comma_and_a_space(tmp_path):
    markup = write_html(four_sectors(tmp_path)).read_text("utf-8")
    (line,) = re.findall(r'<p class="links">Then: .*?</p>', markup, re.DOTALL)
    text = " ".join(re.sub(r"<[^>]+>", "", line).split())
    assert re.fullmatch(r"Then: (\w+( \w+)*, )+run and host\.", text)


def test_every_picture_is_described(tmp_path):
    seen = Seen(page(b.small_run(tmp_path)))
    alts = [value for tag, name, value in seen.attributes if (tag, name) == ("img", "alt")]
    assert "Query photo of A2" in alts
    assert "Result 3: A2, the right product" in alts
    assert "Result 1: P1, another product" in alts


def test_ties_and_families_are_told(tmp_path):
    text = Seen(page(b.small_run(tmp_path))).text
    assert "tie: rank 1 if ties went the other way" in text
    assert "right family first" in text
    assert "another family first" in text


def test_missing_images_leave_a_described_gap(tmp_path):
    report = replace(b.small_run(tmp_path), project=tmp_path / "gone")
    text = page(report)
    assert "img" not in Seen(text).tags
    assert 'aria-label="Query photo of A2 (image not available)"' in text


def test_the_page_can_be_made_again_when_the_images_are_gone(tmp_path):
    report = b.small_run(tmp_path)
    first = page(report)
    assert page(replace(report, project=tmp_path / "gone")) == first


def test_same_input_same_bytes(tmp_path):
    first = page(four_sectors(tmp_path / "a"))
    second = page(four_sectors(tmp_path / "b"))
    assert first == second


def test_no_misses(tmp_path):
    report = b.small_run(tmp_path)
    report = replace(report, queries={"lite0:parts": b.table([b.row("q/1.jpg", "A1", 1)])})
    assert "0 of 1 query have another product as first result" in Seen(page(report)).text


def test_absent_products_are_no_misses(tmp_path):
    report = b.small_run(tmp_path)
    rows = [b.row("q/1.jpg", "A1", 1), b.row("q/2.jpg", "A2", None, family_rank=None)]
    text = Seen(page(replace(report, queries={"lite0:parts": b.table(rows)}))).text
    assert "0 misses" in text
    assert "1 query of an absent product" in text


def test_a_missing_table_of_queries_is_said(tmp_path):
    text = Seen(page(replace(b.small_run(tmp_path), queries={}))).text
    assert "no query can be shown" in text


def test_no_pairs_at_all(tmp_path):
    record = b.run([], [], [], verdict="incomplete", sectors={"diy": "incomplete"})
    text = Seen(page(ReportInput(record, {}, tmp_path / "run", tmp_path))).text
    assert "INCOMPLETE" in text
    assert "No pair was planned." in text


def test_huge_ids_are_cut(tmp_path):
    report = b.small_run(tmp_path)
    rows = [b.row("q/2.jpg", "9" * 100_000, 3)]
    text = page(replace(report, queries={"lite0:parts": b.table(rows)}))
    assert "9" * 299 + "…" in text
    assert "9" * 301 not in text


def test_many_pairs_show_fewer_queries_each(tmp_path):
    from pytest_prodbench.report.page import PAGE_THUMBNAILS, build

    pairs = [b.pair(f"m{n}", "parts", "diy") for n in range(100)]
    record = b.run(pairs, [b.model(pair.model) for pair in pairs], [b.dataset("parts", "diy")])
    rows = b.table([b.row(f"q/{n}.jpg", "A", 5 + n) for n in range(50)])
    page = build(record, {pair.name: rows for pair in pairs})
    shown = [len(row.gallery.shots) for view in page.sectors for row in view.pairs]
    assert set(shown) == {2}
    assert sum(shown) * (1 + page.results_shown) <= PAGE_THUMBNAILS


def plain_report(folder, name: str) -> ReportInput:
    checks = [b.held("mrr", 0.9, 0.1, message=name, where=name)]
    record = b.run(
        [
            b.pair(name, "parts", "diy", checks=checks, verdict="reject"),
            b.unmeasured("other", "parts", "diy", "failed", name),
        ],
        [b.model(name, preprocessing=name)],
        [b.dataset("parts", "diy", protocol_note=name)],
        selection=[name],
        partial=True,
        owners={"diy": name},
    )
    rows = [b.row("q/1.jpg", name, 2, family=name, **{"condition.light": name})]
    return ReportInput(record, {f"{name}:parts": b.table(rows)}, folder, folder)


@settings(max_examples=60, deadline=None)
@given(name=st.text(min_size=1, max_size=400))
def test_any_text_ends_up_as_text(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / "any"
    seen = Seen(page(plain_report(folder, name)))
    assert seen.tags <= Seen(page(plain_report(folder, "plain"))).tags
    assert wording.line(name) in seen.text


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</style><b>",
        "{{ 7 * 7 }}",
        "\x00\x1b[31m",
        "a\u202eb",
        '"><b onclick="x',
    ],
)
def test_known_attacks_end_up_as_text(tmp_path, text):
    seen = Seen(page(plain_report(tmp_path, text)))
    assert seen.tags <= Seen(page(plain_report(tmp_path, "plain"))).tags
    assert wording.line(text) in seen.text


def test_it_says_whose_code_ran(tmp_path):
    models = [b.model("lite0"), b.model("theirs", remote_code=True)]
    pairs = [b.pair(one.name, "parts", "diy") for one in models]
    record = b.run(pairs, models, [b.dataset("parts", "diy")])
    text = Seen(page(ReportInput(record, {}, tmp_path, tmp_path))).text
    assert text.count(wording.RUNS_CODE) == 1
    assert re.search(rf"timm:theirs\s*{wording.RUNS_CODE}", text)


def test_what_is_made_last_stands_in_its_place_and_nothing_else_is_taken_for_one():
    order = []

    def make(name):
        return lambda: order.append(name) or f"[{name}]"

    later = Later()
    one, two = later.place(make("one")), later.place(make("two"))
    assert order == []
    assert later.filled(f"{two} a {one}.1. {one}") == "[two] a [one].1. [one]"
    assert order == ["two", "one", "one"]
    other = Later()
    assert other.place(make("three")) != one
    assert other.filled(one) == one


@pytest.mark.skipif(not find_spec("pandas"), reason="nothing to import")
def test_a_page_imports_no_pandas(tmp_path):
    comparison = PairComparison(
        model="old", weights_digest="0", newly_failing=["q/3.jpg"], newly_right=["q/1.jpg"]
    )
    changes = {
        "measurement": b.detailed(),
        "comparison": comparison,
        "queries_file": queries_file("lite0", "parts"),
    }
    run = on_disk(tmp_path / "runs", b.small_run(tmp_path, pair=changes).record).folder
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pytest_prodbench.evidence.store import read_evidence, read_queries\n"
        "from pytest_prodbench.report.html import write_html\n"
        "from pytest_prodbench.report.reporter import ReportInput\n"
        "run = Path(sys.argv[1])\n"
        "record = read_evidence(run)\n"
        "tables = read_queries(run, record)\n"
        "assert tables\n"
        "write_html(ReportInput(record, tables, run, run))\n"
        "assert 'pyarrow' in sys.modules\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], check=True)
