"""``pythonpath`` of pytest's configuration, for commands that run without pytest.

Found as pytest finds it ("Initialization: determining rootdir and configuration file" of its documentation):
the first of its files in the working directory, then in the folders above.
"""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path
from typing import Any

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.files import shown_path
from pytest_prodbench.settings.tables import read_toml

TABLES = {
    "pytest.toml": ("pytest",),
    ".pytest.toml": ("pytest",),
    "pytest.ini": ("pytest",),
    ".pytest.ini": ("pytest",),
    "pyproject.toml": ("tool.pytest", "tool.pytest.ini_options"),
    "tox.ini": ("pytest",),
    "setup.cfg": ("tool:pytest",),
}
"""Files of pytest in its order, and the tables of theirs that are its."""

COUNT_WHEN_EMPTY = frozenset(name for name in TABLES if "pytest" in name)
"""Those that are pytest's even where they hold no such table."""


def pythonpath(project: Path) -> list[Path]:
    """Return the folders that pytest would put in front of Python's path.

    Args:
        project: the working directory.

    Raises:
        SettingsError: the file that decides cannot be read, or its pythonpath is no list of paths.
    """
    for folder in (project, *project.parents):
        for name, tables in TABLES.items():
            path = folder / name
            if not path.is_file():
                continue
            shown = shown_path(path, project)
            found = _tables(path, shown, tables)
            if found is not None:
                return [folder / entry for entry in _entries(found.get("pythonpath", []), shown)]
            if name in COUNT_WHEN_EMPTY:
                return []
    return []


def _tables(path: Path, shown: str, names: tuple[str, ...]) -> dict[str, Any] | None:
    """All keys of pytest's tables in one file; None where it has none of them."""
    if path.suffix == ".toml":
        whole = read_toml(path, shown)
        found = [_at(whole, name.split(".")) for name in names]
    else:
        # No interpolation: a percent sign is one in pytest's own reading.
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(path.read_text(encoding="utf-8"))
        except (configparser.Error, UnicodeDecodeError, OSError) as error:
            told = " ".join(str(error).split())
            raise SettingsError(
                shown, found=f"cannot be read: {told}", expected="an INI file of pytest in UTF-8"
            ) from error
        found = [dict(parser[name]) if parser.has_section(name) else None for name in names]
    known = [table for table in found if table is not None]
    return {key: value for table in known for key, value in table.items()} if known else None


def _at(table: Any, keys: list[str]) -> dict[str, Any] | None:
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else None


def _entries(value: object, shown: str) -> list[str]:
    try:
        entries = shlex.split(value) if isinstance(value, str) else value
    except ValueError:  # a quotation mark that nothing closes
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise SettingsError(
            shown, found=f"pythonpath is {value!r}", expected="paths, as pytest has them"
        )
    return entries
