"""Which dataset a command means: one of the suite by its name, or one at a path."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_prodbench.cli.dataset_init import MANIFEST
from pytest_prodbench.cli.suite import Opened, open_suite, without_suite
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.files import unknown_name
from pytest_prodbench.settings.types import DatasetSpec, SectorSpec


@dataclass(frozen=True, slots=True)
class Named:
    """A dataset that a command was pointed at.

    Attributes:
        spec: what to open.
        opened: the suite and how to run; an empty suite for a path.
        sector: that owns the dataset; None for a path.
    """

    spec: DatasetSpec
    opened: Opened
    sector: SectorSpec | None = None


def is_path(name: str) -> bool:
    """Say whether a name is a path: a folder beside is often called like a dataset, ``./bolts`` is none."""
    return "/" in name or Path(name).expanduser().is_file()


def has_suite(given: argparse.Namespace) -> bool:
    """Say whether the command was given a suite, or stands in one."""
    return bool(given.places) or any(Path().glob("sector.toml")) or Path("suites").is_dir()


def dataset_named(given: argparse.Namespace, name: str, *, open_set: bool, asked_by: str) -> Named:
    """Return what a name or path means.

    Args:
        given: with ``layout`` and ``option`` of a path, places and options of a run.
        name: as it was typed.
        open_set: of a path.
        asked_by: the command, for messages.

    Raises:
        SettingsError: neither is there, options of a path with a name, or the suite is wrong.
    """
    path = Path(name).expanduser()
    if not is_path(name):
        opened = open_suite(given) if has_suite(given) else without_suite(given)
        specs = {
            known: (spec, sector)
            for sector in opened.suite.sectors.values()
            for known, spec in sector.datasets.items()
        }
        if name in specs or not path.exists():
            if given.option or given.layout:
                raise SettingsError(
                    asked_by,
                    found=f"--layout or --set with {name!r}, which is no path",
                    next_step="a dataset of the suite has its options in its sector.toml; a folder is "
                    f"./{name}",
                )
            if name not in specs:
                raise unknown_name("dataset", name, list(specs), f"no such path either; {asked_by}")
            return Named(specs[name][0], opened, specs[name][1])
    if not given.layout and (path / MANIFEST).is_file():
        path /= MANIFEST
    place = path.resolve()
    spec = DatasetSpec(
        # Of ever so many manifest.csv the folder tells which.
        name=place.parent.name if place.stem == Path(MANIFEST).stem else place.stem,
        layout=given.layout or ("folder" if path.is_dir() else "manifest"),
        path=place,
        open_set=open_set,
        options=_options(given.option),
        where=asked_by,
    )
    return Named(spec, without_suite(given))


def _options(stated: Sequence[str]) -> dict[str, Any]:
    """Read ``KEY = VALUE`` as in ``sector.toml``; a word alone is text."""
    options: dict[str, Any] = {}
    for text in stated:
        key, sign, value = text.partition("=")
        if not sign:
            raise SettingsError("--set", found=f"{text!r}", expected="KEY=VALUE, as_of=2026-11-01")
        try:
            options |= tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            options[key.strip()] = value.strip()
    return options
