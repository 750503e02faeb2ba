"""``no-positive``: a query that no gallery image can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.doctor.finding import Finding, drop
from pytest_prodbench.doctor.positives import without_positive

if TYPE_CHECKING:
    from pytest_prodbench.doctor.facts import Facts


def find(facts: Facts) -> list[Finding]:
    """Return each query whose positives are absent, or are all excluded as its own photo."""
    subject = facts.subject
    found = []
    for query, excluded in without_positive(
        subject.rows, facts.photos, subject.answers, open_set=subject.open_set
    ):
        reason = (
            f"its {excluded} gallery {'image is' if excluded == 1 else 'images are'} its own file, pixels or "
            "exclusion group"
            if excluded
            else "its product is not in the gallery"
        )
        found.append(
            Finding(
                kind="no-positive",
                severity="finding",
                told=f"{query.name} has no positive: {reason}",
                fix="add a gallery image of the product, take the query out, or declare open_set = true "
                "if it is absent on purpose",
                rows=(query,),
                numbers={"excluded": excluded},
                edits=drop(query),
                safe=True,
            )
        )
    return found
