"""Whether prodbench is wanted in this repository at all; the only thing that is asked everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_prodbench.settings.places import find_sector_files

if TYPE_CHECKING:
    from pytest_prodbench.plugin.session import ProdbenchSession

SESSION_KEY: pytest.StashKey[ProdbenchSession | None] = pytest.StashKey()
WORKER_INPUT = "prodbench"


def places(config: pytest.Config) -> list[Path]:
    """Return the files and folders that pytest was asked to collect from."""
    base = config.invocation_params.dir
    return [base / argument.partition("::")[0] for argument in config.args]


def session_of(config: pytest.Config) -> ProdbenchSession | None:
    """Return the state of this process; None where no ``sector.toml`` is near what is collected.

    Raises:
        pytest.UsageError: the configuration is wrong.
    """
    if SESSION_KEY not in config.stash:
        config.stash[SESSION_KEY] = None
        if _in_use(config):
            require_session(config)
    return config.stash[SESSION_KEY]


def require_session(config: pytest.Config) -> ProdbenchSession:
    """Return the state of this process, made even where no ``sector.toml`` was found."""
    found = config.stash.get(SESSION_KEY, None)
    if found is None:
        from pytest_prodbench.plugin.session import ProdbenchSession

        found = config.stash[SESSION_KEY] = ProdbenchSession(config)
    return found


def _in_use(config: pytest.Config) -> bool:
    """Cheap: a few looks at the disk, nothing heavy imported, TOML parsed only where it may matter."""
    if WORKER_INPUT in getattr(config, "workerinput", {}):
        return True
    if find_sector_files(places(config), config.rootpath):
        return True
    pyproject = config.rootpath / "pyproject.toml"
    try:
        text = pyproject.read_bytes()
    except OSError:
        return False
    if b"[tool.prodbench.sectors" in text:
        return True
    # The same table in another spelling: dotted keys, inline, quoted.
    return b"prodbench" in text and b"sectors" in text and _defines_sectors(text)


def _defines_sectors(text: bytes) -> bool:
    import tomllib

    try:
        return "sectors" in tomllib.loads(text.decode("utf-8"))["tool"]["prodbench"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
