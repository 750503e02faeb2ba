from __future__ import annotations

import pickle

import pytest

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.report import writing
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
