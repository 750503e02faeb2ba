from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.report.terminal import sector_tables
from pytest_prodbench.report.wording import cells

from . import builders as b
from .four_sectors import four_sectors

ANSI = re.compile(r"\x1b\[\d+m")


def test_a_table_a_sector_and_the_verdict_last(tmp_path):
    lines = sector_tables(four_sectors(tmp_path).record, 140, run_dir="reports/today")
    assert lines[0] == "automotive: INCOMPLETE, drop seen 0.062 (owner automotive team)"
    assert lines[1].split() == [
        "model",
        "dataset",
        "R@1",
        "R@5",
        "R@10",
        "mAP@20",
        "MRR",
        "n",
        "drop",
        "seen",
        "verdict",
    ]
    assert lines[2].split()[:4] == ["siglip2-b16", "dealer-parts", "0.902", "[0.877,"]
    assert lines[-2] == "REJECT: 13 pairs planned, 12 selected, 10 evaluated, drop seen 0.062"
    assert lines[-1] == "evidence: reports/today"
    assert "PARTIAL: narrowed by -k 'not openai'" in lines


def test_reasons_stand_below_their_pair(tmp_path):
    lines = sector_tables(four_sectors(tmp_path).record, 80)
    at = next(n for n, line in enumerate(lines) if line.endswith("LOST"))
    assert lines[at + 1] == "    worker gw1 died while it embedded batch 12 of 40"
    assert any(line.endswith("REJECT") for line in lines)
    assert not any("not selected in this run" in line for line in lines)


def test_columns_line_up_and_go_before_names_are_cut(tmp_path):
    lines = sector_tables(four_sectors(tmp_path).record, 80)
    assert lines[1].split() == ["model", "dataset", "R@1", "n", "drop", "seen", "verdict"]
    assert lines[1].index("verdict") == lines[2].index("accept")
    assert "MRR" in sector_tables(four_sectors(tmp_path).record, 120)[1]


def one_row(width: int, **detectable):
    measured = b.measurement(metrics={"recall@1": b.metric(0.9, **detectable)})
    pairs = [b.pair("lite0", "parts", "diy", measurement=measured)]
    return sector_tables(b.run(pairs, [b.model("lite0")], [b.dataset("parts", "diy")]), width)


def test_the_smallest_drop_stands_beside_the_verdict_and_is_explained_once(tmp_path):
    lines = one_row(120, detectable=0.0621)
    assert lines[2].split()[-3:] == ["400", "0.062", "accept"]
    text = "\n".join(sector_tables(four_sectors(tmp_path).record, 120))
    assert text.count("(power 80 %)") == 1


def test_a_drop_that_is_not_known_stands_as_nothing():
    assert one_row(120, detectable=None)[2].split()[-2:] == ["–", "accept"]
    never = b.unmeasured("lite0", "parts", "diy", "lost", "gone")
    lines = sector_tables(b.run([never], [], [b.dataset("parts", "diy")]), 120)
    assert lines[2].split()[-2:] == ["–", "LOST"]


def test_the_column_of_the_drop_goes_last_and_leaves_a_line():
    assert one_row(60)[1].split() == ["model", "dataset", "R@1", "drop", "seen", "verdict"]
    narrow = one_row(46)
    assert narrow[1].split() == ["model", "dataset", "R@1", "verdict"]
    assert narrow[3] == "    drop seen 0.062"
    assert any("power" in line for line in narrow)


def test_a_verdict_that_fills_its_line_has_the_drop_below_it():
    assert one_row(45)[0] == "diy: ACCEPT, drop seen 0.062 (owner diy team)"
    narrow = one_row(44)
    assert narrow[:2] == ["diy: ACCEPT (owner diy team)", "drop seen 0.062"]
    assert narrow[-3:-1] == ["ACCEPT: 1 pair planned, 1 selected, 1 evalu…", "drop seen 0.062"]


@settings(max_examples=50, deadline=None)
@given(width=st.integers(10, 200), color=st.booleans())
def test_no_terminal_is_too_narrow_for_the_drop(width, color):
    """Beside each pair its own; beside sector and run the largest, for they see no better than that."""
    pairs = [
        b.pair(f"{name} of a long name", "of a dataset", sector, measurement=measured)
        for name, sector, measured in (
            ("one", "diy", b.measurement(metrics={"recall@1": b.metric(0.9, detectable=0.111)})),
            ("two", "diy", b.measurement(metrics={"recall@1": b.metric(0.9, detectable=0.222)})),
            ("three", "diy", b.measurement(metrics={"recall@1": b.metric(0.9, detectable=None)})),
            (
                "four",
                "retail",
                b.measurement(metrics={"recall@1": b.metric(0.9, detectable=0.333)}),
            ),
        )
    ]
    told = " ".join(
        ANSI.sub("", line) for line in sector_tables(b.run(pairs, [], []), width, color)
    )
    assert [told.count(drop) for drop in ("0.111", "0.222", "0.333")] == [1, 2, 3]


def test_sectors_of_which_nothing_was_measured_have_seen_nothing():
    never = b.unmeasured("lite0", "parts", "diy", "lost", "gone")
    lines = sector_tables(b.run([never], [], [b.dataset("parts", "diy")]), 120)
    assert lines[0].startswith("diy: ACCEPT, drop seen – (owner")
    assert lines[-2].endswith("0 evaluated, drop seen –")


def test_colour_takes_no_room(tmp_path):
    record = four_sectors(tmp_path).record
    plain, painted = sector_tables(record, 100), sector_tables(record, 100, color=True)
    assert painted != plain
    assert [ANSI.sub("", line) for line in painted] == plain


def test_wide_characters_line_up(tmp_path):
    names = ["時計ベルト", "cafe\u0301", "plain"]
    pairs = [b.pair(name, "parts", "diy") for name in names]
    record = b.run(pairs, [b.model(name) for name in names], [b.dataset("parts", "diy")])
    rows = sector_tables(record, 120)[2:5]
    assert len({cells(row[: row.index("parts")]) for row in rows}) == 1


def test_escape_sequences_never_reach_the_terminal():
    text = "x\x1b[2Jy\x9bz\u202e"
    pair = b.unmeasured(text, text, text, "failed", text)
    record = b.run(
        [pair], [b.model(text)], [b.dataset(text, text)], run=text, selection=[text], partial=True
    )
    joined = "".join(sector_tables(record, 100))
    assert not set(joined) & {"\x1b", "\x9b", "\u202e"}


@settings(max_examples=100, deadline=None)
@given(
    name=st.text(min_size=1, max_size=80),
    width=st.integers(10, 200),
    color=st.booleans(),
)
def test_no_line_is_wider_than_the_terminal(name, width, color):
    pairs = [
        b.pair(name, "parts", "diy", verdict="reject", checks=[b.check(0.1, 0.9)]),
        b.unmeasured("other", name, name, "failed", name),
    ]
    record = b.run(
        pairs, [b.model(name)], [b.dataset("parts", "diy"), b.dataset(name, name)], run=name
    )
    for text in sector_tables(record, width, color):
        plain = ANSI.sub("", text)
        assert cells(plain) <= width
        assert "\n" not in plain
        assert "\r" not in plain
