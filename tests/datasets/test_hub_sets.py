"""Sets on a data-set hub, from a small one on the loopback interface."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from small_hub import COMMIT, SmallHub

from pytest_prodbench.cli import main
from pytest_prodbench.datasets import published as room
from pytest_prodbench.datasets.fetching.hub import fetch_hub
from pytest_prodbench.datasets.published import Download
from pytest_prodbench.errors import DatasetError

FILES = {
    "corpus/corpus-00000-of-00001.parquet": b"corpus" * 10_000,
    "query/test.jsonl": b"{}",
    "images.tar.gz.part-00": b"i" * 100,
    "README.md": b"# a set",
}


@pytest.fixture
def hub(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> SmallHub:
    found = SmallHub(httpserver, dict(FILES))
    monkeypatch.setenv("HF_ENDPOINT", found.endpoint)
    return found


def asked_for(**more: Any) -> Download:
    return Download(
        kind="hub",
        address="https://example.org/datasets/team/set",
        name="corpus, query",
        what="Parquet",
        source="a test",
        repository="team/set",
        **{"revision": "main", **more},
    )


def there(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and ".cache" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_all_files_of_a_revision(hub: SmallHub, tmp_path: Path) -> None:
    assert fetch_hub(asked_for(), tmp_path) == (COMMIT, 4)
    assert there(tmp_path) == FILES


def test_only_what_matches_and_only_once(hub: SmallHub, tmp_path: Path) -> None:
    wanted = asked_for(allow_patterns=["query/**", "corpus/**"], revision=COMMIT)
    assert fetch_hub(wanted, tmp_path) == (COMMIT, 2)
    assert set(there(tmp_path)) == {name for name in FILES if "/" in name}
    assert fetch_hub(wanted, tmp_path) == (COMMIT, 2)
    assert sorted(hub.given) == sorted(name for name in FILES if "/" in name)


def test_a_broken_connection(hub: SmallHub, tmp_path: Path) -> None:
    hub.breaks = {"corpus/corpus-00000-of-00001.parquet"}
    fetch_hub(asked_for(), tmp_path)
    assert there(tmp_path) == FILES
    assert hub.given.count("corpus/corpus-00000-of-00001.parquet") == 2


def test_nothing_matches(hub: SmallHub, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no file that matches elsewhere"):
        fetch_hub(asked_for(allow_patterns=["elsewhere/*"]), tmp_path)


@pytest.mark.parametrize(
    ("status", "name"), [(403, "GatedRepoError"), (404, "RepositoryNotFoundError")]
)
def test_a_set_that_is_gated_or_gone(hub: SmallHub, tmp_path: Path, status: int, name: str) -> None:
    hub.status = status
    with pytest.raises(DatasetError, match=f"{name}.*accept its terms.*HF_TOKEN"):
        fetch_hub(asked_for(), tmp_path)
    assert there(tmp_path) == {}


def test_no_room(hub: SmallHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(f_bavail=65_536, f_frsize=4096, f_blocks=10**6, f_bfree=65_536)
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    with pytest.raises(DatasetError, match="expected 60,109 for team/set on the hub"):
        fetch_hub(asked_for(), tmp_path)
    assert there(tmp_path) == {}


def test_the_command_needs_nothing_but_the_hubs_client(
    hub: SmallHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "references").mkdir()
    monkeypatch.setattr(room, "REFERENCES", tmp_path / "references")
    monkeypatch.setitem(sys.modules, "pooch", None)
    (tmp_path / "references/on_the_hub.toml").write_text(
        'title = "A set on the hub"\nprotocol = "official"\nsources = ["a test"]\n'
        'layout = "hub_retrieval"\n[[download]]\nkind = "hub"\naddress = "https://example.org/set"\n'
        'name = "all"\nwhat = "Parquet"\nsource = "a test"\nrepository = "team/set"\nrevision = "main"\n'
    )
    assert main(["download", "on_the_hub", "--yes", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "team/set at main, by the hub's client" in said
    assert f"all: 4 files at commit {COMMIT}" in said
    assert "[datasets.on-the-hub]" in said
    found = there(tmp_path / "on_the_hub")
    assert {name: found[name] for name in FILES} == FILES
