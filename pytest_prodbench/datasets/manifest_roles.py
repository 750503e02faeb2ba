"""Rows of a manifest → the tables of the two roles, and what is wrong with single rows.

Column by column, and each distinct value once: a million rows are checked in the time of a few passes.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import compress
from operator import and_

from pytest_prodbench.datasets.layout import Origin
from pytest_prodbench.datasets.manifest_columns import REQUIRED, ROLES
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.datasets.manifest_validity import is_valid, parse_day
from pytest_prodbench.datasets.paths import all_plain, image_path, image_path_problem
from pytest_prodbench.datasets.problems import brief, product_id_problem
from pytest_prodbench.errors import did_you_mean
from pytest_prodbench.protocol import Box, ImageTable


class RoleTables:
    """Sorts rows into the two roles and collects what is wrong with them."""

    def __init__(
        self,
        source: str,
        rows: Rows,
        *,
        sector: str,
        as_of: dt.date | None,
        conditions: Sequence[str],
        image_problem: Callable[[str], str | None] = image_path_problem,
    ) -> None:
        """Take the rows of a manifest.

        Args:
            source: name of the manifest, for messages.
            rows: with columns under our names.
            sector: that every row must be of which states one; ``""`` is any.
            as_of: day on which a row must be valid to be taken; None takes all.
            conditions: names of the columns that say how a photo was taken.
            image_problem: of a path in the image column; a plain one is asked only where this is not
                the default.
        """
        self._source, self._rows, self._conditions = source, rows, conditions
        self._as_of = as_of
        self._count = len(rows.numbers)
        self._image, self._product, self._role = (rows.columns[name] for name in REQUIRED)
        self._wrong: dict[int, list[str]] = {}
        self._boxes: dict[str, Box] = {}
        self._days: dict[str, dt.date | None] = {"": None}
        self._plain = all_plain(self._image)
        if not self._plain or image_problem is not image_path_problem:
            self._mark(self._image, image_problem)
        self._mark(self._product, product_id_problem)
        self._mark(self._role, _role_problem)
        if sector:
            self._mark(self._column("sector"), lambda stated: _sector_problem(stated, sector))
        self._mark(self._column("bbox"), self._box_problem)
        valid = None if as_of is None else self._valid(as_of)
        self._invalid = 0 if valid is None else valid.count(False)
        # Not a comprehension: of a million rows it would be half of this constructor.
        self._masks = {role: list(map(role.__eq__, self._role)) for role in ROLES}
        for mask in self._masks.values():
            if valid is not None:
                mask[:] = map(and_, mask, valid)
            for i in self._wrong:
                mask[i] = False

    @property
    def problems(self) -> list[str]:
        """One message a row, in the order of the rows; or that a day left nothing of a role."""
        rows = self._rows
        if not self._wrong:
            return [
                f"{self._source}: no {role} row is valid on {self._as_of}, of {self._role.count(role):,}"
                for role, mask in self._masks.items()
                if role in self._role and not any(mask)
            ]
        return [
            f"{self._source} {rows.unit} {rows.numbers[i]}: {'; '.join(self._wrong[i])}"
            for i in sorted(self._wrong)
        ]

    def validity_note(self) -> str:
        """Say for the report which rows the day left out."""
        return (
            f"Rows valid on {self._as_of} only, both days counted; {self._invalid:,} of {self._count:,} "
            "rows are not valid on that day and left out."
        )

    def table(self, role: str) -> ImageTable:
        """Return the rows of one role."""
        mask = self._masks[role]
        images: Iterable[str] = compress(self._image, mask)
        count = sum(mask)
        if not self._plain:
            images = map(image_path, images)
        blank = ("",) * count
        boxes: tuple[Box | None, ...] = (None,) * count
        if self._boxes:
            boxes = tuple(map(self._boxes.get, compress(self._column("bbox"), mask)))
        columns = self._rows.columns

        def taken(name: str) -> tuple[str, ...]:
            return tuple(compress(columns[name], mask)) if name in columns else blank

        return ImageTable(
            images=tuple(images),
            product_ids=taken("product_id"),
            families=taken("family"),
            groups=taken("group"),
            boxes=boxes,
            conditions={name: taken(name) for name in self._conditions},
        )

    def origin(self, role: str) -> Origin:
        """Return where the rows of one role stand in the manifest."""
        numbers = tuple(compress(self._rows.numbers, self._masks[role]))
        return Origin(self._source, self._rows.unit, numbers)

    def _column(self, name: str) -> Sequence[str]:
        return self._rows.columns.get(name) or ("",) * self._count

    def _mark(self, column: Sequence[str], problem_of: Callable[[str], str | None]) -> None:
        """Look at each distinct value once; remember the rows of those that are wrong."""
        bad = {value: problem for value in set(column) if (problem := problem_of(value))}
        if not bad:
            return
        for i, value in enumerate(column):
            if value in bad:
                self._wrong.setdefault(i, []).append(bad[value])

    def _box_problem(self, text: str) -> str | None:
        if not text:
            return None
        try:
            self._boxes[text] = parse_box(text)
        except ValueError as error:
            return f"bbox {brief(text)} {error}"
        return None

    def _valid(self, day: dt.date) -> list[bool]:
        since, until = self._column("valid_from"), self._column("valid_until")
        for name, column in (("valid_from", since), ("valid_until", until)):
            self._mark(column, partial(self._day_problem, name))
        answers: dict[tuple[str, str], bool] = {}
        behind: set[tuple[str, str]] = set()
        valid = []
        for i, days in enumerate(zip(since, until, strict=True)):
            if i not in self._wrong and days not in answers:
                first, last = self._days[days[0]], self._days[days[1]]
                answers[days] = is_valid(first, last, day)
                if first and last and first > last:
                    behind.add(days)
            # A row that is wrong is in no table anyway.
            valid.append(answers.get(days, True))
            if days in behind:
                reason = f"valid_from {days[0]} is behind valid_until {days[1]}"
                self._wrong.setdefault(i, []).append(reason)
        return valid

    def _day_problem(self, name: str, text: str) -> str | None:
        try:
            self._days[text] = parse_day(text)
        except ValueError as error:
            return f"{name} {brief(text)} {error}"
        return None


def _role_problem(role: str) -> str | None:
    if role in ROLES:
        return None
    return f"role {brief(role)}, expected query or gallery; {did_you_mean(role, ROLES)}"


def _sector_problem(stated: str, sector: str) -> str | None:
    if not stated or stated == sector:
        return None
    return (
        f"sector {brief(stated)}, but the dataset belongs to {sector!r}; "
        "select one with the option sector, or correct the row"
    )


def parse_box(text: str) -> Box:
    """Return the box of ``"x y width height"``: spaces, commas or semicolons between, in pixels.

    Raises:
        ValueError: not four finite numbers, a negative position, a size that is not positive.
    """
    parts = text.split()
    if len(parts) != 4 or "," in text or ";" in text:
        parts = [part for part in re.split(r"[\s,;]+", text) if part]
    try:
        x, y, width, height = (float(part) + 0.0 for part in parts)
    except ValueError:
        raise ValueError("is not four numbers x y width height") from None
    if not all(map(math.isfinite, (x, y, width, height))):
        raise ValueError("holds a number that is not finite")
    if width <= 0 or height <= 0:
        raise ValueError("has no area: width and height must be above 0")
    if x < 0 or y < 0:
        raise ValueError("begins outside the image: x and y must be 0 or more")
    return (x, y, width, height)
