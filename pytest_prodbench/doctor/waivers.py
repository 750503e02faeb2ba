"""Findings that somebody looked at and answers for, until a day: ``doctor.toml``."""

from __future__ import annotations

import datetime as dt
import tomllib
from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.frozen import Frozen

if TYPE_CHECKING:
    from pathlib import Path


class WaivedFinding(Frozen):
    """One waiver.

    Attributes:
        id: of the finding, as the doctor prints it.
        reason: why it stays.
        owner: who answers for it.
        until: the last day on which it holds.
    """

    id: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    until: dt.date


class WaiverFile(Frozen):
    """The whole file."""

    waivers: tuple[WaivedFinding, ...] = ()


def read_waivers(path: Path) -> tuple[WaivedFinding, ...]:
    """Read a file of waivers.

    Raises:
        SettingsError: no such file, not TOML, an unknown or missing key, one id twice.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            shown(path), found=f"cannot be read as TOML: {error}", expected="[[waivers]] in UTF-8"
        ) from error
    try:
        entries = table.get("waivers", [])
        if isinstance(entries, list):
            table = {**table, "waivers": tuple(entries)}
        found = WaiverFile.model_validate(table).waivers
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors()
        )
        raise SettingsError(
            shown(path),
            found=wrong,
            expected="[[waivers]] with id, reason, owner and until (a date)",
        ) from None
    ids = [waiver.id for waiver in found]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise SettingsError(shown(path), found=f"two waivers of {id_!r}", expected="one")
    return found
