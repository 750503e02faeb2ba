"""Boxes of INSTRE's queries: corners or a corner with width and height, as the images themselves tell.

In ``x1 y1 x2 y2`` no x2 can lie left of x1 or outside the image; in ``x y width height`` no x + width can
lie outside. One box that breaks one reading decides for the other, if no box breaks that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pytest_prodbench.datasets.instre_truth import Truth
from pytest_prodbench.errors import DatasetError, ImageError
from pytest_prodbench.protocol import Box

Order = Literal["x1y1x2y2", "xywh"]
ORDERS: tuple[Order, ...] = ("x1y1x2y2", "xywh")

TOLERANCE = 1.0
"""Pixels by which an edge may lie outside its image: MATLAB counts pixels from 1."""

Numbers = tuple[float, float, float, float]


def query_boxes(
    images: Path, truth: Truth, order: Order | Literal["auto"], *, where: str
) -> tuple[list[Box], str]:
    """Return the box of each query, and what it was taken for, in words.

    Edges that lie outside by no more than a pixel are drawn in; what else is wrong with a box is told by
    the common check, which names the image.

    Raises:
        DatasetError: the order is to be found out, and the images do not tell it.
    """
    sizes = _sizes(images, truth.queries)
    said = "option box_order"
    if order == "auto":
        order = _order(truth, sizes, where)
        said = "as told by the sizes of the images"
    boxes = [
        _inside(_edges(box, order), size) for box, size in zip(truth.boxes, sizes, strict=True)
    ]
    return boxes, f"{order}, {said}"


def _sizes(images: Path, queries: tuple[str, ...]) -> list[tuple[int, int] | None]:
    """Return the size of each query from its header; None where it cannot be read."""
    from pytest_prodbench.datasets.decoding import read_header
    from pytest_prodbench.datasets.threads import for_each

    def size(image: str) -> tuple[int, int] | None:
        try:
            # No limit here: the common check has the user's, and names the image.
            return read_header(images / image, max_pixels=2**62)
        except ImageError:
            return None

    return for_each(queries, size)


def _order(truth: Truth, sizes: list[tuple[int, int] | None], where: str) -> Order:
    wrong = {
        order: [
            image
            for image, box, size in zip(truth.queries, truth.boxes, sizes, strict=True)
            if not _fits(_edges(box, order), size)
        ]
        for order in ORDERS
    }
    right = [order for order in ORDERS if not wrong[order]]
    if len(right) == 1:
        return right[0]
    counts = ", ".join(
        f"{len(images):,} of {len(truth.queries):,} boxes cannot be {order}"
        + (f" (first: {images[0]})" if images else "")
        for order, images in wrong.items()
    )
    raise DatasetError(
        where,
        found=counts,
        expected="one order that every box fits, and another that some box does not",
        next_step="look at some queries and state box_order = 'x1y1x2y2' or 'xywh', or query_box = 'whole'",
    )


def _edges(box: Numbers, order: Order) -> Numbers:
    x, y, a, b = box
    return (x, y, a, b) if order == "x1y1x2y2" else (x, y, x + a, y + b)


def _fits(edges: Numbers, size: tuple[int, int] | None) -> bool:
    left, top, right, bottom = edges
    if right <= left or bottom <= top or min(left, top) < -TOLERANCE:
        return False
    return size is None or (right <= size[0] + TOLERANCE and bottom <= size[1] + TOLERANCE)


def _inside(edges: Numbers, size: tuple[int, int] | None) -> Box:
    left, top, right, bottom = edges
    left, top = (0.0 if -TOLERANCE <= edge < 0 else edge for edge in (left, top))
    if size is not None:
        right = size[0] if size[0] < right <= size[0] + TOLERANCE else right
        bottom = size[1] if size[1] < bottom <= size[1] + TOLERANCE else bottom
    return (left, top, right - left, bottom - top)
