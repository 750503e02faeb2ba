"""Which rows of a manifest a fix drops, and which it gives another value; a plan, nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_prodbench.doctor.positives import without_positive

if TYPE_CHECKING:
    from pytest_prodbench.doctor.examination import Examination
    from pytest_prodbench.doctor.finding import Edit, Finding, Row


@dataclass(frozen=True, slots=True)
class Plan:
    """What a new manifest is made by.

    Attributes:
        dropped: lines or rows that are left out.
        changed: line or row → our column → new value.
        applied: findings whose fix is among them.
        bereft: queries that the fixes leave without a positive; dropped too.
        left: findings that only a person can mend, or that wait for ``--confirm``.
    """

    dropped: frozenset[int]
    changed: dict[int, dict[str, str]]
    applied: tuple[Finding, ...]
    bereft: tuple[Row, ...]
    left: tuple[Finding, ...]


def plan(found: Examination, confirmed: Collection[str]) -> Plan:
    """Put the safe fixes together, and those that were confirmed; what is waived stays as it is.

    Args:
        found: what the doctor says.
        confirmed: ids of findings that a person looked at.
    """
    applied: list[Finding] = []
    left: list[Finding] = []
    bare: list[Finding] = []
    for finding in found.findings:
        mend = bool(finding.edits) and (finding.safe or finding.id in confirmed)
        if mend and finding.kind == "no-positive":
            bare.append(finding)
        else:
            (applied if mend else left).append(finding)
    dropped: set[int] = set()
    changed: dict[int, dict[str, str]] = {}
    for finding in applied:
        for edit in finding.edits:
            _apply(edit, dropped, changed)
    subject = found.facts.subject

    def lost() -> list[Row]:
        of = _mended(subject.rows, dropped, changed)
        pairs = without_positive(of, found.facts.photos, subject.answers, open_set=subject.open_set)
        return [query for query, _ in pairs]

    # Another fix may give a query its positive (one id instead of two), and so may one that waits.
    without = {query.number for query in lost()}
    product_of = {row.number: row.product_id for row in subject.rows}
    waiting = {
        product
        for finding in left
        for edit in finding.edits
        if edit.column == "product_id"
        for product in (edit.value, product_of.get(edit.number))
    }
    for finding in bare:
        number = finding.rows[0].number
        if finding.rows[0].product_id in waiting and finding.id not in confirmed:
            left.append(finding)
        elif number in without:
            applied.append(finding)
            dropped.add(number)
    # Those that had none before are findings of their own: open, confirmed or waived.
    before = {
        query.number
        for query, _ in without_positive(
            subject.rows, found.facts.photos, subject.answers, open_set=subject.open_set
        )
    }
    bereft: list[Row] = []
    for query in lost():
        if query.number and query.number not in before:
            dropped.add(query.number)
            bereft.append(query)
    changed = {number: values for number, values in changed.items() if number not in dropped}
    return Plan(frozenset(dropped), changed, tuple(applied), tuple(bereft), tuple(left))


def _apply(edit: Edit, dropped: set[int], changed: dict[int, dict[str, str]]) -> None:
    if edit.column:
        # One row in two leaks: the first group stands, and the second finding joins it below.
        changed.setdefault(edit.number, {}).setdefault(edit.column, edit.value)
    else:
        dropped.add(edit.number)


def _mended(
    rows: Sequence[Row], dropped: Collection[int], changed: dict[int, dict[str, str]]
) -> list[Row]:
    kept = []
    for row in rows:
        if row.number in dropped:
            continue
        values = changed.get(row.number, {})
        kept.append(
            replace(
                row,
                group=values.get("group", row.group),
                product_id=values.get("product_id", row.product_id),
            )
        )
    return kept
