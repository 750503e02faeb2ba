"""Every number of the page is in a table, and the tables are the same whatever a run holds."""

from __future__ import annotations

import math

import pytest

from pytest_prodbench.evidence.comparison import Change
from pytest_prodbench.evidence.types import (
    Timing,
)
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.report.reporter import ReportInput

from . import builders as b
from . import compared
from .compared import Tables, everything, rows_of


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> tuple[ReportInput, Tables]:
    report = everything(tmp_path_factory.mktemp("full"))
    return report, rows_of(report)


def of(rows: list[dict], **wanted) -> list[dict]:
    return [row for row in rows if wanted.items() <= row.items()]


def agree(row: dict, record, **renamed: str) -> None:
    """Every field of a record is in a row, under its own name or another."""
    for name in type(record).model_fields:
        assert row[renamed.get(name, name)] == getattr(record, name), name


def holds(row: dict, value: MetricValue) -> None:
    agree(row, value)


def holds_change(row: dict, change: Change) -> None:
    assert (row["before"], row["after"]) == (change.before, change.after)
    drop = {f"drop_{name}" if name != "value" else "drop" for name in MetricValue.model_fields}
    assert drop <= row.keys()
    for name, value in change.drop.model_dump().items():
        assert row["drop" if name == "value" else f"drop_{name}"] == value
    for name in ("only_before", "only_after", "p_value"):
        assert row[name] == getattr(change, name)


def test_metrics_and_what_they_were_in_production(full):
    report, tables = full
    expected = 0
    for pair in report.record.pairs:
        if pair.measurement is None:
            continue
        for name, value in pair.measurement.metrics.items():
            (row,) = of(tables["metrics"], pair=pair.name, metric=name)
            holds(row, value)
            expected += 1
        for name, change in pair.comparison.changes.items():
            (row,) = of(tables["metrics"], pair=pair.name, metric=name)
            holds_change(row, change)
    assert len(tables["metrics"]) == expected
    assert of(tables["metrics"], metric="recall@1")[0]["better"] == "higher"
    assert of(tables["metrics"], metric="median_rank")[0]["better"] == "lower"


def test_a_metric_that_nothing_registers_here_keeps_its_numbers(tmp_path):
    measured = b.measurement(metrics={"their_own": b.metric(0.4)})
    report = b.small_run(tmp_path, pair={"measurement": measured})
    (row,) = rows_of(report)["metrics"]
    holds(row, b.metric(0.4))
    assert row["better"] is None


def test_conditions_and_crossings(full):
    report, tables = full
    conditions = crossings = 0
    for pair in report.record.pairs:
        if pair.measurement is None:
            continue
        for column, values in pair.measurement.conditions.items():
            for value, metrics in values.items():
                for name, metric in metrics.items():
                    place = {"condition": column, "condition_value": value, "metric": name}
                    (row,) = of(tables["conditions"], pair=pair.name, **place)
                    holds(row, metric)
                    assert row["small"] == (value == "from below")
                    conditions += 1
        for value, changes in pair.comparison.conditions["light"].items():
            place = {"condition": "light", "condition_value": value, "metric": "recall@1"}
            (row,) = of(tables["conditions"], pair=pair.name, **place)
            holds_change(row, changes["recall@1"])
        for found in pair.measurement.crossings:
            place = dict(
                zip(
                    ("condition", "condition_2", "condition_value", "condition_value_2"),
                    (*found.columns, *found.values),
                    strict=True,
                )
            )
            for row in (
                rows := of(
                    tables["crossings"],
                    pair=pair.name,
                    slice_queries=found.n,
                    slice_products=found.products,
                    small=found.small,
                    **place,
                )
            ):
                if found.metrics:
                    holds(row, found.metrics[row["metric"]])
                else:
                    assert (row["metric"], row["value"]) == (None, None)
            assert len(rows) == max(len(found.metrics), 1)
            crossings += len(rows)
        (crossed,) = pair.comparison.crossings
        (row,) = of(
            tables["crossings"], pair=pair.name, condition_value="front", condition_value_2="dim"
        )
        holds_change(row, crossed.changes["recall@1"])
    assert (len(tables["conditions"]), len(tables["crossings"])) == (conditions, crossings)


def test_a_slice_that_was_compared_and_not_measured_has_a_row(tmp_path):
    report = b.small_run(tmp_path, pair={"comparison": compared.comparison(0.03)})
    tables = rows_of(report)
    (row,) = of(tables["conditions"], condition="light", condition_value="dim")
    assert (row["value"], row["drop"]) == (None, 0.06)
    (row,) = tables["crossings"]
    assert (row["condition_2"], row["slice_queries"], row["drop"]) == ("light", None, 0.09)


def test_nothing_of_a_refused_comparison_is_a_change(tmp_path):
    refused = compared.comparison(0.03, refused=["the gallery differs"])
    tables = rows_of(b.small_run(tmp_path, pair={"comparison": refused}))
    assert all(row["drop"] is None for row in tables["metrics"])
    assert tables["conditions"] == tables["crossings"] == []
    (row,) = tables["pairs"]
    assert (row["compared_with"], row["refused"]) == ("lite-old", ["the gallery differs"])


def test_spreads_have_the_interval_of_the_page(full):
    report, tables = full
    count = 0
    for pair in report.record.pairs:
        for spread in pair.measurement.spreads if pair.measurement else ():
            (row,) = of(tables["spreads"], pair=pair.name, condition=spread.column)
            agree(row, spread, column="condition")
            worst, best = (
                pair.measurement.conditions[spread.column][value]["recall@1"]
                for value in (spread.worst, spread.best)
            )
            below = math.hypot(best.value - best.low, worst.high - worst.value)
            assert row["spread_low"] == pytest.approx(best.value - worst.value - below)
            assert row["spread_low"] < row["spread"] < row["spread_high"]
            count += 1
    assert len(tables["spreads"]) == count


def test_checks_curves_confusions_and_vectors(full):
    report, tables = full
    counted = dict.fromkeys(("checks", "curves", "confusions", "embedding"), 0)
    for pair in report.record.pairs:
        for place, check in enumerate(pair.checks, start=1):
            (row,) = of(tables["checks"], pair=pair.name, place=place)
            agree(row | {"waiver": check.waiver}, check)
            assert row["blocks"] == check.blocks
            counted["checks"] += 1
        if pair.measurement is None:
            continue
        for name, curve in pair.measurement.curves.items():
            points = of(tables["curves"], pair=pair.name, curve=name)
            assert [row["x"] for row in points] == curve.x
            assert [row["y"] for row in points] == curve.y
            for end in ("low", "high"):
                assert [row[end] for row in points] == (
                    getattr(curve, end) or [None] * len(curve.x)
                )
            assert {(row["x_label"], row["y_label"], row["note"]) for row in points} == {
                (curve.x_label, curve.y_label, curve.note)
            }
            counted["curves"] += len(points)
        for place, confusion in enumerate(pair.measurement.confusions, start=1):
            (row,) = of(tables["confusions"], pair=pair.name, place=place)
            agree(row, confusion)
            counted["confusions"] += 1
        (row,) = of(tables["embedding"], pair=pair.name)
        agree(row, pair.measurement.embedding)
        counted["embedding"] += 1
    (together,) = of(tables["checks"], pair=None)
    assert (together["dataset"], together["sector"], together["value"]) == (None, "diy", 0.853)
    counted["checks"] += 1
    assert {name: len(tables[name]) for name in counted} == counted


def test_a_waiver_and_the_place_of_a_rule(full):
    _, tables = full
    row = of(tables["checks"], message="waived")[0]
    assert (row["file"], row["line"]) == ("suites/diy/sector.toml", 8)
    assert (row["waiver_limit"], row["waiver_owner"], row["waiver_expires"]) == (
        0.9,
        "diy",
        "2026-03-01",
    )
    row = of(tables["checks"], pair=None)[0]
    assert (row["file"], row["line"], row["waiver_limit"]) == (None, None, None)


def test_every_planned_pair_has_a_row_measured_or_not(full):
    report, tables = full
    assert {row["pair"] for row in tables["pairs"]} == {
        *report.record.planned,
        *(pair.name for pair in report.record.pairs),
    }
    (never,) = of(tables["pairs"], pair="openai-clip-l14:fasteners")
    assert (never["status"], never["verdict"], never["ties"]) == ("not run", "incomplete", None)
    for pair in report.record.pairs:
        (row,) = of(tables["pairs"], pair=pair.name)
        assert (row["verdict"], row["error"]) == (pair.verdict, pair.error)
        assert row["latency_p95_ms"] == pair.timing.costs["latency_p95_ms"]
        flat = set(Timing.model_fields) - {"costs", "paid"}
        own = {name: getattr(pair.timing, name) for name in flat}
        assert own.items() <= row.items()
        paid = pair.timing.paid
        for name in ("requests", "images", "usd", "unanswered_usd"):
            assert row[f"paid_{name}"] == (paid and getattr(paid, name))
        if pair.measurement is not None:
            ranks = report.queries[pair.name]["rank"].to_pylist()
            assert row["misses"] == sum(rank > 1 for rank in ranks)
            assert row["bytes_per_vector"] == pair.measurement.embedding.bytes_per_vector
            assert (row["compared_queries"], row["only_after"]) == (380, 23)


def test_run_sectors_models_datasets_and_libraries(full):
    report, tables = full
    record = report.record
    (run,) = tables["run"]
    assert (run["verdict"], run["planned"], run["evaluated"]) == ("reject", 13, 10)
    host = record.host.model_dump(exclude={"versions"})
    assert host.items() <= run.items()
    for name, value in record.baseline.model_dump().items():
        assert run[f"baseline_{name}"] == value
    assert {row["sector"]: row["verdict"] for row in tables["sectors"]} == record.sectors
    for name, model in record.models.items():
        (row,) = of(tables["models"], model=name)
        assert model.model_dump(exclude={"name", "versions"}).items() <= row.items()
        for library, version in model.versions.items():
            assert of(tables["libraries"], model=name, library=library, version=version)
    assert of(tables["models"], model="siglip2-b16")[0]["verdict"] == "reject"
    assert of(tables["models"], model="openai-clip-l14")[0]["source"] is None
    assert of(tables["libraries"], model=None, library="torch", version="2.9.0")
    for name, dataset in record.datasets.items():
        (row,) = of(tables["datasets"], dataset=name)
        assert dataset.model_dump(exclude={"name", "conditions"}).items() <= row.items()
        assert row["condition_columns"] == sorted(dataset.conditions)
    assert [(row["terms"], row["definition"]) for row in tables["definitions"]] == (
        record.definitions
    )


def test_models_against_each_other(full):
    report, tables = full
    contest, refused = report.record.contests
    rows = of(tables["contests"], model=contest.model, other=contest.other)
    assert len(rows) == 2
    holds_change(of(rows, condition=None, metric="recall@1")[0], contest.changes["recall@1"])
    dim = contest.conditions["light"]["dim"]["recall@1"]
    holds_change(of(rows, condition="light", condition_value="dim")[0], dim)
    (row,) = of(tables["contests"], model=refused.model)
    assert (row["refused"], row["metric"], row["drop"]) == (["content"], None, None)


def test_queries_of_all_pairs(full):
    report, tables = full
    assert len(tables["queries"]) == sum(map(len, report.queries.values()))
    for name, table in report.queries.items():
        rows = of(tables["queries"], pair=name)
        assert [row["row"] for row in rows] == list(range(len(table)))
        for row, query in zip(rows, table.to_pylist(), strict=True):
            assert query.items() <= row.items()
    failing = [row for row in tables["queries"] if row["change"] == "newly failing"]
    assert {row["query"] for row in failing} == {"q/2.jpg", "q/3.jpg"}
    assert {row["outcome"] for row in tables["queries"]} >= {"hit", "tie", "near miss", "far miss"}


def test_datasets_with_other_conditions_share_a_table(tmp_path):
    rows = {
        "parts": [b.row("q/1.jpg", "A1", 1)],
        "boxes": [b.row("q/1.jpg", "A1", None, **{"condition.angle": "front"})],
    }
    pairs = [b.pair("lite0", name, "diy") for name in rows]
    record = b.run(pairs, [b.model("lite0")], [b.dataset(name, "diy") for name in rows])
    queries = {f"lite0:{name}": b.table(found) for name, found in rows.items()}
    boxes, parts = rows_of(ReportInput(record, queries, tmp_path, tmp_path))["queries"]
    assert (parts["condition.angle"], parts["outcome"]) == (None, "hit")
    assert (boxes["condition.angle"], boxes["outcome"]) == ("front", "absent")


def test_rows_are_sorted(full):
    _, tables = full
    keys = [(row["model"], row["dataset"], row["metric"]) for row in tables["metrics"]]
    assert keys == sorted(keys)
    keys = [(row["model"], row["dataset"], row["row"]) for row in tables["queries"]]
    assert keys == sorted(keys)
