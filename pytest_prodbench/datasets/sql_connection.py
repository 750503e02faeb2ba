"""A database, opened to read, with an address whose secrets are in no message.

Errors of drivers may quote the address. They are shown without what is secret in it, and not chained to
ours, because a traceback prints what it is chained to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import DatasetError, ProdbenchError

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

    from pytest_prodbench.settings.types import DatasetSpec

_INSTALL = "pip install 'pytest-prodbench[sql]'"
_FILES = {"sqlite": "SQLite", "duckdb": "DuckDB"}


@contextmanager
def connected(spec: DatasetSpec, root: Path, url: str, url_env: str) -> Iterator[Connection]:
    """Yield a connection that only reads; nothing is committed.

    Raises:
        DatasetError: the address is missing or none, its driver is not installed, nobody answers.
    """
    where = f"{spec.where}, {'url' if url else 'url_env'}"
    try:
        import sqlalchemy
    except ImportError as error:
        raise DatasetError(
            f"{spec.where}, layout", found="sqlalchemy is not installed", next_step=_INSTALL
        ) from error
    address = _placed(where, root, _address(where, url, url_env))
    try:
        with driver_errors(where, address):
            engine = sqlalchemy.create_engine(
                address, poolclass=sqlalchemy.NullPool, **_read_only(address)
            )
    except ImportError as error:
        raise DatasetError(
            where,
            found=f"{address.drivername}:// needs {error.name or 'a package'}, which is not installed",
            next_step=f"pip install {error.name}" if error.name else "install the driver",
        ) from None
    try:
        with driver_errors(where, address):
            connection = engine.connect()
        with connection:
            with driver_errors(where, address):
                _forbid_writing(connection)
            yield connection
            connection.rollback()
    finally:
        engine.dispose()


@contextmanager
def driver_errors(where: str, address: URL) -> Iterator[None]:
    """Turn whatever SQLAlchemy and drivers raise into our error, without secrets."""
    from sqlalchemy.exc import DBAPIError, NoSuchModuleError

    try:
        yield
    except (ProdbenchError, ImportError):
        raise
    except NoSuchModuleError:
        raise DatasetError(
            where,
            found=f"no driver of SQLAlchemy for {address.drivername}://",
            expected="such as sqlite://, postgresql+psycopg://",
            next_step="install the package that brings it (duckdb:// needs duckdb-engine)",
        ) from None
    except Exception as error:  # drivers raise what they like, some of it with the address inside
        # Without "[SQL: …]" and the link to SQLAlchemy's manual.
        cause = error.orig if isinstance(error, DBAPIError) else error
        text = _masked(str(cause) or type(cause).__name__, address)
        raise DatasetError(
            where,
            found=f"{shown_database(address)} answers: {text}",
            next_step="try the query in the database's own client",
        ) from None


def shown_database(address: URL) -> str:
    """Return an address for messages: no user, no password, no parameters."""
    host = address.host or ""
    database = address.database or ""
    if Path(database).is_absolute():
        database = shown(Path(database))
    return f"{address.drivername}://{host}/{database}"


def _address(where: str, url: str, url_env: str) -> URL:
    """Return the address; raises without quoting it."""
    from sqlalchemy.exc import ArgumentError

    if url_env and not os.environ.get(url_env):
        raise DatasetError(
            where,
            found=f"environment variable {url_env} is not set",
            expected="the address of the database for SQLAlchemy",
            next_step=f"export {url_env}=… where the tests run (a secret of the CI)",
        )
    from sqlalchemy import make_url

    try:
        address = make_url(url or os.environ[url_env])
    except (ArgumentError, ValueError):
        raise DatasetError(
            where,
            found="no address of a database",
            expected="driver://user@host/database, sqlite:///file.db",
        ) from None
    if url and (address.password is not None or address.query):
        raise DatasetError(
            where,
            found=f"{address.drivername}:// with a password or parameters",
            expected="none in a file that is checked in",
            next_step="put the whole address into an environment variable, name that with url_env",
        )
    return address


def _placed(where: str, root: Path, address: URL) -> URL:
    """Return the address with the absolute path of a database that is a file, which must exist."""
    kind = address.get_backend_name()
    if kind not in _FILES or not address.database or address.database.startswith(("file:", "md:")):
        return address
    path = root / Path(address.database).expanduser()
    if not path.is_file():
        # Or the driver would make an empty one.
        raise DatasetError(
            where,
            found=f"no file {shown(path)}",
            expected=f"a database of {_FILES[kind]}",
            next_step="name it relative to the dataset's path, or absolutely",
        )
    return address.set(database=str(path))


def _read_only(address: URL) -> dict[str, Any]:
    kind = address.get_backend_name()
    if kind == "duckdb" and address.database and address.database != ":memory:":
        return {"connect_args": {"read_only": True}}
    return {}


def _forbid_writing(connection: Connection) -> None:
    kind = connection.dialect.name
    if kind == "sqlite":
        connection.exec_driver_sql("PRAGMA query_only = ON")
    elif kind == "postgresql":
        # Of the transaction that this begins, in which both queries are asked.
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
    elif kind in {"mysql", "mariadb"}:
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
        connection.rollback()


def _masked(text: str, address: URL) -> str:
    """Return a text without what is secret in an address, as it is or quoted for an address."""
    secrets = {str(address.password)} if address.password else set()
    for value in address.query.values():
        secrets.update([value] if isinstance(value, str) else value)
    forms = {
        form for secret in secrets for form in (secret, quote(secret, safe=""), quote_plus(secret))
    }
    for form in sorted(forms - {""}, key=len, reverse=True):
        text = text.replace(form, "***")
    return text
