"""What a summary begins with: all models against all datasets, and the worst changes from production."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.report.markdown_text import MARKS
from pytest_prodbench.report.reporter import ReportInput
from pytest_prodbench.report.sections import outcome
from pytest_prodbench.report.standing import change_gain
from pytest_prodbench.report.wording import figure, interval
from pytest_prodbench.report.worst_changes import differences

from . import builders as b
from . import compared
from .compared import everything
from .four_sectors import four_sectors
from .test_markdown import summary, tables_of


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def table(text: str, head: str) -> list[list[str]]:
    """Return the rows of the table whose first line begins so."""
    (found,) = (rows for rows in tables_of(text) if rows[0].startswith(head))
    return [cells(line) for line in found]


def two(tmp_path, **comparisons) -> ReportInput:
    """Return a run of models on one dataset, each with a comparison."""
    pairs = [b.pair(name, "parts", "diy", comparison=found) for name, found in comparisons.items()]
    record = b.run(pairs, [b.model(name) for name in comparisons], [b.dataset("parts", "diy")])
    record = record.model_copy(update={"baseline": compared.baseline()})
    return ReportInput(record, {}, tmp_path, tmp_path)


def test_the_matrix_stands_between_the_banner_and_the_sectors(tmp_path):
    text = summary(everything(tmp_path))
    places = [
        text.index(part)
        for part in (
            "# ❌ REJECT",
            "- candidate siglip2-b16",
            "> ⚠️ **Partial run**",
            "| model | candidate |",
            "**Most behind production**",
            "- **General models**",
            "## automotive",
        )
    ]
    assert places == sorted(places)


def test_every_pair_is_in_the_matrix_with_its_number_its_mark_and_its_change(tmp_path):
    report = everything(tmp_path)
    record = report.record
    head, _, *rows = table(summary(report), "| model | candidate |")
    assert head[2:] == [
        f"{record.datasets[name].sector}<br>{name}"
        for name in ("dealer-parts", "hardware-store", "fasteners", "straps-and-clasps")
    ]
    found = {row[0]: dict(zip(head[2:], row[2:], strict=True)) for row in rows}
    for pair in record.pairs:
        cell = found[pair.model][f"{pair.sector}<br>{pair.dataset}"]
        if pair.measurement is None:
            assert cell == MARKS[outcome(pair)]
            continue
        value = pair.measurement.metrics["recall@1"]
        assert cell.replace("**", "") == (
            f"{MARKS[pair.verdict].split()[0]} {figure(value.value)} {interval(value)}<br>"
            f"{change_gain(pair.comparison.changes['recall@1'])}"
        )
        missed = any(not c.passed and c.metric == "recall@1" for c in pair.checks)
        assert ("**" in cell) == missed
    assert found["openai-clip-l14"]["manufacturing<br>fasteners"] == "➖ not run"
    assert found["openai-clip-l14"]["diy<br>hardware-store"] == "not planned"
    verdicts = {row[0]: row[1] for row in rows}
    assert verdicts["siglip2-b16"] == "❌ **reject**"
    assert verdicts["dinov2-b14"] == "–"


def test_without_production_the_matrix_speaks_of_no_change(tmp_path):
    text = summary(four_sectors(tmp_path))
    assert "**R@1** with its 95 % interval.\n" in text
    assert "behind production" not in text
    assert "- no baseline yet: nothing was compared with a model in production" in text
    assert "(95 %" not in text.partition("## ")[0]


def test_a_run_that_measured_another_metric_shows_that(tmp_path):
    measured = b.measurement(metrics={"mrr": b.metric(0.4)})
    text = summary(b.small_run(tmp_path, pair={"measurement": measured}))
    assert "**MRR** with its 95 % interval.\n" in text
    assert table(text, "| model | candidate |")[2][2] == "✅ 0.400 [0.375, 0.425]"


def test_a_run_of_nothing_has_no_matrix(tmp_path):
    record = b.run([], [], [], verdict="incomplete")
    assert tables_of(summary(ReportInput(record, {}, tmp_path, tmp_path))) == []


def test_the_worst_five_are_the_largest_drops_largest_first(tmp_path):
    report = everything(tmp_path)
    _, _, *rows = table(summary(report), "| dataset | model | where |")
    # The naive way round: everything that was compared, with what it stands for.
    everywhere = []
    for pair in report.record.pairs:
        if pair.measurement is None:
            continue
        everywhere.append((pair, "all queries", pair.comparison.changes["recall@1"]))
        for value, changes in pair.comparison.conditions["light"].items():
            everywhere.append((pair, f"light = {value}", changes["recall@1"]))
    drops = sorted((change.drop.value for _, _, change in everywhere), reverse=True)
    assert len(rows) == 5
    for row, drop in zip(rows, drops, strict=False):
        dataset, model, where, queries, values, gain, p = row
        assert drop > 0
        (found,) = (
            change
            for pair, place, change in everywhere
            if (pair.dataset, pair.model, place) == (dataset, model, where)
        )
        assert found.drop.value == drop
        assert values == f"{figure(found.before)} → {figure(found.after)}"
        assert (queries, gain, p) == ("380", change_gain(found), "0.029")
    worse = sum(drop > 0 for drop in drops)
    assert f"in R@1: 5 of {worse} that are behind, {len(drops)} compared." in summary(report)


def test_only_what_got_worse_is_listed(tmp_path):
    found = compared.comparison(conditions={}, changes={"recall@1": compared.change(0.01)})
    better = compared.comparison(conditions={}, changes={"recall@1": compared.change(-0.2)})
    text = summary(two(tmp_path, worse=found, better=better))
    _, _, *rows = table(text, "| dataset | model | where |")
    assert [row[1] for row in rows] == ["worse"]
    assert "1 of 1 that are behind, 2 compared" in text


@pytest.mark.parametrize("drop", [0.0, -0.05])
def test_where_nothing_got_worse_that_is_said_in_a_line(tmp_path, drop):
    found = compared.comparison(conditions={}, changes={"recall@1": compared.change(drop)})
    text = summary(two(tmp_path, lite0=found))
    assert "No dataset and no condition is behind production in R@1 (1 compared)." in text
    assert "Most behind" not in text


def test_where_nothing_was_compared_nothing_is_said(tmp_path):
    refused = compared.comparison(0.1, refused=["the gallery differs"])
    text = summary(two(tmp_path, lite0=refused))
    assert "behind production" not in text
    assert "not comparable with production: the gallery differs" in text


def test_a_slice_with_too_few_queries_is_not_among_them(tmp_path):
    few = compared.change(0.5)
    few = few.model_copy(update={"drop": few.drop.model_copy(update={"n": 19})})
    enough = compared.change(0.4)
    enough = enough.model_copy(update={"drop": enough.drop.model_copy(update={"n": 20})})
    conditions = {"light": {"dim": {"recall@1": few}, "": {"recall@1": enough}}}
    text = summary(two(tmp_path, lite0=compared.comparison(0.01, conditions=conditions)))
    _, _, *rows = table(text, "| dataset | model | where |")
    assert [row[2] for row in rows] == ["light = not stated", "all queries"]


def test_no_p_value_is_no_zero(tmp_path):
    change = compared.change(0.1, p_value=None)
    found = compared.comparison(conditions={}, changes={"recall@1": change})
    _, _, row = table(summary(two(tmp_path, lite0=found)), "| dataset | model | where |")
    assert row[6] == "–"


@given(
    drops=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["dim", "dark"]), st.floats(-1, 1)),
        unique_by=lambda one: one[:2],
    )
)
def test_differences_are_all_there_and_never_rise(drops):
    pairs = []
    for model in "ab":
        values = {
            value: {"recall@1": compared.change(drop)}
            for name, value, drop in drops
            if name == model
        }
        found = compared.comparison(changes={}, conditions={"light": values})
        pairs.append(b.pair(model, "parts", "diy", comparison=found))
    found = differences(b.run(pairs, [], []))
    assert sorted((one.model, one.condition[1], one.change.drop.value) for one in found) == sorted(
        drops
    )
    values = [one.change.drop.value for one in found]
    assert values == sorted(values, reverse=True)


HOSTILE = "a|b`c\\|d\n| x |<script>\u202e**[x](y)"


def test_hostile_names_break_no_table_and_are_no_markup(tmp_path):
    markdown_it = pytest.importorskip("markdown_it", reason="a second opinion on the tables")
    conditions = {HOSTILE: {HOSTILE: {"recall@1": compared.change(0.2)}}}
    pair = b.pair(
        HOSTILE, HOSTILE, HOSTILE, comparison=compared.comparison(0.1, conditions=conditions)
    )
    record = b.run([pair], [b.model(HOSTILE)], [b.dataset(HOSTILE, HOSTILE)])
    record = record.model_copy(update={"candidates": {HOSTILE: "accept"}})
    text = summary(ReportInput(record, {}, tmp_path, tmp_path))
    assert len(tables_of(text)) == 3
    for rows in tables_of(text):
        assert len({line.count("|") for line in rows}) == 1
    rendered = markdown_it.MarkdownIt("commonmark").enable("table").render(text)
    tags = set(re.findall(r"<\s*([a-z0-9]+)", rendered))
    assert tags <= {
        *("h1", "h2", "p", "ul", "li", "strong", "code", "br"),
        *("table", "thead", "tbody", "tr", "th", "td", "blockquote"),
    }
    assert "\u202e" not in text
