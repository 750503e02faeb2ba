from __future__ import annotations

import pickle

import pytest

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.report import writing
from pytest_prodbench.report.writing import ReportError, check_reports, write_reports

from . import builders as b


def test_every_registered_kind(tmp_path):
    paths = write_reports(b.small_run(tmp_path))
    assert {"index.html", "junit.xml", "summary.md"} <= {path.name for path in paths}
    assert all(path.stat().st_size for path in paths)


def test_only_the_kinds_named(tmp_path):
    report = b.small_run(tmp_path)
    assert [path.name for path in write_reports(report, ["junit", "junit"])] == ["junit.xml"]


def test_a_copy_goes_where_it_is_wanted(tmp_path):
    report, there = b.small_run(tmp_path), tmp_path / "artifacts" / "page.html"
    written = write_reports(report, [f"html:{there}", "html", "markdown"])
    assert written == [report.run_dir / "index.html", there, report.run_dir / "summary.md"]
    assert there.read_bytes() == written[0].read_bytes()


def test_a_copy_that_cannot_be_written_costs_no_other_report(tmp_path):
    (tmp_path / "file").write_text("where a folder should be")
    with pytest.raises(ReportError) as caught:
        write_reports(b.small_run(tmp_path), [f"html:{tmp_path}/file/page.html", "markdown"])
    assert {path.name for path in caught.value.written} == {"index.html", "summary.md"}
    assert str(tmp_path / "file") in str(caught.value)


def test_a_kind_that_nobody_registered_is_refused():
    with pytest.raises(SettingsError, match=r"'htm', a kind of report.*did you mean.*html"):
        check_reports(["junit:x.xml", "htm"], where="--prodbench-report")


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
