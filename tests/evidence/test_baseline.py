"""A baseline on disk: read back whole or refused by name, and never lost to a crash."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from evidence_builders import ranked, run, table, value

from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evaluation.opponent import opponent_of
from pytest_prodbench.evidence import baseline as room
from pytest_prodbench.evidence.baseline import (
    BASELINE,
    BaselineDataset,
    BaselineRecord,
    baseline_json,
    read_baseline,
    write_baseline,
)
from pytest_prodbench.evidence.queries import (
    COMPARED_COLUMNS,
    query_table,
    read_parquet,
    to_parquet,
)
from pytest_prodbench.evidence.store import queries_file
from pytest_prodbench.settings.types import RunSettings, Suite

SHOWN = "baselines/production"


def parquet(seed=0):
    queries, gallery = table(["a", "b"]), table(["a", "b", "c"])
    ranking = ranked(queries, gallery, seed=seed)
    return to_parquet(query_table(queries, gallery, ranking, ["11", "22"]))


FILES = {"parts": parquet(0), "tools": parquet(1)}


def record(**changes):
    whole = run()
    datasets = {
        name: BaselineDataset(
            dataset=whole.datasets["parts"].model_copy(update={"name": name}),
            verdict="accept",
            metrics={"recall@1": value(1 / 3), "mrr": value(1.0)},
            queries_file=queries_file("lite0", name),
            queries_digest=hashlib.sha256(data).hexdigest(),
        )
        for name, data in FILES.items()
    }
    fields = {
        "role": "production",
        "model": whole.models["lite0"],
        "run": "first",
        "accepted": "2026-11-27",
        "commit": "ab" * 20,
        "reason": 'größer, besser\nund "schneller"',
        "despite": None,
        "verdict": "accept",
        "prodbench_version": "0.1.0",
        "protocol_version": 3,
        "policy_digest": "cd" * 32,
        "metric_versions": {"recall": 1, "mrr": 1},
        "datasets": datasets,
    }
    return BaselineRecord(**(fields | changes))


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / SHOWN
    write_baseline(path, record(), FILES)
    return path


def read(folder):
    return read_baseline(folder, SHOWN)


def refused(folder):
    with pytest.raises(EvidenceError) as caught:
        read(folder)
    return str(caught.value)


# --- round trip and text


def test_it_is_read_back(folder):
    found = read(folder)
    # One third has ten decimals on disk.
    assert found.record == BaselineRecord.model_validate(json.loads(baseline_json(record())))
    assert found.record.datasets["parts"].metrics["recall@1"].value == 0.3333333333
    for name, data in FILES.items():
        assert found.tables[name].equals(pq.read_table(io.BytesIO(data)))
    assert found.digest == hashlib.sha256((folder / BASELINE).read_bytes()).hexdigest()


def test_nothing_else_is_left_on_disk(folder, tmp_path):
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert found == {
        "baselines",
        SHOWN,
        f"{SHOWN}/{BASELINE}",
        f"{SHOWN}/queries",
        f"{SHOWN}/queries/lite0@parts.parquet",
        f"{SHOWN}/queries/lite0@tools.parquet",
    }


def test_the_text_is_json_with_sorted_keys_and_ten_decimals():
    text = baseline_json(record())

    def in_order(pairs):
        keys = [key for key, _ in pairs]
        assert keys == sorted(keys)
        return dict(pairs)

    assert json.loads(text, object_pairs_hook=in_order)
    numbers = re.findall(r"-?\d+\.\d+", re.sub(r'"[^"\n]*"', "", text))
    assert numbers
    assert all(len(number.partition(".")[2]) == 10 for number in numbers)
    assert text.endswith("}\n")
    assert "größer" in text


def test_the_same_record_is_the_same_text_whatever_the_order_it_was_made_in():
    one = record()
    turned = one.model_copy(
        update={"datasets": {name: one.datasets[name] for name in reversed(one.datasets)}}
    )
    assert baseline_json(turned) == baseline_json(one)
    again = BaselineRecord.model_validate(json.loads(baseline_json(one)))
    assert baseline_json(again) == baseline_json(one)


def test_one_value_more_changes_its_own_line_alone():
    one = record()
    parts = one.datasets["parts"].model_copy(update={"metrics": {"recall@1": value(0.4)}})
    other = one.model_copy(
        update={
            "datasets": {
                **one.datasets,
                "parts": parts.model_copy(
                    update={
                        "metrics": one.datasets["parts"].metrics | {"recall@1": value(0.4)},
                    }
                ),
            }
        }
    )
    lines = [set(enumerate(baseline_json(some).splitlines())) for some in (one, other)]
    assert len(lines[0] ^ lines[1]) == 2


def test_a_number_that_is_none_is_never_written():
    bad = record()
    bad.datasets["parts"].metrics["mrr"].__dict__["value"] = float("nan")
    with pytest.raises(ValueError, match="nan is not JSON"):
        baseline_json(bad)


# --- damage


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no readable baseline (No such file"),
        (b"", "no readable baseline"),
        (b'{"schema_version": 1', "no readable baseline"),
        (b"[]", "no readable baseline"),
        (b"null", "no readable baseline"),
        (b"{}", "schema_version"),
        (b"\xff\xfe", "no readable baseline"),
        (b"[" * 100_000, "no readable baseline"),
        (b'{"schema_version": 2}', "schema version 2; expected 1"),
        (b'{"schema_version": "1"}', "schema version 1; expected 1"),
        (b'{"schema_version": 1}', "breaks the schema"),
        (b'{"schema_version": 1, "x": NaN}', "breaks the schema"),
    ],
)
def test_a_record_that_cannot_be_read(folder, text, said):
    path = folder / BASELINE
    path.unlink()
    if text is not None:
        path.write_bytes(text)
    message = refused(folder)
    assert said in message
    assert message.startswith(f"{SHOWN}/{BASELINE}: ")


def test_a_record_cut_off_anywhere(folder):
    whole = (folder / BASELINE).read_bytes()
    for end in range(0, len(whole) - 1, 97):
        (folder / BASELINE).write_bytes(whole[:end])
        assert "no readable baseline" in refused(folder)


@pytest.mark.parametrize("number", ["NaN", "Infinity", '"half"', "null"])
def test_a_value_that_is_no_number(folder, number):
    text = (folder / BASELINE).read_text(encoding="utf-8")
    (folder / BASELINE).write_text(text.replace('"value": 1.0000000000', f'"value": {number}'))
    assert "breaks the schema" in refused(folder)


def test_an_unknown_key_is_not_skipped(folder):
    data = json.loads((folder / BASELINE).read_text(encoding="utf-8"))
    (folder / BASELINE).write_text(json.dumps(data | {"signed_by": "nobody"}))
    assert "signed_by" in refused(folder)


def test_queries_that_are_gone_damaged_or_others(folder):
    file = folder / "queries/lite0@parts.parquet"
    for data, said in (
        (parquet(5), "not the one that was accepted (its digest differs)"),
        (FILES["parts"][:-9], "cannot be read as Parquet"),
        (FILES["parts"] + b"!", ""),
        (b"", "cannot be read as Parquet"),
        (None, "cannot be read as Parquet"),
    ):
        file.unlink(missing_ok=True)
        if data is not None:
            file.write_bytes(data)
        message = refused(folder)
        assert said in message
        assert "queries/lite0@parts.parquet" in message


def test_two_files_that_changed_places(folder):
    one, other = (folder / f"queries/lite0@{name}.parquet" for name in FILES)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    assert "its digest differs" in refused(folder)


@pytest.mark.parametrize("file", ["../../secret.parquet", "/etc/passwd", "queries/x@parts.parquet"])
def test_a_record_does_not_say_what_else_is_read(folder, monkeypatch, file):
    data = json.loads((folder / BASELINE).read_text(encoding="utf-8"))
    data["datasets"]["parts"]["queries_file"] = file
    read_files(monkeypatch)
    (folder / BASELINE).write_text(json.dumps(data))
    message = refused(folder)
    assert f"dataset 'parts': queries in '{file}'" in message


@pytest.mark.parametrize("where", ["dataset", "model"])
def test_a_name_that_leads_elsewhere_is_not_followed(folder, monkeypatch, where):
    data = json.loads((folder / BASELINE).read_text(encoding="utf-8"))
    away = "x/../../../outside"
    entry = data["datasets"].pop("parts")
    data["datasets"] = {away if where == "dataset" else "parts": entry}
    if where == "model":
        data["model"]["name"] = away
    entry["queries_file"] = queries_file(data["model"]["name"], next(iter(data["datasets"])))
    read_files(monkeypatch)
    (folder / BASELINE).write_text(json.dumps(data))
    assert "queries in" in refused(folder)


def read_files(monkeypatch):
    """Let no Parquet be opened."""

    def opened(path):
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(room, "read_parquet", opened)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "production").touch()
    assert refused(tmp_path / "production").startswith(f"{SHOWN}/{BASELINE}: ")


# --- replaced by another


def test_another_takes_its_place_and_leaves_nothing_of_it(folder):
    fewer = record(run="second", datasets={"tools": record().datasets["tools"]})
    write_baseline(folder, fewer, {"tools": FILES["tools"]})
    assert read(folder).record.run == "second"
    assert [path.name for path in (folder / "queries").iterdir()] == ["lite0@tools.parquet"]
    assert [path.name for path in folder.parent.iterdir()] == ["production"]


class Crash(Exception):
    """The process ends here."""


def crash_at(monkeypatch, step):
    """Let the given rename (0: of the old one, 1: of the new one), or the write of a file, not happen."""
    real, calls = Path.rename, []

    def rename(self, target):
        if not self.name.startswith(("production", ".production")):
            return real(self, target)
        calls.append(self)
        if len(calls) - 1 == step:
            raise Crash
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)


@pytest.mark.parametrize("step", [0, 1])
def test_a_crash_never_loses_the_old_one(folder, monkeypatch, step):
    with monkeypatch.context() as patched:
        crash_at(patched, step)
        with pytest.raises(Crash):
            write_baseline(folder, record(run="second"), FILES)
    place = folder if step == 0 else folder.with_name(".production.old")
    assert read(place).record.run == "first"
    assert read(folder.with_name(".production.new")).record.run == "second"


def test_a_crash_between_the_two_renames_is_no_first_run(folder, monkeypatch, tmp_path):
    """Without a baseline rules on drops demand nothing: what a crash took away must be an error."""
    with monkeypatch.context() as patched:
        crash_at(patched, 1)
        with pytest.raises(Crash):
            write_baseline(folder, record(run="second"), FILES)
    assert not folder.exists()
    suite, settings = Suite(models={}, sectors={}, files=()), RunSettings()
    with pytest.raises(EvidenceError) as caught:
        opponent_of(suite, settings, tmp_path)
    assert (
        f"{SHOWN}/{BASELINE}: no baseline, but baselines/.production.new and "
        "baselines/.production.old: 'prodbench accept' was interrupted"
    ) in str(caught.value)
    assert "give one of them the name production" in str(caught.value)


def test_accepting_again_after_a_crash(folder, monkeypatch):
    with monkeypatch.context() as patched:
        crash_at(patched, 1)
        with pytest.raises(Crash):
            write_baseline(folder, record(run="second"), FILES)
    with monkeypatch.context() as patched:
        # Even if the next attempt does not get further than its first file.
        patched.setattr(room, "atomic_write_text", _crash)
        with pytest.raises(Crash):
            write_baseline(folder, record(run="third"), FILES)
    assert read(folder.with_name(".production.old")).record.run == "first"
    write_baseline(folder, record(run="third"), FILES)
    assert read(folder).record.run == "third"
    assert [path.name for path in folder.parent.iterdir()] == ["production"]


def _crash(*_):
    raise Crash


def test_before_the_first_one_there_is_none(tmp_path):
    suite = Suite(models={}, sectors={}, files=())
    assert opponent_of(suite, RunSettings(), tmp_path) is None


def test_one_that_is_asked_for_by_name_must_be_there(tmp_path):
    suite = Suite(models={}, sectors={}, files=())
    settings = RunSettings(baseline=tmp_path / "baselines/last-year")
    with pytest.raises(EvidenceError, match=r"last-year/baseline\.json: no readable baseline"):
        opponent_of(suite, settings, tmp_path)


def test_a_disk_that_cannot_be_written_is_a_message(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(room, "atomic_write_bytes", full)
    with pytest.raises(EvidenceError, match=r"cannot be written \(No space left on device\)"):
        write_baseline(folder, record(run="second"), FILES)
    assert read(folder).record.run == "first"


def test_a_copy_is_as_good_as_the_one_it_was_made_of(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    assert read(tmp_path / "copy").digest == read(folder).digest
    assert read_parquet(tmp_path / "copy/queries/lite0@parts.parquet").num_rows == 2


@pytest.mark.parametrize("column", sorted(COMPARED_COLUMNS))
def test_a_table_without_a_column_that_is_compared_is_refused(folder, column):
    """Its digest agrees: whoever wrote it wrote something else."""
    place = folder / queries_file("lite0", "parts")
    data = to_parquet(read_parquet(place).drop_columns([column]))
    place.write_bytes(data)
    text = (folder / BASELINE).read_text(encoding="utf-8")
    old = hashlib.sha256(FILES["parts"]).hexdigest()
    (folder / BASELINE).write_text(text.replace(old, hashlib.sha256(data).hexdigest()), "utf-8")
    assert f"no column {column}" in refused(folder)
