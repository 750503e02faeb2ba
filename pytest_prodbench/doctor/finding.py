"""What the doctor says: one finding, the rows that it is about, and what would mend them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_prodbench.protocol import Box

Severity = Literal["finding", "note"]
"""A finding makes a benchmark lie and fails; a note is worth knowing."""

Key = tuple[str, Box | None]
"""What a picture is known by: path of its image, and the part of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a dataset.

    Attributes:
        role: ``query`` or ``gallery``.
        image, product_id, box, group, family: as in ``ImageTable``.
        source, unit, number: where it stands; number 0 where rows have none.
    """

    role: str
    image: str
    product_id: str
    box: Box | None = None
    group: str = ""
    family: str = ""
    source: str = ""
    unit: str = ""
    number: int = 0

    @property
    def key(self) -> Key:
        """Its picture."""
        return self.image, self.box

    @property
    def name(self) -> str:
        """What a message calls it: ``manifest.csv line 7 (query 'a.jpg' of product '007')``."""
        what = f"{self.role} {self.image!r} of product {self.product_id!r}"
        return f"{self.source} {self.unit} {self.number} ({what})" if self.number else what


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a manifest.

    Attributes:
        number: line or row.
        column: ours (``group``, ``product_id``) that gets a value; empty: the row is dropped.
        value: what it gets.
    """

    number: int
    column: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault of a dataset.

    Attributes:
        kind: name of the rule: ``near-duplicate``.
        severity: whether it fails.
        told: what was found, in a sentence with its numbers.
        fix: what a reader can do.
        rows: those that it is about; the page shows the pictures of the first ones.
        subject: what makes it this one and no other, free of line numbers.
        numbers: what was measured.
        edits: what ``dataset fix`` would change; none where only a person can.
        safe: the edits lose nothing that a person would have to decide on.
        pictured: show its pictures side by side.
    """

    kind: str
    severity: Severity
    told: str
    fix: str
    rows: tuple[Row, ...] = ()
    subject: tuple[str, ...] = ()
    numbers: Mapping[str, float | int | str] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    safe: bool = False
    pictured: bool = False

    @property
    def id(self) -> str:
        """Name that stays the same from run to run: kind, and a digest of its subject."""
        parts: Sequence[object] = self.subject or sorted(
            [row.role, row.image, row.box, row.product_id] for row in self.rows
        )
        text = json.dumps([self.kind, parts], ensure_ascii=True)
        return f"{self.kind}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def drop(*rows: Row) -> tuple[Edit, ...]:
    """Return the edits that take rows out; none if a row stands in no numbered place."""
    return tuple(Edit(row.number) for row in rows) if all(row.number for row in rows) else ()
