"""A summary fits on the page of a CI job, whatever a run holds, and what is left out is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.report.markdown import SUMMARY_BYTES
from pytest_prodbench.report.markdown_text import bounded
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b
from . import compared
from .test_markdown import summary, tables_of

GITHUB = 1024 * 1024
"""Bytes that the summary of one step of a job may have; more is not shown at all."""


def large(tmp_path, models: int, sectors: int, name: str, **pair) -> ReportInput:
    """Return every model on one dataset a sector, with names as long as ``name``."""
    pairs = [
        b.pair(
            f"{name}m{model:03}",
            f"{name}d{sector:05}",
            f"{name}s{sector:05}",
            **{"comparison": compared.comparison(0.001 * model), **pair},
        )
        for sector in range(sectors)
        for model in range(models)
    ]
    record = b.run(
        pairs,
        [b.model(f"{name}m{model:03}") for model in range(models)],
        [],
        verdict="reject",
        candidates={f"{name}m{model:03}": "reject" for model in range(models)},
        policy_files=[f"suites/{name}{sector}/sector.toml" for sector in range(sectors)],
    )
    record = record.model_copy(update={"baseline": compared.baseline()})
    return ReportInput(record, {}, tmp_path, tmp_path)


def test_three_hundred_pairs_are_all_in_the_summary(tmp_path):
    text = summary(large(tmp_path, 30, 10, "a-rather-long-but-honest-name-of-something-"))
    assert len(text.encode()) < SUMMARY_BYTES < GITHUB
    matrix, changes, *sectors = tables_of(text)
    assert [len(rows) for rows in (matrix, changes)] == [2 + 30, 2 + 5]
    assert [len(rows) for rows in sectors] == [2 + 30] * 10
    assert "left out here" not in text
    assert text.count("in the tables below") == 0


# Each of these characters is written as six; a right-to-left mark, an emoji take three and four bytes.
@pytest.mark.parametrize("name", ["|" * 400, "\u202e<" * 200, "🔩" * 400, "<\n" * 200])
def test_three_hundred_pairs_with_hostile_names_fit(tmp_path, name):
    reasons = [
        b.held("recall@1", 0.9, 0.1, message=name * 9, where=name, dataset="d") for _ in range(9)
    ]
    text = summary(large(tmp_path, 30, 10, name, checks=reasons, verdict="reject"))
    assert len(text.encode()) <= SUMMARY_BYTES
    assert text.startswith("# ❌ REJECT\n")
    # Sections lose their last lines, and none is lost.
    assert text.count("\n## ") == 10
    assert text.count("left out here, see `index.html`") >= 1
    for rows in tables_of(text):
        assert len({line.count("|") for line in rows}) == 1
    assert text.endswith("folder.\n")


@pytest.mark.parametrize(("models", "datasets"), [(50, 2), (2, 30), (50, 30)])
def test_a_matrix_that_is_too_large_says_what_it_leaves_out(tmp_path, models, datasets):
    text = summary(large(tmp_path, models, datasets, ""))
    matrix = tables_of(text)[0]
    assert len(matrix) == 2 + min(models, 40)
    assert matrix[0].count("|") == 3 + min(datasets, 20)
    left = []
    if models > 40:
        left.append(f"{models - 40} more models")
    if datasets > 20:
        left.append(f"{datasets - 20} more datasets")
    assert f"… and {' and '.join(left)} in the tables below and in `index.html`" in text


def test_thousands_of_sectors_fit_and_those_left_out_are_counted(tmp_path):
    text = summary(large(tmp_path, 1, 1500, "|" * 40))
    assert len(text.encode()) <= SUMMARY_BYTES
    assert text.startswith("# ❌ REJECT\n")
    assert "1,500 pairs planned" in text
    assert "left out here" in text


BLOCKS = st.lists(st.lists(st.text("aé🔩", max_size=30), max_size=12), max_size=8)


@given(blocks=BLOCKS, room=st.integers(500, 3000))
def test_a_text_is_never_longer_than_its_room(blocks, room):
    text = bounded(blocks, room)
    assert len(text.encode()) <= room
    whole = "".join(f"{line}\n" for block in blocks for line in block)
    # What is not whole says so.
    assert text == whole or "left out here" in text


@given(blocks=BLOCKS)
def test_with_room_enough_nothing_is_cut(blocks):
    assert bounded(blocks, 100_000) == "".join(f"{line}\n" for block in blocks for line in block)


@given(before=st.integers(0, 3), behind=st.integers(0, 3))
def test_one_block_that_is_too_long_costs_the_others_nothing(before, behind):
    short = ["one line", ""]
    text = bounded([short] * before + [["x" * 50] * 1000] + [short] * behind, 5000)
    assert text.count("one line") == before + behind
    assert 0 < text.count("x" * 50) < 1000
    assert "lines left out here" in text
