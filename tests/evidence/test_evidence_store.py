"""A run on disk: whole or not there, and what is damaged is named."""

from __future__ import annotations

import hashlib
import json

import pytest
from evidence_builders import DATA, pair, ranked, run, table

from pytest_prodbench.errors import EvidenceError, SettingsError
from pytest_prodbench.evidence.queries import query_table, to_parquet
from pytest_prodbench.evidence.store import (
    EVIDENCE,
    JOURNAL,
    RunFolder,
    new_run_name,
    queries_file,
    read_evidence,
    read_journal,
    read_queries,
)
from pytest_prodbench.settings.tables import NAME


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "reports", "first")


def test_evidence_is_read_back(folder):
    assert folder.write_evidence(run()) == folder.path / EVIDENCE
    assert read_evidence(folder.path) == run()
    assert [path.name for path in folder.path.iterdir()] == [EVIDENCE]


def test_a_name_is_used_once(folder, tmp_path):
    folder.write_evidence(run())
    with pytest.raises(EvidenceError, match=r"a run of this name.*--prodbench-run"):
        RunFolder(tmp_path / "reports", "first")
    assert read_evidence(folder.path) == run()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/srv/x", "a b", ".hidden"])
def test_names_that_are_no_folder(tmp_path, name):
    with pytest.raises(SettingsError, match="--prodbench-run: run name"):
        RunFolder(tmp_path / "reports", name)
    assert not (tmp_path / "reports").exists()


def test_a_report_dir_that_is_a_file(tmp_path):
    (tmp_path / "reports").touch()
    with pytest.raises(EvidenceError, match=r"cannot be made .*--prodbench-report-dir"):
        RunFolder(tmp_path / "reports", "first")


def test_run_names_are_names_and_differ():
    names = {new_run_name() for _ in range(20)}
    assert len(names) > 15
    assert all(NAME.fullmatch(name) for name in names)


def test_names_of_queries_files_never_meet():
    assert queries_file("a--b", "c") != queries_file("a", "b--c")
    assert queries_file("a-", "b") != queries_file("a", "-b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        (b"", "no readable evidence"),
        (b'{"schema_version": 1', "no readable evidence"),
        (b"[]", "no readable evidence"),
        (b"null", "no readable evidence"),
        (b"{}", "schema_version"),
        (b"\xff\xfe", "no readable evidence"),
        (b"[" * 100_000, "no readable evidence"),
        (b'{"schema_version": 1}', "schema version 1; expected 4"),
        (b'{"schema_version": "1"}', "schema version 1; expected 4"),
        (b'{"schema_version": 3}', "schema version 3; expected 4"),
        (b'{"schema_version": 4}', "breaks the schema"),
    ],
)
def test_evidence_that_cannot_be_read(folder, text, said):
    path = folder.path / EVIDENCE
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(EvidenceError) as caught:
        read_evidence(folder.path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_nan_in_evidence_is_not_read(folder):
    path = folder.write_evidence(run())
    path.write_text(path.read_text().replace('"value": 0.5', '"value": NaN'))
    with pytest.raises(EvidenceError, match="breaks the schema"):
        read_evidence(folder.path)


def test_the_journal_keeps_lines_in_order(folder):
    entries = [{"kind": "pair", "n": n, "text": "a\u2028b\x85c\nd ä"} for n in range(3)]
    for entry in entries:
        folder.note("pair", {"n": entry["n"], "text": entry["text"]})
    assert read_journal(folder.path) == entries


def test_a_last_line_cut_anywhere_is_left_out(folder):
    folder.note("plan", {"a": 1})
    whole = (folder.path / JOURNAL).read_bytes()
    folder.note("pair", {"b": {"c": "ä", "d": 1.5}})
    both = (folder.path / JOURNAL).read_bytes()
    for end in range(len(whole), len(both) - 1):
        (folder.path / JOURNAL).write_bytes(both[:end])
        assert read_journal(folder.path) == [{"kind": "plan", "a": 1}]
    (folder.path / JOURNAL).write_bytes(both[:-1])
    assert len(read_journal(folder.path)) == 2


@pytest.mark.parametrize("tail", [b"\0" * 100, b"\xff\xfe", b'{"kind": "pair", "x": "\xc3'])
def test_a_last_line_of_rubbish_is_left_out(folder, tail):
    folder.note("plan", {"a": 1})
    with (folder.path / JOURNAL).open("ab") as file:
        file.write(tail)
    assert len(read_journal(folder.path)) == 1


def test_a_damaged_line_in_the_middle_is_named(folder):
    for n in range(3):
        folder.note("pair", {"n": n})
    lines = (folder.path / JOURNAL).read_bytes().splitlines(keepends=True)
    (folder.path / JOURNAL).write_bytes(lines[0] + b"{x\n" + lines[2])
    with pytest.raises(EvidenceError, match=r"journal\.jsonl, line 2: damaged"):
        read_journal(folder.path)


def test_no_journal(tmp_path):
    with pytest.raises(EvidenceError, match="no journal"):
        read_journal(tmp_path)


def test_nan_does_not_enter_the_journal(folder):
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.note("pair", {"x": float("nan")})


def test_only_the_queries_that_were_measured_are_written(folder):
    folder.write_queries(pair(), DATA)
    assert (folder.path / "queries/lite0@parts.parquet").read_bytes() == DATA
    for record, data in ((pair(), DATA + b"!"), (pair(queries_file=None), DATA)):
        with pytest.raises(EvidenceError, match="pair lite0:parts"):
            folder.write_queries(record, data)
    assert (folder.path / "queries/lite0@parts.parquet").read_bytes() == DATA


@pytest.fixture
def measured(folder):
    """A run with one real Parquet file."""
    queries, gallery = table(["a", "b"]), table(["a", "b", "c"])
    found = query_table(queries, gallery, ranked(queries, gallery), ["11", "22"])
    data = to_parquet(found)
    record = pair(queries_digest=hashlib.sha256(data).hexdigest())
    folder.write_queries(record, data)
    return folder.path, run(pairs=[record, pair("lite1", queries_file=None)]), found


def test_queries_are_read_back(measured):
    path, record, found = measured
    assert read_queries(path, record) == {"lite0:parts": found}


def test_queries_that_are_gone_damaged_or_others(measured):
    path, record, _ = measured
    file = path / "queries/lite0@parts.parquet"
    queries, gallery = table(["a", "b"]), table(["a", "b", "c"])
    other = query_table(queries, gallery, ranked(queries, gallery, seed=1), ["11", "22"])
    for data, said in (
        (to_parquet(other), "its digest differs"),
        (file.read_bytes()[:-9], "cannot be read as Parquet"),
        (b"", "cannot be read as Parquet"),
        (None, "cannot be read as Parquet"),
    ):
        if data is None:
            file.unlink()
        else:
            file.write_bytes(data)
        with pytest.raises(EvidenceError, match=said) as caught:
            read_queries(path, record)
        assert str(file) in str(caught.value)


def test_notes_are_json_lines(folder):
    folder.note("plan", {"b": 1, "a": 2})
    assert (folder.path / JOURNAL).read_text() == json.dumps(
        {"a": 2, "b": 1, "kind": "plan"}
    ) + "\n"


@pytest.mark.parametrize("file", ["../../secret.parquet", "/etc/passwd", "queries/other@x.parquet"])
def test_evidence_of_a_stranger_does_not_say_what_is_read(folder, file):
    record = run(pairs=[pair("one", "bolts").model_copy(update={"queries_file": file})])
    with pytest.raises(EvidenceError, match="queries in"):
        read_queries(folder.path, record)


@pytest.mark.parametrize("line", ["[1]", "7", '{"pair": 1}'])
def test_a_journal_line_of_another_shape_is_named(folder, line):
    folder.note("plan", {})
    with (folder.path / "journal.jsonl").open("a") as file:
        file.write(line + "\n")
    folder.note("selected", {})
    with pytest.raises(EvidenceError, match="line 2"):
        read_journal(folder.path)
