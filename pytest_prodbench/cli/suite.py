"""From the arguments of a command to suite and settings."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.files import load_bench_file, load_suite, project_table
from pytest_prodbench.settings.options import OPTIONS, resolve
from pytest_prodbench.settings.pythonpath import pythonpath
from pytest_prodbench.settings.types import RunSettings, Suite


@dataclass(frozen=True, slots=True)
class Opened:
    """What a command works on.

    Attributes:
        suite: models, sectors, datasets, rules.
        settings: how to run.
        project: the working directory; paths in the evidence are relative to it.
    """

    suite: Suite
    settings: RunSettings
    project: Path


def open_suite(given: argparse.Namespace) -> Opened:
    """Read the suite that a command was pointed at.

    Raises:
        SettingsError: nothing is there, or something in it is wrong.
    """
    project = Path.cwd()
    _follow_pythonpath(project)
    places = [Path(place) for place in given.places]
    if not places:
        places = [Path("suites") if Path("suites").is_dir() else Path()]
    for place in places:
        if not place.exists():
            raise SettingsError(
                str(place), found="nothing", expected="a suite folder or a TOML file"
            )
    table = project_table(project)
    defaults: dict[str, Any] = {} if table is None else table.run.model_dump()
    bench_files = [p for p in places if p.suffix == ".toml" and p.name != "sector.toml"]
    if bench_files:
        if len(places) > 1:
            raise SettingsError(
                str(bench_files[0]),
                found="a file with a whole suite, beside other places",
                expected="that file alone",
            )
        suite, run = load_bench_file(bench_files[0], project)
        defaults |= {key: value for key, value in run.model_dump().items() if value is not None}
    settings = _resolved(given, defaults, project)
    if not bench_files:
        suite = load_suite(places, project, models_files=settings.models_file)
        if not suite.sectors:
            raise SettingsError(
                ", ".join(map(str, places)),
                found="no sector.toml in it, above it, or up to two folders below it",
                expected="a suite",
                next_step="'prodbench init' writes a first one",
            )
    return Opened(suite, settings, project)


def without_suite(given: argparse.Namespace) -> Opened:
    """Return the settings of a command that needs no suite.

    Raises:
        SettingsError: an option, or pyproject.toml, is wrong.
    """
    project = Path.cwd()
    _follow_pythonpath(project)
    table = project_table(project)
    defaults: dict[str, Any] = {} if table is None else table.run.model_dump()
    return Opened(Suite(), _resolved(given, defaults, project), project)


def _follow_pythonpath(project: Path) -> None:
    """Let modules of the project be found as pytest finds them."""
    for folder in reversed(pythonpath(project)):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


def _resolved(given: argparse.Namespace, defaults: dict[str, Any], project: Path) -> RunSettings:
    merged = resolve(
        {option.key: getattr(given, option.key) for option in OPTIONS},
        os.environ,
        defaults,
        project=project,
        working_dir=project,
        prefix="--",
    )
    return RunSettings.checked(merged, prefix="--")
