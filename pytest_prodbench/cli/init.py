"""``prodbench init``: a first suite in a team's own repository."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.tables import check_name

SECTORS = ("manufacturing", "automotive", "diy", "retail")


def init(folder: str, sectors: list[str] | None) -> int:
    """Write ``models.toml`` and, for each sector, ``sector.toml`` and its test.

    Raises:
        SettingsError: a file is there already (nothing is written then), or a name cannot be used.
    """
    names = sectors or list(SECTORS)
    for name in names:
        check_name("sector", name, f"--sector {name}")
    templates = files("pytest_prodbench.cli") / "templates"
    root = Path(folder)
    planned = {root / "models.toml": (templates / "models.toml.txt").read_text("utf-8")}
    for name in names:
        sector = (templates / "sector.toml.txt").read_text("utf-8")
        test = (templates / "test_sector.py.txt").read_text("utf-8")
        planned[root / name / "sector.toml"] = sector.replace("SECTOR", name)
        module = "".join(c if c.isalnum() else "_" for c in name)
        planned[root / name / f"test_{module}.py"] = test
    there = [str(path) for path in planned if path.exists()]
    if there:
        raise SettingsError(
            ", ".join(there), found="a file that is there already", expected="a new suite"
        )
    for path, text in planned.items():
        atomic_write_text(path, text)
        print(path)
    print(
        f"\nNow put each sector's photos where its sector.toml says, then: pytest {folder} -n auto"
    )
    return 0
