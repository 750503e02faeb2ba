"""Layout ``sql``: what a database answers, as rows; and what it must not give away or be asked."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import traceback
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from dataset_builders import opened, write_images
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from pytest_prodbench.datasets import sql, sql_connection
from pytest_prodbench.datasets.sql_values import BadValueError, product_text, value_text
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError

SECRET = "pl4nted/p@ss word"  # noqa: S105 - searched for below
QUOTED = "pl4nted%2Fp%40ss%20word"

TABLE = (
    "CREATE TABLE shots (image VARCHAR, sku VARCHAR, role VARCHAR, kind VARCHAR, box VARCHAR, "
    "burst VARCHAR, light VARCHAR, lux INTEGER)"
)
ROWS: Sequence[tuple[Any, ...]] = (
    ("b.png", "007", "gallery", "bolt", None, None, None, 300),
    ("a.png", "4006381333931", "gallery", None, "1 1 4 4", "s1", "day", None),
    ("c.png", "007", "query", "bolt", None, "s1", "50% :dim", 20),
    ("d.png", "4006381333931", "query", None, None, None, "", 40),
)
SELECT = (
    'SELECT image, sku AS product_id, kind AS family, box AS bbox, burst AS "group", light, lux '
    "FROM shots WHERE role = '{}'"
)
QUESTIONS = {"queries_sql": SELECT.format("query"), "gallery_sql": SELECT.format("gallery")}


def write_sqlite(path: Path, rows: Sequence[tuple[Any, ...]] = ROWS) -> dict[str, Any]:
    with sqlite3.connect(path) as database:
        database.execute(TABLE)
        database.executemany(f"INSERT INTO shots VALUES ({','.join('?' * 8)})", rows)  # noqa: S608
    database.close()
    return {"url": f"sqlite:///{path.name}", **QUESTIONS}


def write_duckdb(path: Path, rows: Sequence[tuple[Any, ...]] = ROWS) -> dict[str, Any]:
    with duckdb.connect(path) as database:
        database.execute(TABLE)
        database.executemany(f"INSERT INTO shots VALUES ({','.join('?' * 8)})", list(rows))  # noqa: S608
    return {"url": f"duckdb:///{path.name}", **QUESTIONS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path, "a.png", "b.png", "c.png", "d.png")
    return tmp_path


def error(folder: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        opened(folder, "sql", check=False, options=options)
    assert not isinstance(caught.value, ProblemList)
    return str(caught.value)


def problems(folder: Path, **options: Any) -> tuple[str, ...]:
    with pytest.raises(ProblemList) as caught:
        opened(folder, "sql", check=False, options=options)
    return caught.value.problems


@pytest.mark.parametrize(("write", "name"), [(write_sqlite, "c.db"), (write_duckdb, "c.duckdb")])
def test_the_rows_of_a_database(
    folder: Path, write: Callable[..., dict[str, Any]], name: str
) -> None:
    options = write(folder / name)
    before = (folder / name).read_bytes()
    dataset = opened(folder, "sql", options=options)
    assert dataset.gallery.images == ("a.png", "b.png")
    assert dataset.gallery.product_ids == ("4006381333931", "007")
    assert dataset.gallery.families == ("", "bolt")
    assert dataset.gallery.boxes == ((1, 1, 4, 4), None)
    assert dataset.gallery.groups == ("s1", "")
    assert dataset.gallery.conditions == {"light": ("day", ""), "lux": ("", "300")}
    assert dataset.queries.conditions == {"light": ("50% :dim", ""), "lux": ("20", "40")}
    assert dataset.root == folder.resolve()
    assert "two SQL queries" in dataset.protocol_note
    assert (folder / name).read_bytes() == before


def test_sql_from_files_with_percent_colon_and_comment(folder: Path) -> None:
    options = write_sqlite(folder / "c.db")
    below = folder / "sql"
    below.mkdir()
    (below / "photos.sql").write_text(
        "\ufeff-- the returns desk\n/* 100 % */ WITH x AS (SELECT * FROM shots)\n"
        "SELECT image, sku AS product_id, ' :a %s %' AS remark FROM x WHERE role = 'query';\n",
        encoding="utf-8",
    )
    dataset = opened(folder, "sql", options=options | {"queries_sql": "sql/photos.sql"})
    assert dataset.queries.conditions["remark"] == (" :a %s %", " :a %s %")
    assert dataset.gallery.conditions["remark"] == ("", "")
    assert "photo.sql" in error(folder, **options | {"queries_sql": "photo.sql"})


def test_an_order_that_nobody_asked_for_changes_nothing(folder: Path) -> None:
    options = write_sqlite(folder / "c.db")
    first = opened(folder, "sql", options=options)
    turned = {key: f"{QUESTIONS[key]} ORDER BY image DESC" for key in QUESTIONS}
    assert opened(folder, "sql", options=options | turned) == first


def test_rows_come_in_batches(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "BATCH", 3)
    options = write_sqlite(folder / "c.db")
    sizes: list[int] = []
    take = sql._Reader._batches

    def counted(self: Any, connection: Any, statement: str) -> Any:
        for batch in take(self, connection, statement):
            sizes.append(len(batch))
            yield batch

    monkeypatch.setattr(sql._Reader, "_batches", counted)
    many = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8) "
        "SELECT 'g' || i AS image, i AS product_id FROM n"
    )
    query = "SELECT 'q' AS image, 8 AS product_id"
    dataset = opened(
        folder, "sql", check=False, options=options | {"gallery_sql": many, "queries_sql": query}
    )
    assert sizes == [1, 3, 3, 2]
    assert dataset.gallery.product_ids == tuple("12345678")


def test_notes_are_no_conditions(folder: Path) -> None:
    options = write_sqlite(folder / "c.db")
    assert set(opened(folder, "sql", options=options | {"notes": ["lux"]}).queries.conditions) == {
        "light"
    }
    assert "no column 'luxx'" in error(folder, **options, notes=["luxx"])


def test_what_is_wrong_with_rows_is_named_together(folder: Path) -> None:
    rows = [
        *ROWS,
        ("/abs.png", "1", "gallery", None, None, None, None, None),
        ("e.png", None, "gallery", None, None, None, None, None),
        ("f.png", " 1", "gallery", None, "1 2", None, None, None),
        (None, "1", "query", None, None, None, None, None),
    ]
    found = problems(folder, **write_sqlite(folder / "c.db", rows))
    assert len(found) == 4
    assert found[0].startswith("queries_sql row 3: image path is empty")
    assert "gallery_sql row 3: path '/abs.png' is absolute" in found[1]
    assert found[2] == "gallery_sql row 4: product_id is NULL"
    assert found[3].startswith("gallery_sql row 5: product_id ' 1' begins")
    assert "bbox '1 2' is not four numbers" in found[3]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("7.0", "product_id is the floating-point number 7.0"),
        ("CAST('7' AS DOUBLE PRECISION)", "floating-point number 7.0"),
    ],
)
def test_a_product_id_that_is_a_float_is_refused(folder: Path, column: str, text: str) -> None:
    options = write_sqlite(folder / "c.db")
    message = error(
        folder, **options | {"gallery_sql": f"SELECT 'a' AS image, {column} AS product_id"}
    )
    assert "gallery_sql row 1" in message
    assert text in message


def test_decimals_of_duckdb(folder: Path) -> None:
    options = write_duckdb(folder / "c.duckdb")
    whole = "SELECT 'a' AS image, CAST(4006381333931 AS DECIMAL(20, 0)) AS product_id, [1, 2, 3, 4] AS bbox"
    query = "SELECT 'q' AS image, 4006381333931::HUGEINT AS product_id"
    dataset = opened(
        folder, "sql", check=False, options=options | {"gallery_sql": whole, "queries_sql": query}
    )
    assert dataset.gallery.product_ids == dataset.queries.product_ids == ("4006381333931",)
    assert dataset.gallery.boxes == ((1, 2, 3, 4),)
    parts = "SELECT 'a' AS image, 7.10 AS product_id"
    assert "with decimals" in error(folder, **options | {"gallery_sql": parts})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (3, "3"),
        (0.5, "0.5"),
        (float("nan"), ""),
        (Decimal("1.50"), "1.50"),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 2, 29, 12, 30), "2024-02-29 12:30:00"),
        ([1, 2.5], "1 2.5"),
        ("größe", "größe"),
    ],
)
def test_values(value: Any, text: str) -> None:
    assert value_text("light", value) == text


@pytest.mark.parametrize("value", [b"7", True, [1], "\ud800"])
def test_values_that_are_no_product_id(value: Any) -> None:
    with pytest.raises(BadValueError):
        product_text(value)


@pytest.mark.parametrize("value", [b"7", {"a": 1}, ["a"]])
def test_values_without_a_text(value: Any) -> None:
    with pytest.raises(BadValueError, match="light is of type"):
        value_text("light", value)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("SELECT image FROM shots", "no column 'product_id' among 'image'"),
        ("SELECT 1 AS product_id", "no column 'image'"),
        ("SELECT 'a' AS image, 'b' AS image, 'x' AS product_id", "two columns called 'image'"),
        ("SELECT image, sku AS product_id, role FROM shots", "a column 'role'"),
        ("SELECT lumen FROM shots", "no such column: lumen"),
        ("SELEC image", "SQL that begins with 'SELEC image'"),
        ("DELETE FROM shots", "a dataset only reads"),
        ("DROP TABLE shots", "a dataset only reads"),
        ("-- x", "a dataset only reads"),
    ],
)
def test_questions_that_cannot_be_asked(folder: Path, query: str, text: str) -> None:
    message = error(folder, **write_sqlite(folder / "c.db") | {"queries_sql": query})
    assert "sector.toml [clips], queries_sql: " in message
    assert text in message


@pytest.mark.parametrize(("write", "name"), [(write_sqlite, "c.db"), (write_duckdb, "c.duckdb")])
def test_writing_is_refused_by_the_database_too(
    folder: Path, write: Callable[..., dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = write(folder / name)
    monkeypatch.setattr(sql, "_statement", lambda spec, root, key, text: text)
    before = (folder / name).read_bytes()
    message = error(
        folder, **options | {"queries_sql": "DELETE FROM shots RETURNING image, sku AS product_id"}
    )
    assert "read" in message
    assert (folder / name).read_bytes() == before


@pytest.mark.parametrize(
    ("dialect", "said"),
    [
        ("postgresql", ["SET TRANSACTION READ ONLY"]),
        ("mysql", ["SET SESSION TRANSACTION READ ONLY", "rollback"]),
        ("mariadb", ["SET SESSION TRANSACTION READ ONLY", "rollback"]),
        ("other", []),
    ],
)
def test_servers_are_told_to_refuse_writing(dialect: str, said: list[str]) -> None:
    found: list[str] = []
    connection = SimpleNamespace(
        dialect=SimpleNamespace(name=dialect),
        exec_driver_sql=found.append,
        rollback=lambda: found.append("rollback"),
    )
    sql_connection._forbid_writing(connection)  # type: ignore[arg-type]
    assert found == said


@pytest.mark.parametrize("url", ["sqlite:///none.db", "duckdb:///none.db"])
def test_no_empty_database_is_made(folder: Path, url: str) -> None:
    assert "none.db; expected a database of" in error(folder, url=url, **QUESTIONS)
    assert not (folder / "none.db").exists()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("nonsense", "no address of a database"),
        ("nodialect://host/db", "no driver of SQLAlchemy for nodialect://"),
        ("postgresql+psycopg://host/db", "needs psycopg, which is not installed"),
    ],
)
def test_addresses(folder: Path, url: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert text in error(folder, url=url, **QUESTIONS)
    monkeypatch.setenv("CATALOG_URL", url)
    assert text in error(folder, url_env="CATALOG_URL", **QUESTIONS)


def test_a_file_that_is_no_database(folder: Path) -> None:
    (folder / "c.db").write_text("no database at all, but long enough to have a header" * 40)
    assert "file is not a database" in error(folder, url="sqlite:///c.db", **QUESTIONS)
    message = error(folder, url="duckdb:///c.db", **QUESTIONS)
    assert "duckdb" in message


@pytest.mark.parametrize("more", [{}, {"url": f"sqlite://u:{QUOTED}@", "url_env": "X"}])
def test_one_address(folder: Path, more: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="options: state url or url_env") as caught:
        opened(folder, "sql", options={**QUESTIONS, **more})
    assert not leaks(str(caught.value))


def test_an_address_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = write_sqlite(folder / "c.db")
    monkeypatch.delenv("CATALOG_URL", raising=False)
    del options["url"]
    options["url_env"] = "CATALOG_URL"
    assert "environment variable CATALOG_URL is not set" in error(folder, **options)
    monkeypatch.setenv("CATALOG_URL", f"sqlite:///{folder / 'c.db'}")
    assert len(opened(folder, "sql", options=options).queries) == 2


class GuardedDialect(SQLiteDialect_pysqlite):
    """SQLite behind an address with user and password, as a server has; needs no server."""

    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        return sqlite3

    def create_connect_args(self, url: Any) -> Any:
        if url.password != SECRET:
            raise AssertionError("the test's password did not arrive")
        if url.database == "refused":
            raise sqlite3.OperationalError(
                f"cannot log in with {SECRET} ({url.password}, {QUOTED})"
            )
        return ([f"/{url.database}"], {"check_same_thread": False})


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | str], None]:
    registry.register("guarded", __name__, "GuardedDialect")

    def point_to(database: Path | str) -> None:
        name = str(database).lstrip("/")
        monkeypatch.setenv(
            "CATALOG_URL", f"guarded://reader:{QUOTED}@db.example/{name}?token=t0psecret"
        )

    return point_to


def leaks(text: str) -> list[str]:
    return [form for form in (SECRET, QUOTED, "pl4nted", "t0psecret") if form in text]


def test_a_password_is_in_no_message(folder: Path, guarded: Callable[[Path | str], None]) -> None:
    write_sqlite(folder / "c.db")
    guarded(folder / "c.db")
    options: dict[str, Any] = {"url_env": "CATALOG_URL", **QUESTIONS}
    dataset = opened(folder, "sql", options=options)
    assert len(dataset.queries) == 2
    assert not leaks(repr(dataset))
    for database, wrong in (
        ("refused", {}),
        (folder / "c.db", {"queries_sql": "SELECT nothing"}),
        (folder / "c.db", {"queries_sql": f"SELECT [{SECRET}]"}),
        (folder / "none" / "c.db", {}),
    ):
        guarded(database)
        with pytest.raises(DatasetError) as caught:
            opened(folder, "sql", options=options | wrong)
        text = "".join(traceback.format_exception(caught.value))
        assert not leaks(text.replace(f"SELECT [{SECRET}]", ""))
        assert "db.example" in text or "guarded" in text


def test_a_password_in_a_file_is_refused_and_not_repeated(folder: Path) -> None:
    for url in (f"sqlite://reader:{QUOTED}@/c.db", "duckdb:///c.db?token=t0psecret"):
        message = error(folder, url=url, **QUESTIONS)
        assert "url_env" in message
        assert not leaks(message)


def test_what_is_masked() -> None:
    import sqlalchemy

    address = sqlalchemy.make_url(f"guarded://reader:{QUOTED}@db.example/x?token=t0psecret")
    assert not leaks(sql_connection.shown_database(address))
    assert not leaks(sql_connection._masked(f"{SECRET} {QUOTED} t0psecret", address))
    assert os.sep in str(sql_connection.shown_database(address))
