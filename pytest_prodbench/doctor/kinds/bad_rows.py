"""``bad-row``: a row that the layout cannot read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Edit, Finding

if TYPE_CHECKING:
    from pytest_prodbench.doctor.facts import Facts

_NUMBERED = re.compile(r" (?:line|row) (\d+)(?=[: ])")


def find(facts: Facts) -> list[Finding]:
    """Return each problem that the layout has with its rows; such a dataset does not open."""
    return [
        Finding(
            kind="bad-row",
            severity="finding",
            told=problem,
            fix="correct the row; or take it out with --confirm",
            subject=(_NUMBERED.sub("", problem, count=1),),
            edits=tuple(Edit(int(number)) for number in _NUMBERED.findall(problem)[:1]),
        )
        for problem in facts.subject.problems
    ]
