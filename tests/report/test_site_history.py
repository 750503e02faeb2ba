"""Which measurements may stand beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evidence.comparison import PairComparison
from pytest_prodbench.report.site.history import SiteRun, history, slug
from pytest_prodbench.report.site.leaderboard import leaderboard, run_rows
from pytest_prodbench.report.site.trends import LINES, lines, moment, sector_trends, trend

from . import builders as b
from .site_runs import record


def runs(*records) -> list[SiteRun]:
    return [SiteRun(one, Path(one.run), f"digest of {one.run}") for one in records]


def board(*records):
    return leaderboard(history(runs(*records)))


def test_oldest_first_whatever_the_order():
    late, early = record("late", {("m", "d"): 0.5}, day=9), record("early", {("m", "d"): 0.4})
    found = history(runs(late, early))
    assert [run.record.run for run in found.runs] == ["early", "late"]
    assert [point.headline.value for point in found.points] == [0.4, 0.5]
    assert [row.run.record.run for row in run_rows(found)] == ["late", "early"]


def test_a_run_that_is_there_twice_counts_once():
    (one,) = runs(record("one", {("m", "d"): 0.5}))
    assert len(history([one, one]).points) == 1


def test_a_moment_that_is_none_is_an_error_that_says_so():
    broken = record("broken", {("m", "d"): 0.5})
    host = broken.host.model_copy(update={"started": "last tuesday"})
    with pytest.raises(EvidenceError, match=r"'last tuesday'.*ISO 8601"):
        history(runs(broken.model_copy(update={"host": host})))


def test_moments_without_a_zone_are_utc_and_others_are_turned():
    made = record("one", {("m", "d"): 0.5})
    hours = {}
    for text in ("2026-01-01T09:30:00", "2026-01-01T09:30:00+02:00"):
        host = made.host.model_copy(update={"started": text})
        (run,) = runs(made.model_copy(update={"host": host}))
        hours[text] = run.started.hour
    assert list(hours.values()) == [9, 7]


def test_the_leaderboard_takes_the_newest_measurement():
    found = board(record("old", {("m", "d"): 0.9}, day=1), record("new", {("m", "d"): 0.5}, day=2))
    (row,) = found.rows
    assert row.cells[0].readings[0].value.value == 0.5
    assert row.run.record.run == "new"


def test_ranked_by_the_mean_over_all_datasets():
    found = board(
        record(
            "run",
            {
                ("even", "a"): 0.5,
                ("even", "b"): 0.5,
                ("odd", "a"): 0.9,
                ("odd", "b"): 0.2,
                ("part", "a"): 0.99,
            },
        )
    )
    assert [row.model.name for row in found.rows] == ["odd", "even", "part"]
    assert found.rows[0].means["recall@1"] == pytest.approx(0.55)
    assert found.rows[2].means == {}, "measured on one of two"
    assert found.rows[2].cells[1].point is None


def test_a_changed_dataset_makes_what_was_measured_before_stand_alone():
    found = board(
        record("old", {("m", "d"): 0.9, ("n", "d"): 0.8}, day=1, digests={"d": "first"}),
        record("new", {("n", "d"): 0.5}, day=2, digests={"d": "second"}),
    )
    by_name = {row.model.name: row for row in found.rows}
    assert by_name["m"].cells[0].older
    assert by_name["m"].means == {}
    assert not by_name["n"].cells[0].older
    assert [row.model.name for row in found.rows] == ["n", "m"]


@pytest.mark.parametrize(
    "changes", [{"protocol_version": 99}, {"metric_versions": {"recall": 2, "map": 1}}]
)
def test_other_definitions_make_another_column(changes):
    found = board(
        record("old", {("m", "d"): 0.9}, day=1),
        record("new", {("n", "d"): 0.5}, day=2, **changes),
    )
    assert {row.model.name: row.cells[0].older for row in found.rows} == {"m": True, "n": False}


def test_new_weights_under_a_name_are_a_row_of_their_own():
    found = board(
        record("old", {("m", "d"): 0.9}, day=1, weights={"m": "aa"}),
        record("new", {("m", "d"): 0.5}, day=2, weights={"m": "bb"}),
    )
    assert [(row.model.weights_digest, row.superseded) for row in found.rows] == [
        ("sha256:aa", True),
        ("sha256:bb", False),
    ]


def test_another_precision_under_a_name_is_a_row_of_its_own():
    old = record("old", {("m", "d"): 0.9}, day=1)
    new = record("new", {("m", "d"): 0.5}, day=2)
    reduced = [
        pair.model_copy(
            update={"measurement": pair.measurement.model_copy(update={"precision": "bfloat16"})}
        )
        for pair in new.pairs
    ]
    found = board(old, new.model_copy(update={"pairs": reduced}))
    assert [(row.model.precision, row.superseded) for row in found.rows] == [
        ("float32", True),
        ("bfloat16", False),
    ]


BASELINE = {
    "role": "production",
    "digest": "sha256:00",
    "run": "before",
    "accepted": "2026-01-01",
    "reason": "first",
    "despite": None,
}


def marked(*records) -> list[tuple[str, str]]:
    return [
        (row.model.name, row.model.weights_digest) for row in board(*records).rows if row.production
    ]


def test_the_model_in_production_is_that_of_the_newest_baseline():
    records = [
        record("one", {("m", "d"): 0.9}, day=1, baseline={**BASELINE, "model": "m"}),
        record("two", {("n", "d"): 0.9}, day=2, baseline={**BASELINE, "model": "n"}),
        record("three", {("m", "d"): 0.9}, day=3),
    ]
    assert marked(*records) == [("n", "sha256:n")]
    assert marked(records[2]) == []


def test_new_weights_under_the_name_of_production_are_not_in_production():
    old = record("one", {("m", "d"): 0.4}, day=1, weights={"m": "aa"})
    new = record(
        "two",
        {("m", "d"): 0.9},
        day=2,
        weights={"m": "bb"},
        baseline={**BASELINE, "model": "m"},
    )
    assert marked(old, new) == [("m", "sha256:bb")], "nothing compared: the name alone is known"
    comparison = PairComparison(model="m", weights_digest="sha256:aa")
    pairs = [pair.model_copy(update={"comparison": comparison}) for pair in new.pairs]
    assert marked(old, new.model_copy(update={"pairs": pairs})) == [("m", "sha256:aa")]


def test_a_pair_that_was_not_measured_is_no_point():
    made = record("run", {("m", "d"): 0.9})
    lost = b.unmeasured("m", "e", "e", "lost", "gone")
    assert len(history(runs(made.model_copy(update={"pairs": [*made.pairs, lost]}))).points) == 1


def test_nothing_at_all():
    empty = leaderboard(history([]))
    assert (empty.columns, empty.rows, empty.metrics) == ((), (), ())
    assert sector_trends(history([])) == ()


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=3)), max_size=30, unique=True))
def test_a_slug_differs_where_the_name_or_the_rest_does(names):
    made = [slug(*one) for one in names]
    assert len(set(made)) == len(made)
    assert all(set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for one in made)


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 0.3), st.floats(0, 0.3)), min_size=1, max_size=6
    )
)
def test_the_interval_of_a_mean(values):
    made = record("run", {("m", f"d{n}"): 0.5 for n in range(len(values))})
    points = history(runs(made)).points
    for point, (value, below, above) in zip(points, values, strict=True):
        point.pair.measurement.metrics["recall@1"] = point.headline.model_copy(
            update={
                "value": value,
                "low": max(value - below, 0.0),
                "high": min(value + above, 1.0),
            }
        )
    found = moment(history(runs(made)).points)
    assert 0.0 <= found.low <= found.value + 1e-12
    assert found.value - 1e-12 <= found.high <= 1.0
    assert found.value == pytest.approx(sum(v for v, _, _ in values) / len(values))
    if len(values) == 1:
        assert found.low == pytest.approx(max(values[0][0] - values[0][1], 0.0))
        assert found.high == pytest.approx(min(values[0][0] + values[0][2], 1.0))


def test_independent_intervals_shrink_with_their_number():
    made = record("run", {("m", f"d{n}"): 0.5 for n in range(4)})
    points = history(runs(made)).points
    width = points[0].headline.high - points[0].headline.low
    four = moment(points)
    assert four.high - four.low == pytest.approx(width / 2)


def test_a_line_breaks_where_the_photos_changed():
    found = history(
        runs(
            record("a", {("m", "d"): 0.1}, day=1, digests={"d": "first"}),
            record("b", {("m", "d"): 0.2}, day=2, digests={"d": "first"}),
            record("c", {("m", "d"): 0.3}, day=3, digests={"d": "second"}),
        )
    )
    ((line),) = lines(found.points, lambda point: point.model.name)
    chart = trend("title", "model", [line])
    assert [row["same"] for row in chart.spec["data"]["values"]] == ["1", "1", "2"]
    assert any("breaks" in note for note in chart.notes)


def test_nothing_is_drawn_of_one_run():
    (one,) = sector_trends(history(runs(record("a", {("m", "d"): 0.1, ("n", "d"): 0.2}))))
    assert one.chart is None
    assert [line.name for line in one.lines] == ["m", "n"]


def test_a_sector_is_the_mean_over_its_datasets_in_each_run():
    made = [
        record("a", {("m", "d"): 0.1, ("m", "e"): 0.3}, day=1),
        record("b", {("m", "d"): 0.2, ("m", "e"): 0.6}, day=2),
    ]
    together = []
    for one in made:
        pairs = [pair.model_copy(update={"sector": "all"}) for pair in one.pairs]
        together.append(one.model_copy(update={"pairs": pairs}))
    (found,) = sector_trends(history(runs(*together)))
    assert [m.value for m in found.lines[0].moments] == pytest.approx([0.2, 0.4])
    assert found.chart is not None


def test_many_lines_are_cut_to_those_that_end_highest_and_it_says_so():
    recalls = {(f"m{n:02}", "d"): n / 20 for n in range(12)}
    made = [record("a", recalls, day=1), record("b", recalls, day=2)]
    (found,) = sector_trends(history(runs(*made)))
    names = {row["name"] for row in found.chart.spec["data"]["values"]}
    assert names == {f"m{n:02}" for n in range(12 - LINES, 12)}
    assert any(f"{LINES} of 12" in note for note in found.chart.notes)
    assert len(found.lines) == 12
