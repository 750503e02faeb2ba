"""The table of every rule that was held against a pair, or against a model on all datasets of a sector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_prodbench.report.annotations import PLACE
from pytest_prodbench.report.export.form import PAIR, Form, Row, fields

if TYPE_CHECKING:
    from pytest_prodbench.evidence.judgement import Check
    from pytest_prodbench.evidence.types import PairRecord, RunRecord

CHECKS = Form(
    "checks",
    (
        *PAIR,
        *(("place", "whole"), ("metric", "text"), ("what", "text"), ("severity", "text")),
        *(("bound", "text"), ("limit", "real"), ("confidence", "real"), ("value", "real")),
        *(("low", "real"), ("high", "real"), ("n", "whole"), ("detectable", "real")),
        *(("outcome", "text"), ("inconclusive", "text"), ("passed", "truth"), ("blocks", "truth")),
        *(("message", "text"), ("where", "text"), ("file", "text"), ("line", "whole")),
        *(("waiver_limit", "real"), ("waiver_reason", "text"), ("waiver_owner", "text")),
        *(("waiver_expires", "text"), ("waiver_where", "text")),
    ),
    ("sector", "model", "dataset", "place"),
)

_OWN = (
    *("model", "dataset", "metric", "what", "severity", "bound", "limit", "confidence", "value"),
    *("low", "high", "n", "detectable", "outcome", "inconclusive", "passed", "blocks"),
    *("message", "where"),
)


def judged(record: RunRecord, pairs: Sequence[PairRecord]) -> Iterator[tuple[Form, Iterator[Row]]]:
    """Give the table of this room."""
    yield CHECKS, _checks(record, pairs)


def _checks(record: RunRecord, pairs: Sequence[PairRecord]) -> Iterator[Row]:
    for pair in pairs:
        for place, check in enumerate(pair.checks, start=1):
            yield _check(check, pair.name, pair.sector, place)
    for sector, checks in record.sector_checks.items():
        for place, check in enumerate(checks, start=1):
            yield _check(check, None, sector, place)


def _check(check: Check, pair: str | None, sector: str, place: int) -> Row:
    found = PLACE.match(check.where)
    waiver = ("limit", "reason", "owner", "expires", "where")
    return {
        "pair": pair,
        "sector": sector,
        "place": place,
        **fields(check, _OWN),
        "file": found["file"] if found else None,
        "line": int(found["line"]) if found else None,
        **fields(check.waiver, waiver, "waiver_"),
    }
