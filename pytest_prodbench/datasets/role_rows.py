"""Rows of one role, checked as those of a manifest are, kept column by column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pytest_prodbench.datasets.manifest_roles import parse_box
from pytest_prodbench.datasets.paths import all_plain, image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem
from pytest_prodbench.protocol import Box, ImageTable


class RoleRows:
    """Collects the images of one role; ``problems`` says what is wrong with rows that it left out.

    Args:
        conditions: names of the columns that say how a photo was taken.
    """

    def __init__(self, conditions: Sequence[str] = ()) -> None:
        self._images: list[str] = []
        self._products: list[str] = []
        self._families: list[str] = []
        self._groups: list[str] = []
        self._boxes: list[Box | None] = []
        self._known_boxes: dict[str, Box | None] = {"": None}
        self._conditions: dict[str, list[str]] = {name: [] for name in conditions}
        self._numbers: list[int] = []
        self.problems: list[str] = []

    def add(self, row: Mapping[str, str], *, where: str, number: int = 0) -> None:
        """Take a row, or say what is wrong with it; ``where`` is what a message calls it."""
        image, product, bbox = row["image"], row["product_id"], row.get("bbox", "")
        wrong = [
            reason for reason in (image_path_problem(image), product_id_problem(product)) if reason
        ]
        box: Box | None = None
        if bbox:
            try:
                box = parse_box(bbox)
            except ValueError as error:
                wrong.append(f"bbox {bbox!r} {error}")
        if wrong:
            self.problems.append(f"{where}: {'; '.join(wrong)}")
            return
        self._images.append(image_path(image))
        self._products.append(product)
        self._families.append(row.get("family", ""))
        self._groups.append(row.get("group", ""))
        self._boxes.append(box)
        for name, column in self._conditions.items():
            column.append(row.get(name, ""))
        self._numbers.append(number)

    def extend(
        self, columns: Mapping[str, Sequence[str]], *, first: int, where: Callable[[int], str]
    ) -> None:
        """Take many rows, as ``add`` would; ``first`` is the number of the first."""
        images, products = columns["image"], columns["product_id"]
        blank = ("",) * len(images)
        plain = all_plain(images)
        if (
            not (plain or not any(map(image_path_problem, images)))
            or any(map(product_id_problem, set(products)))
            or (boxes := self._parsed(columns.get("bbox", blank))) is None
        ):
            names = list(columns)
            for number, row in enumerate(zip(*columns.values(), strict=True), first):
                self.add(dict(zip(names, row, strict=True)), where=where(number), number=number)
            return
        self._images += images if plain else map(image_path, images)
        self._products += products
        self._families += columns.get("family", blank)
        self._groups += columns.get("group", blank)
        self._boxes += boxes
        for name, column in self._conditions.items():
            column.extend(columns.get(name, blank))
        self._numbers += range(first, first + len(images))

    def _parsed(self, texts: Sequence[str]) -> list[Box | None] | None:
        """Return the boxes of texts, None for one that is not stated; None for all if one is wrong."""
        known = self._known_boxes
        try:
            known |= {text: parse_box(text) for text in {*texts} - known.keys()}
        except ValueError:
            return None
        return list(map(known.__getitem__, texts))

    def table(self, conditions: Sequence[str]) -> tuple[ImageTable, tuple[int, ...]]:
        """Return the rows and their numbers, sorted: a source without an order gives one table always."""
        order = self._order()
        blank = ("",) * len(order)

        def sorted_(column: Sequence[str]) -> tuple[str, ...]:
            return tuple(map(column.__getitem__, order))

        table = ImageTable(
            images=sorted_(self._images),
            product_ids=sorted_(self._products),
            families=sorted_(self._families),
            groups=sorted_(self._groups),
            boxes=tuple(map(self._boxes.__getitem__, order)),
            conditions={
                name: sorted_(self._conditions[name]) if name in self._conditions else blank
                for name in conditions
            },
        )
        return table, tuple(map(self._numbers.__getitem__, order))

    def _order(self) -> list[int]:
        """By image, product and box; the sort is stable, so the last key goes first."""
        order = list(range(len(self._images)))
        if len(set(self._images)) < len(order):
            order.sort(key=lambda i: self._boxes[i] or ())
            order.sort(key=self._products.__getitem__)
        order.sort(key=self._images.__getitem__)
        return order
