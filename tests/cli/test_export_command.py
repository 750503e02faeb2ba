"""``prodbench export`` as a user types it."""

from __future__ import annotations

import csv
import shutil

import pyarrow.parquet as pq
import pytest

from pytest_prodbench.cli import main
from pytest_prodbench.evidence.store import read_evidence


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return where the first test leaves its run for the others."""
    return tmp_path_factory.mktemp("measured") / "run"


@pytest.fixture
def here(repository, measured, monkeypatch, capsys):
    monkeypatch.chdir(repository.path)
    monkeypatch.setenv("PRODBENCH_CACHE_DIR", str(repository.cache))
    if not measured.exists():
        repository.run("-p", "no:xdist")
        shutil.copytree(repository.path / "reports/run", measured)
    else:
        shutil.copytree(measured, repository.path / "reports/run")
    capsys.readouterr()
    return repository


def test_tables_stand_beside_the_page_in_both_formats(here, capsys):
    assert main(["export", "reports/run"]) == 0
    said = capsys.readouterr().out
    folder = here.path / "reports/run/export"
    assert "  reports/run/export/pairs (.csv, .parquet): 4 rows\n" in said
    record = read_evidence(here.path / "reports/run")
    metrics = pq.read_table(folder / "metrics.parquet").to_pylist()
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(metrics) == sum(len(p.measurement.metrics) for p in record.pairs)
    for row, metric in zip(rows, metrics, strict=True):
        value = record.pair(metric["pair"]).measurement.metrics[metric["metric"]]
        assert metric["value"] == float(row["value"]) == value.value
    # The folder of a run stays one: tables in it disturb nobody.
    assert main(["report", "reports/run"]) == 0
    assert main(["show", "reports/run"]) == 0


def test_only_what_was_asked_for_and_where(here, capsys):
    assert main(["export", "reports/run", "--out", "tables", "--format", "csv", "--safe"]) == 0
    assert {path.suffix for path in (here.path / "tables").iterdir()} == {".csv"}
    assert not (here.path / "reports/run/export").exists()


def test_a_run_that_was_killed_is_exported_from_its_journal(here):
    (here.path / "reports/run/evidence.json").unlink()
    assert main(["export", "reports/run", "--out", "tables", "--format", "parquet"]) == 0
    assert len(pq.read_table(here.path / "tables/pairs.parquet")) == 4


def test_mistakes_say_what_to_do(here, capsys):
    assert main(["export", "reports/gone"]) == 4
    assert "reports/gone: no folder" in capsys.readouterr().err
    (here.path / "taken").write_text("")
    assert main(["export", "reports/run", "--out", "taken/tables"]) == 4
    said = capsys.readouterr().err
    assert "taken/tables: cannot be written (" in said
    assert "name another with --out" in said
    with pytest.raises(SystemExit):
        main(["export", "reports/run", "--format", "xlsx"])
