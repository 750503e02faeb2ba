"""A run in the terminal: what is said, and that nothing of the data can repaint it."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from pytest_prodbench.cli import main
from pytest_prodbench.cli.pictures import pictures_cache
from pytest_prodbench.evidence.store import RunFolder
from pytest_prodbench.report.show import show_pair, show_run

from . import builders as b
from .four_sectors import four_sectors
from .test_browser import ATTACK


def shown(show, *arguments, width=140) -> str:
    out = io.StringIO()
    show(*arguments, Console(file=out, width=width, highlight=False, force_terminal=False))
    return out.getvalue()


def run_text(record, metric="recall@1") -> str:
    out = io.StringIO()
    show_run(record, Console(file=out, width=200, highlight=False), metric)
    return out.getvalue()


def test_a_run_says_its_verdict_and_every_pair(tmp_path):
    record = four_sectors(tmp_path).record
    text = run_text(record)
    assert "✕ REJECT" in text
    assert "13 pairs planned, 12 selected" in text
    for name in ("siglip2-b16", "dinov2-b14", "catalog-r50-arcface", "openai-clip-l14"):
        assert name in text
    assert "worker gw1 died while it embedded batch 12 of 40" in text
    assert "recall@1 is 0.744 and must be at least 0.8" in " ".join(text.split())
    assert text.count("not planned") == 3  # the model that only one sector plans


def test_another_metric(tmp_path):
    record = four_sectors(tmp_path).record
    pair = next(p for p in record.pairs if p.measurement)
    value = f"{pair.measurement.metrics['map@20'].value:.3f}"
    assert value in run_text(record, "map@20")


def test_a_pair_shows_rules_metrics_and_conditions(tmp_path):
    record = four_sectors(tmp_path).record
    pair = next(p for p in record.pairs if p.measurement)
    text = shown(lambda console: show_pair(pair, record, console))
    assert f"suites/{pair.sector}/sector.toml [thresholds] recall@1" in text
    for name in pair.measurement.metrics:
        assert name in text
    assert "By light" in text
    assert "from below" in text


def test_nothing_of_the_data_can_repaint_the_terminal(tmp_path):
    text = "[red]\x1b[31m\x9b2J\r\n" + ATTACK
    check = b.held("recall@1", 0.95, 0.9, message=text, where=text)
    measured = b.detailed(
        conditions={text: {text: {"recall@1": b.metric(0.8, 5)}}}, metrics={text: b.metric(0.5)}
    )
    pair = b.pair(text, text, text, verdict="reject", checks=[check], measurement=measured)
    record = b.run([pair], [b.model(text)], [b.dataset(text, text)], run=text)
    for said in (run_text(record), shown(lambda console: show_pair(pair, record, console))):
        assert "\x1b" not in said
        assert "\x9b" not in said
        assert "\r" not in said
        assert "\u202e" not in said
        assert "[red]" in said  # text, not markup


def written(tmp_path):
    record = four_sectors(tmp_path).record
    pairs = [pair.model_copy(update={"queries_file": None}) for pair in record.pairs]
    folder = RunFolder(tmp_path, "shown")
    folder.write_evidence(record.model_copy(update={"pairs": pairs, "run": "shown"}))
    return str(folder.path)


def test_the_command(tmp_path, capsys):
    run = written(tmp_path)
    assert main(["show", run]) == 0
    assert "REJECT" in capsys.readouterr().out
    assert main(["show", run, "--pair", "dinov2-b14:fasteners"]) == 0
    assert "dinov2-b14 on fasteners" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--metric", "recal@1"], "--metric: 'recal@1'.*did you mean 'recall@1'"),
        (["--pair", "dinov2-b14:fastener"], "did you mean 'dinov2-b14:fasteners'"),
    ],
)
def test_what_the_run_has_not(tmp_path, capsys, arguments, said):
    assert main(["show", written(tmp_path), *arguments]) == 4
    assert re.search(said, capsys.readouterr().err)


def test_pictures_come_from_the_projects_cache_once_there_is_one(tmp_path, monkeypatch):
    monkeypatch.delenv("PRODBENCH_CACHE_DIR", raising=False)
    assert pictures_cache(tmp_path) is None
    (tmp_path / ".prodbench" / "cache").mkdir(parents=True)
    assert pictures_cache(tmp_path) == tmp_path / ".prodbench" / "cache"
    (tmp_path / "kept").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.prodbench.run]\ncache_dir = "kept"\n')
    assert pictures_cache(tmp_path) == tmp_path / "kept"
    monkeypatch.setenv("PRODBENCH_CACHE_DIR", str(tmp_path / "gone"))
    assert pictures_cache(tmp_path) is None
