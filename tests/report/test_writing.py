from __future__ import annotations

import pickle

import pytest

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.report import atomic, writing
from pytest_prodbench.report.atomic import atomic_write_bytes, atomic_write_text
from pytest_prodbench.report.writing import ReportError, write_reports

from . import builders as b


def test_every_registered_kind(tmp_path):
    paths = write_reports(b.small_run(tmp_path))
    assert {"index.html", "junit.xml", "summary.md"} <= {path.name for path in paths}
    assert all(path.stat().st_size for path in paths)


def test_only_the_kinds_named(tmp_path):
    report = b.small_run(tmp_path)
    assert [path.name for path in write_reports(report, ["junit", "junit"])] == ["junit.xml"]
    assert write_reports(report, []) == []


def test_one_that_fails_does_not_cost_the_others(tmp_path, monkeypatch):
    real = writing.load

    def load(group, name, *, where):
        def broken(report):
            raise ZeroDivisionError("third party")

        return broken if name == "broken" else real(group, name, where=where)

    monkeypatch.setattr(writing, "load", load)
    with pytest.raises(
        ReportError, match=r"2 of 3 not written \(broken: .*third party.*nosuch"
    ) as caught:
        write_reports(b.small_run(tmp_path), ["broken", "nosuch", "markdown"])
    assert [path.name for path in caught.value.written] == ["summary.md"]
    assert isinstance(caught.value.errors["nosuch"], SettingsError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_nothing_is_left_but_the_reports(tmp_path):
    report = b.small_run(tmp_path)
    write_reports(report, ["html", "junit", "markdown"])
    names = {path.name for path in report.run_dir.iterdir()}
    assert names == {"index.html", "junit.xml", "summary.md", "thumbnails"}


def test_atomic_write_makes_the_folder_and_replaces(tmp_path):
    path = tmp_path / "a/b/file"
    atomic_write_bytes(path, b"one")
    atomic_write_text(path, "zwei ü\n")
    assert path.read_bytes() == "zwei ü\n".encode()
    assert [item.name for item in path.parent.iterdir()] == ["file"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(atomic.os, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_report_is_readable_by_others_as_any_file_is(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    atomic_write_bytes(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == plain.stat().st_mode
