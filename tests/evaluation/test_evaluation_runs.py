"""A whole run as the plugin makes it: measured, judged, journalled, recorded."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest
from evaluation_builders import catalog, manifest
from threadpoolctl import threadpool_info, threadpool_limits

from pytest_prodbench.errors import EvidenceError, SettingsError
from pytest_prodbench.evaluation.bench import Bench, failure_message
from pytest_prodbench.evaluation.planning import is_selected, plan_pairs, selection_words
from pytest_prodbench.evaluation.run import Run, recover
from pytest_prodbench.evidence.store import (
    SCHEMA_FILE,
    evidence_json,
    read_evidence,
    read_journal,
    read_queries,
)
from pytest_prodbench.evidence.types import stable
from pytest_prodbench.settings.files import load_suite
from pytest_prodbench.settings.types import RunSettings

PYPROJECT = """
[tool.prodbench.models]
tiny = { source = "timm:test_convnext", checkpoint = "random:0" }
lost = { source = "timm:test_convnext", checkpoint = "weights/gone.pth" }
[tool.prodbench.sectors.diy]
owner = "parts team"
[tool.prodbench.sectors.diy.datasets.parts]
path = "data/parts.csv"
[tool.prodbench.sectors.diy.datasets.broken]
path = "data/broken.csv"
[tool.prodbench.sectors.diy.thresholds]
"recall@1" = 0.3
"recall@3" = 0.3
"""


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    rows = catalog(folder / "data")
    manifest(folder / "data", rows)
    manifest(folder / "data", [{**rows[0], "image": "gone.png"}, *rows[1:]], "broken.csv")
    (folder / "pyproject.toml").write_text(PYPROJECT)
    return folder


def whole(project, name, **options):
    """Evaluate every pair and write the run, through JSON as it rides between processes."""
    settings = RunSettings(
        cache_dir=project / "cache",
        report_dir=project / "reports",
        run=name,
        device="cpu",
        threads=1,
        resamples=100,
        **options,
    )
    suite = load_suite([project], project)
    plans = plan_pairs(suite, settings)
    run, bench = Run(suite, settings, project, plans), Bench(settings, project, "gw0")
    chosen = [plan for plan in plans if is_selected(plan, settings)]
    run.select([plan.name for plan in chosen])
    for plan in chosen:
        run.add(json.loads(json.dumps(bench.evaluate(plan).payload(), allow_nan=False)))
    record = run.finish()
    run.folder.write_evidence(record)
    return run, record


def test_a_run(project):
    run, record = whole(project, "first")
    verdicts = {pair.name: (pair.status, pair.verdict) for pair in record.pairs}
    assert verdicts == {
        "tiny:parts": ("evaluated", "accept"),
        "tiny:broken": ("failed", "incomplete"),
        "lost:parts": ("failed", "incomplete"),
        "lost:broken": ("failed", "incomplete"),
    }
    assert (record.verdict, record.sectors) == ("incomplete", {"diy": "incomplete"})
    assert record.planned == sorted(verdicts)
    assert record.evaluated == ["tiny:parts"]
    assert not record.partial
    assert record.owners == {"diy": "parts team"}
    assert read_evidence(run.folder.path) == record
    assert read_queries(run.folder.path, record)["tiny:parts"].num_rows == 6
    jsonschema.validate(
        json.loads(evidence_json(record)), json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    )
    kinds = [entry["kind"] for entry in read_journal(run.folder.path)]
    assert kinds == ["plan", "selected", *["pair"] * 4]


def test_each_metric_of_a_rule_is_measured(project):
    _, record = whole(project, "first")
    pair = record.pair("tiny:parts")
    assert "recall@3" in pair.measurement.metrics
    assert [(check.metric, check.passed) for check in pair.checks] == [
        ("recall@1", True),
        ("recall@3", True),
    ]
    assert [check.where for check in pair.checks] == [
        'pyproject.toml:12: tool.prodbench.sectors.diy.thresholds."recall@1"',
        'pyproject.toml:13: tool.prodbench.sectors.diy.thresholds."recall@3"',
    ]


def test_a_failure_names_what_is_wrong(project):
    _, record = whole(project, "first")
    assert "gone.png" in record.pair("tiny:broken").error
    assert "weights/gone.pth" in record.pair("lost:parts").error
    for pair in record.pairs:
        message = failure_message(pair)
        assert (message is None) == (pair.verdict == "accept")
        assert message is None or message.startswith(pair.name)


def test_no_folder_of_this_machine_is_in_the_evidence(project, monkeypatch):
    monkeypatch.setenv("HOME", str(project.parent))
    run, record = whole(project, "first")
    text = evidence_json(record) + (run.folder.path / "journal.jsonl").read_text()
    assert str(project.parent) not in text
    for name, table in read_queries(run.folder.path, record).items():
        assert str(project.parent) not in str(table.to_pylist()), name


def test_two_runs_give_the_same_evidence_but_for_times_and_host(project):
    (first_run, first), (second_run, second) = whole(project, "first"), whole(project, "second")
    assert stable(first) == stable(second)
    assert first.pair("tiny:parts").timing.images_embedded == 18
    assert second.pair("tiny:parts").timing.images_cached == 18
    name = first.pair("tiny:parts").queries_file
    assert (first_run.folder.path / name).read_bytes() == (
        second_run.folder.path / name
    ).read_bytes()


def test_a_higher_threshold_rejects_and_says_by_how_much(project):
    text = PYPROJECT.replace('"recall@3" = 0.3', '"map@20" = 1.0')
    (project / "pyproject.toml").write_text(text)
    # Two photos under each other's product: nobody can get them right.
    rows = catalog(project / "data")
    one, other = [row for row in rows if row["role"] == "query"][:2]
    one["image"], other["image"] = other["image"], one["image"]
    manifest(project / "data", rows)
    _, record = whole(project, "first", models=("tiny",), datasets=("parts",))
    pair = record.pair("tiny:parts")
    assert (pair.verdict, record.verdict) == ("reject", "reject")
    first = failure_message(pair).splitlines()[0]
    assert first.startswith("tiny:parts: map@20 0.")
    assert "< 1, short by 0." in first
    assert 'pyproject.toml:13: tool.prodbench.sectors.diy.thresholds."map@20"' in first


def test_without_rules_nothing_is_accepted(project):
    (project / "pyproject.toml").write_text(
        PYPROJECT.partition("[tool.prodbench.sectors.diy.thr")[0]
    )
    _, record = whole(project, "first", models=("tiny",), datasets=("parts",))
    assert record.pair("tiny:parts").verdict == "incomplete"
    assert "no threshold says" in failure_message(record.pair("tiny:parts"))


def test_a_narrowed_run_is_partial_and_complete_in_nothing(project):
    _, record = whole(project, "first", models=("tiny",), datasets=("parts",))
    assert record.partial
    assert record.selected == ["tiny:parts"]
    assert record.selection == ["model tiny", "dataset parts"]
    assert record.verdict == "incomplete"
    assert record.pair("lost:parts").status == "not run"


def test_a_pair_that_vanished_is_lost(project):
    run, _ = whole(project, "first")
    run.lose("tiny:parts", "its worker died")
    record = run.finish()
    assert record.pair("tiny:parts").status == "lost"
    assert record.verdict == "incomplete"


def test_a_refused_pair_is_not_accepted_in_the_journal_either(project):
    run, _ = whole(project, "first")
    run.refuse("tiny:parts", "an assertion of the test's own")
    assert run.finish().verdict == "reject"
    assert read_journal(run.folder.path)[-1]["pair"]["verdict"] == "reject"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"models": ("tini",)}, "--prodbench-model tini: model 'tini'.*did you mean 'tiny'"),
        ({"datasets": ("part",)}, "--prodbench-dataset part: .*did you mean 'parts'"),
        ({"sectors": ("dyi",)}, "--prodbench-sector dyi: .*did you mean 'diy'"),
    ],
)
def test_names_that_nothing_defines(project, asked, said):
    with pytest.raises(SettingsError, match=said):
        plan_pairs(load_suite([project], project), RunSettings(**asked))


def test_selection_in_words():
    settings = RunSettings(models=("a", "b"), sectors=("diy",))
    assert selection_words(settings) == ["model a", "model b", "sector diy"]


def test_a_catalog_that_is_edited_while_the_suite_runs(project):
    settings = RunSettings(cache_dir=project / "c", device="cpu", threads=1, resamples=100)
    plans = {plan.name: plan for plan in plan_pairs(load_suite([project], project), settings)}
    bench, plan = Bench(settings, project), plans["tiny:parts"]
    assert bench.evaluate(plan).record.verdict == "accept"
    (project / "data/p0-0.png").write_bytes((project / "data/p0-1.png").read_bytes())
    other = plan.model.model_copy(update={"name": "other", "checkpoint": "random:1"})
    record = bench.evaluate(replace(plan, model=other)).record
    assert (record.status, record.verdict) == ("failed", "incomplete")
    assert "p0-0.png: a file that was changed" in record.error


@pytest.mark.parametrize("threads", [0, 1])
def test_numpy_keeps_to_the_threads_of_the_run_and_is_given_back(project, threads):
    """Two workers whose BLAS starts a thread a core take twice the time of two that do not."""
    settings = RunSettings(cache_dir=project / "c", device="cpu", threads=threads, resamples=100)
    (plan,) = [
        plan
        for plan in plan_pairs(load_suite([project], project), settings)
        if plan.name == "tiny:parts"
    ]
    seen = []
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads_now()
        Bench(settings, project).evaluate(plan, lambda *_: seen.append(blas_threads_now()))
        assert blas_threads_now() == before
    assert before
    assert seen
    assert all(counts == [1] * len(before) for counts in seen)


def blas_threads_now():
    """Of numpy's own: other packages bring theirs when they are imported, perhaps in between."""
    return [
        found["num_threads"]
        for found in threadpool_info()
        if found["user_api"] == "blas" and "numpy" in found["filepath"]
    ]


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [("dataset", "content_digest", "0" * 64), ("model", "weights_digest", "0" * 64)],
)
def test_a_dataset_or_model_that_changes_between_two_workers(project, kind, key, value):
    """Two pairs of one run must not have been measured on two states of one catalog."""
    settings = RunSettings(
        cache_dir=project / "cache", report_dir=project / "reports", run="split", device="cpu"
    )
    suite = load_suite([project], project)
    plans = plan_pairs(suite, settings)
    (plan,) = [plan for plan in plans if plan.name == "tiny:parts"]
    run = Run(suite, settings, project, plans)
    payload = Bench(settings, project).evaluate(plan).payload()
    run.add(payload)
    run.add(payload)
    changed = {**payload, kind: {**payload[kind], key: value}}
    with pytest.raises(EvidenceError, match=f"{kind} '(tiny|parts)': another one than an earlier"):
        run.add(changed)


def test_rules_waivers_and_what_was_held_together_are_in_the_evidence(project):
    """Also a metric that only a rule on a slice, or on all datasets, names is measured."""
    head = PYPROJECT.partition("[tool.prodbench.sectors.diy.datasets.broken]")[0]
    sector = "tool.prodbench.sectors.diy"
    policy = f"""
[{sector}.thresholds]
"recall@1" = 0.3
[[{sector}.rules]]
metric = "recall@2"
condition = {{ light = "fog" }}
min = 1.0
severity = "warn"
[[{sector}.rules]]
metric = "recall@4"
aggregate = "worst"
models = "tiny"
min = 1.0
[[{sector}.waivers]]
metric = "recall@4"
aggregate = "worst"
models = "t*"
min = 0.01
reason = "a small network"
owner = "parts team"
granted = 2020-01-01
expires = 2999-12-31
"""
    (project / "pyproject.toml").write_text(head + policy)
    run, record = whole(project, "first")
    assert [rule.what for rule in record.rules] == [
        "recall@1",
        "recall@2 where light = fog",
        "worst recall@4 of the sector",
    ]
    assert [waiver.reason for waiver in record.waivers] == ["a small network"]
    pair = record.pair("tiny:parts")
    measured = pair.measurement
    assert {"recall@2", "recall@4"} <= set(measured.metrics)
    # No photo was taken in fog: the warning has no value, and decides nothing.
    warning = pair.checks[1]
    assert (warning.outcome, warning.passed, warning.blocks) == ("undecided", False, False)
    assert pair.verdict == "accept"
    assert failure_message(pair) is None
    (together,) = record.sector_checks["diy"]
    assert (together.model, together.dataset, together.passed) == ("tiny", None, True)
    assert (together.limit, together.waiver.limit) == (0.01, 1.0)
    assert together.waiver.expires == "2999-12-31"
    for where in (together.where, together.waiver.where, warning.where):
        assert where.startswith("pyproject.toml:")
    assert together.waiver.where == record.waivers[0].where
    assert read_evidence(run.folder.path) == record
    assert recover(run.folder.path).sector_checks == record.sector_checks


def test_a_waiver_that_has_expired_stops_the_run(project):
    waiver = """
[[tool.prodbench.sectors.diy.waivers]]
metric = "recall@1"
min = 0.2
reason = "r"
owner = "Ada"
granted = 2020-01-01
expires = 2020-12-31
"""
    (project / "pyproject.toml").write_text(PYPROJECT + waiver)
    said = r"waivers\[0\]: a waiver that expired on 2020-12-31, owner Ada"
    with pytest.raises(SettingsError, match=said):
        plan_pairs(load_suite([project], project), RunSettings())
