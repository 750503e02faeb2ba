"""A file is there whole or not at all."""

import pytest

from pytest_prodbench import atomic
from pytest_prodbench.atomic import atomic_write_bytes, atomic_write_text


def test_atomic_write_makes_the_folder_and_replaces(tmp_path):
    path = tmp_path / "a/b/file"
    atomic_write_bytes(path, b"one")
    atomic_write_text(path, "zwei ü\n")
    assert path.read_bytes() == "zwei ü\n".encode()
    assert [item.name for item in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("durable", [True, False])
def test_only_a_durable_write_waits_for_the_disk(tmp_path, monkeypatch, durable):
    waited = []
    monkeypatch.setattr(atomic.os, "fsync", waited.append)
    atomic_write_bytes(tmp_path / "file", b"data", durable=durable)
    assert bool(waited) == durable
    assert (tmp_path / "file").read_bytes() == b"data"


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
