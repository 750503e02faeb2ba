"""Workflow commands of GitHub Actions: a failed rule is shown in the file and line that demands it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_prodbench.errors import printable
from pytest_prodbench.report.sections import accepted, narrowed_away, reasons

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_prodbench.evidence.judgement import Check
    from pytest_prodbench.evidence.types import RunRecord

PLACE = re.compile(r"(?P<file>[^:]+\.toml):(?P<line>[0-9]+): ")
"""How a rule's place begins: ``suites/diy/sector.toml:8: …``."""


def in_workflow(record: RunRecord, environment: Mapping[str, str], project: Path) -> list[str]:
    """Return the commands in a workflow of GitHub Actions, and none elsewhere."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return []
    root = Path(environment.get("GITHUB_WORKSPACE") or project).resolve()
    inside = project.resolve().is_relative_to(root)
    return workflow_commands(
        record, project.resolve().relative_to(root).as_posix() if inside else ""
    )


def workflow_commands(record: RunRecord, folder: str = "") -> list[str]:
    """Return a command for each rule that is not met, each pair without a result, each warning.

    ``folder``: of the project in the repository, if it is not its root.
    """
    lines: list[str] = []
    away = set(narrowed_away(record))
    for pair in record.pairs:
        lines += _checks(pair.checks, folder)
        if not accepted(pair) and pair.name not in away and not any(c.blocks for c in pair.checks):
            lines += [_command("error", pair.name, reason, "") for reason in reasons(pair)]
    for checks in record.sector_checks.values():
        lines += _checks(checks, folder)
    return lines


def _checks(checks: list[Check], folder: str) -> Iterator[str]:
    for check in checks:
        tolerated = check.outcome == "inconclusive" and check.inconclusive == "warn"
        if check.severity == "info" or (check.passed and not tolerated):
            continue
        kind = "error" if check.blocks else "warning"
        place = PLACE.match(check.where)
        where = ""
        if place is not None:
            file = (PurePosixPath(folder) / place["file"]).as_posix()
            where = f"file={_property(file)},line={place['line']}"
        who = check.model if check.dataset is None else f"{check.model}:{check.dataset}"
        yield _command(kind, who, check.message, where)


def _command(kind: str, title: str, message: str, where: str) -> str:
    properties = ",".join(filter(None, (where, f"title={_property(title)}")))
    return f"::{kind} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return printable(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
