from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.errors import unturned
from pytest_prodbench.report import wording
from pytest_prodbench.report.markdown import write_markdown
from pytest_prodbench.report.markdown_text import escape
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b
from .four_sectors import four_sectors


def summary(report: ReportInput) -> str:
    return write_markdown(report).read_text("utf-8")


def tables_of(text: str) -> list[list[str]]:
    """Return the tables, each as its lines."""
    parts = re.split(r"\n\n+", text)
    return [part.splitlines() for part in parts if part.startswith("|")]


def test_verdict_first_then_sectors_then_reasons(tmp_path):
    text = summary(four_sectors(tmp_path))
    assert text.startswith("# ❌ REJECT\n")
    assert "**13 pairs planned**: 12 selected, 10 evaluated" in text
    assert "| ⚠️ **lost** |" in text
    assert "- dinov2-b14:dealer-parts: worker gw1 died" in text
    assert "expected a whole JPEG;<br>mend the file" in text
    assert "> Not selected (1): openai-clip-l14:fasteners" in text


def test_a_selected_pair_that_never_ran_gives_its_reason(tmp_path):
    never = b.unmeasured("lite0", "parts", "diy", "not run", "interrupted")
    record = b.run([never], [b.model("lite0")], [b.dataset("parts", "diy")], verdict="incomplete")
    assert "- lite0:parts: interrupted" in summary(ReportInput(record, {}, tmp_path, tmp_path))


def test_every_row_of_a_table_has_as_many_cells(tmp_path):
    name = "a|b`c\\|d\n| x |"
    pair = b.pair(name, "parts", "diy")
    record = b.run([pair], [b.model(name)], [b.dataset("parts", "diy")])
    text = summary(ReportInput(record, {}, tmp_path, tmp_path))
    tables = tables_of(text)
    assert [len(rows) for rows in tables] == [3, 3]
    for rows in tables:
        assert len({line.count("|") for line in rows}) == 1


def test_the_smallest_drop_stands_beside_the_verdict_and_is_explained_once(tmp_path):
    text = summary(four_sectors(tmp_path))
    assert text.count("| 400 | 0.062 | ✅ accept |") == 8
    assert "| – | – | ⚠️ **lost** |" in text
    assert "12 selected, 10 evaluated. **Drop seen**: 0.062." in text
    assert "3 of 4 pairs accepted · drop seen 0.062 · owner manufacturing team" in text
    assert text.count("(power 80 %)") == 1


@pytest.mark.parametrize(("drop", "shown"), [(None, "–"), (0.0002, "&lt;0.001"), (0.3, "0.300")])
def test_a_drop_is_a_number_or_nothing(tmp_path, drop, shown):
    measured = b.measurement(metrics={"recall@1": b.metric(0.9, detectable=drop)})
    report = b.small_run(tmp_path, pair={"measurement": measured})
    text = summary(report)
    assert f"| 400 | {shown} | ✅ accept |" in text
    assert f"1 evaluated. **Drop seen**: {shown}." in text
    assert f"1 of 1 pair accepted · drop seen {shown} · owner" in text


def test_long_lists_are_cut_and_say_so(tmp_path):
    pairs = [b.unmeasured(f"m{n}", "parts", "diy", "lost", "gone") for n in range(80)]
    record = b.run(pairs, [], [b.dataset("parts", "diy")], verdict="incomplete")
    text = summary(ReportInput(record, {}, tmp_path, tmp_path))
    assert "and 30 more in `index.html`" in text
    assert "| m79 |" in text


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "![x](http://example.invalid/x.png)",
        "**bold** _it_ ~~no~~ `code`",
        "http://example.invalid www.example.invalid a@example.invalid @team",
        "# head",
        "- item",
        "1. item",
        "&lt;b&gt;",
        "$x$",
    ],
)
def test_known_constructs_do_nothing(text):
    escaped = escape(text)
    assert html.unescape(escaped) == text
    assert not re.search(r"[<>|`*\[\]~\\$!]|://|www\.|^[-+#]|^\d+\. |@\w+[a-z.]", escaped)


@pytest.mark.parametrize(
    "text", ["siglip2-b16", "tf_efficientnet_lite0", "recall@1", "suites/diy/sector.toml"]
)
def test_names_stay_readable_in_the_source(text):
    assert escape(text) == text


@given(text=st.text())
def test_any_text_comes_back_and_carries_no_markup(text):
    escaped = escape(text)
    assert html.unescape(escaped) == wording.line(unturned(text)).strip()
    assert not set(escaped) & set("<>|`*[]{}~\\!$^\n")


@given(text=st.text())
def test_a_renderer_sees_plain_text(text):
    markdown_it = pytest.importorskip("markdown_it", reason="a second opinion on the escaping")
    rendered = (
        markdown_it.MarkdownIt("commonmark").enable("table").render(f"- x {escape(text)} y\n")
    )
    tags = set(re.findall(r"<\s*/?\s*([a-z]+)", rendered))
    assert tags == {"ul", "li"}


def test_same_input_same_bytes(tmp_path):
    report = four_sectors(tmp_path)
    assert summary(report) == summary(report)


def test_it_says_whose_code_ran(tmp_path):
    models = [b.model("lite0"), b.model("theirs", remote_code=True)]
    pairs = [b.pair(one.name, "parts", "diy") for one in models]
    record = b.run(pairs, models, [b.dataset("parts", "diy")])
    text = summary(ReportInput(record, {}, tmp_path, tmp_path))
    assert [line for line in text.splitlines() if wording.RUNS_CODE in line] == [
        "- ⚠️ theirs runs code that came with the weights"
    ]
