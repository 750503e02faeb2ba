"""Runs on shards, a store and a database: pictures come back, a password goes nowhere."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.parquet as pq
import pytest

from pytest_prodbench.cli import main

PASSWORD = "pl4nted-p@ss/word"  # noqa: S105 - searched for below
QUOTED = "pl4nted-p%40ss%2Fword"
FORMS = (PASSWORD, QUOTED, "pl4nted", "t0psecret")

MODEL = '[models]\ncolours = "baseline:colour-histogram"\n'

# SQLite behind an address with user and password, as a server has.
DIALECT = """
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

class Guarded(SQLiteDialect_pysqlite):
    supports_statement_cache = True

    def create_connect_args(self, url):
        assert url.password
        return ([f"/{url.database}"], {"check_same_thread": False})
"""
CONFTEST = """
import pathlib

import fsspec
from sqlalchemy.dialects import registry

registry.register("guarded", "guarded_dialect", "Guarded")
for path in pathlib.Path("bolts").glob("*.png"):
    fsspec.filesystem("memory").pipe_file(f"memory://b/{path.name}", path.read_bytes())
"""
SQL = "SELECT image, product_id, family, light FROM shots WHERE role = '{}'"


@pytest.fixture
def here(cold_repository: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A repository with one model that needs no network and one sector."""
    cold_repository.write("suites/models.toml", MODEL)
    shutil.rmtree(cold_repository.path / "suites/retail")
    shutil.copytree(cold_repository.catalogs / "bolts", cold_repository.path / "bolts")
    monkeypatch.chdir(cold_repository.path)
    return cold_repository


def rows(here: Any) -> list[dict[str, str]]:
    with (here.path / "bolts/manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sector(here: Any, **datasets: str) -> None:
    text = "".join(f"[datasets.{name}]\n{keys}\n" for name, keys in datasets.items())
    here.write("suites/diy/sector.toml", f'{text}[thresholds]\n"recall@1" = 0.01\n')


def write_shard(here: Any) -> None:
    (here.path / "shards").mkdir()
    with tarfile.open(here.path / "shards/catalog-0000.tar", "w") as tar:
        for row in rows(here):
            stem = row["image"].removesuffix(".png")
            labels = {name: value for name, value in row.items() if name != "image"}
            for name, data in (
                (row["image"], (here.path / "bolts" / row["image"]).read_bytes()),
                (f"{stem}.json", json.dumps(labels).encode()),
            ):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def write_database(here: Any) -> str:
    """Returns the address of the database, with its secrets."""
    path = here.path / "parts.db"
    with sqlite3.connect(path) as database:
        names = list(rows(here)[0])
        database.execute(f"CREATE TABLE shots ({', '.join(names)})")
        database.executemany(
            f"INSERT INTO shots VALUES ({','.join('?' * len(names))})",  # noqa: S608
            [tuple(row.values()) for row in rows(here)],
        )
    database.close()
    here.write("guarded_dialect.py", DIALECT)
    return f"guarded://reader:{QUOTED}@db.example/{str(path).lstrip('/')}?token=t0psecret"


def text_of(path: Path) -> str:
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return f"{table.to_pylist()} {table.schema.metadata}"
    return path.read_bytes().decode("latin-1")


def assert_no_secret(here: Any, *said: str) -> None:
    files = [path for top in (here.path, here.cache) for path in top.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in files)
    assert {"evidence.json", "index.html", "junit.xml", "summary.md"} <= {
        path.name for path in files
    }
    for path in files:
        assert not [form for form in FORMS if form in text_of(path)], path
    assert not [form for form in FORMS if form in "".join(said)]


def sql(query: str) -> str:
    return (
        'path = "../../bolts"\nlayout = "sql"\nurl_env = "CATALOG_URL"\n'
        f'gallery_sql = "{SQL.format("gallery")}"\nqueries_sql = "{query}"'
    )


def photos(page: bytes) -> int:
    return page.count(b"data:image/jpeg;base64,")


def test_a_run_on_every_source_and_its_report(
    here: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shard(here)
    monkeypatch.setenv("CATALOG_URL", write_database(here))
    here.write("conftest.py", CONFTEST)
    manifest = 'path = "../../bolts/manifest.csv"'
    sector(
        here,
        plain=manifest,
        shards='path = "../../shards"\nlayout = "shards"\nshards = "catalog-{0000..0000}.tar"\n'
        'family = "family"\nconditions = ["light"]',
        memory=f'{manifest}\nstore = "memory://b"',
        local=f'{manifest}\nstore = "file://{here.path}/bolts"',
        database=sql(SQL.format("query")),
    )
    done = here.run("-p", "no:xdist")
    assert done.ret == 0
    evidence = here.evidence()
    measured = [json.dumps(pair["measurement"]) for pair in evidence["pairs"]]
    assert len(measured) == 5
    assert set(measured) == {measured[0]}
    assert {name: (one["files"], one["root"]) for name, one in evidence["datasets"].items()} == {
        "plain": ("", "bolts"),
        "shards": ("shards", "shards"),
        "memory": ("store", "memory://b"),
        "local": ("", "bolts"),
        "database": ("", "bolts"),
    }
    folder = here.path / "reports/run"
    # A store that is a folder leaves no path of this machine.
    assert str(here.path) not in (folder / "evidence.json").read_text()
    assert_no_secret(here, done.stdout.str(), done.stderr.str())
    pictures = {path.name: path.read_bytes() for path in (folder / "thumbnails").iterdir()}
    assert len(pictures) == 3 * len(set(pictures.values()))
    page = (folder / "index.html").read_bytes()
    shown = photos(page)
    assert shown > 30

    # Again, without a cache, from the evidence and what the images lie in.
    for gone in (here.path / "suites", folder / "thumbnails", here.cache):
        shutil.rmtree(gone)
    for path in (here.path / "bolts").glob("*.png"):
        fsspec.filesystem("memory").pipe_file(f"memory://b/{path.name}", path.read_bytes())
    assert main(["report", "reports/run"]) == 0
    assert (folder / "index.html").read_bytes() == page
    again = {path.name: path.read_bytes() for path in (folder / "thumbnails").iterdir()}
    assert again == pictures

    # A store in memory is gone with its process, a folder when it is removed: holes, no error.
    shutil.rmtree(folder / "thumbnails")
    fsspec.filesystem("memory").rm("/b", recursive=True)
    shutil.rmtree(here.path / "bolts")
    assert main(["report", "reports/run", "--kind", "html"]) == 0
    assert photos((folder / "index.html").read_bytes()) == shown // 5
    assert capsys.readouterr().err == ""


def test_a_database_that_refuses_gives_no_password_away(
    here: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATALOG_URL", write_database(here))
    monkeypatch.setenv("OTHER_URL", f"guarded://reader:{QUOTED}@db.example/no/such.db")
    here.write("conftest.py", CONFTEST)
    refused = sql(SQL.format("query")).replace("CATALOG_URL", "OTHER_URL")
    sector(
        here,
        plain='path = "../../bolts/manifest.csv"',
        wrong=sql("SELECT lumen FROM shots"),
        refused=refused,
    )
    done = here.run("-p", "no:xdist", "-l", "--tb=long", "-vv")
    assert done.ret == 1
    said = done.stdout.str() + done.stderr.str()
    assert "no such column: lumen" in said
    assert "unable to open database file" in said
    assert_no_secret(here, said)
