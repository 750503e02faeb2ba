"""What an on-disk layout is: one file with an options type and a function, registered by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from pytest_prodbench.protocol import Answers, Box, ImageFiles, ImageTable

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from pytest_prodbench.settings.types import DatasetSpec

Options = TypeVar("Options", bound="BaseModel")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rows of one role stand in their source, so that a message can name them.

    Attributes:
        source: name of the file, as a reader knows it: ``catalog.csv``.
        unit: what ``numbers`` counts.
        numbers: 1-based number of each row, as long as the role's table.
    """

    source: str
    unit: Literal["line", "row"]
    numbers: Sequence[int]


@dataclass(frozen=True, slots=True)
class Tables:
    """What a layout found; ``open_dataset`` checks it and makes the ``Dataset``.

    Attributes:
        root: absolute folder that the image paths hang below.
        queries: what is searched for.
        gallery: what is searched in.
        protocol_note: who queries whom, and whether the split is official or ours; for the report.
        query_origin: where the rows of ``queries`` come from; None where rows have no number.
        gallery_origin: the same for ``gallery``.
        problems: what is wrong with single rows, each naming its row; those rows are in no table.
            They are raised together with what the common checks find.
        files: as in ``Dataset``, where the images are no files of a folder.
        answers: as in ``Dataset``, where a query's positives are not the images of its own product.
        official_metrics: metrics that the authors of a published set report, measured beside ours.
        published: name of the set's file in ``datasets/references``.
    """

    root: Path
    queries: ImageTable
    gallery: ImageTable
    protocol_note: str = ""
    query_origin: Origin | None = None
    gallery_origin: Origin | None = None
    problems: tuple[str, ...] = ()
    files: ImageFiles | None = None
    answers: Answers = field(default_factory=dict)
    official_metrics: tuple[str, ...] = ()
    published: str = ""


@dataclass(frozen=True, slots=True)
class Layout(Generic[Options]):
    """One on-disk layout, registered under ``prodbench.datasets``.

    Attributes:
        options: pydantic model of the keys that only this layout knows (``extra="forbid"``).
        open: reads the tables without touching a pixel. Called with the spec and an instance of
            ``options``. Raises ``DatasetError`` where the source as a whole cannot be read; what is
            wrong with single rows goes into ``Tables.problems``.
    """

    options: type[Options]
    open: Callable[[DatasetSpec, Options], Tables]


def image_table(
    images: Sequence[str],
    product_ids: Sequence[str],
    *,
    families: Sequence[str] | None = None,
    groups: Sequence[str] | None = None,
    boxes: Sequence[Box | None] | None = None,
    conditions: Mapping[str, Sequence[str]] | None = None,
) -> ImageTable:
    """Return the images of one role; what is not given is blank."""
    blank = ("",) * len(images)
    return ImageTable(
        images=tuple(images),
        product_ids=tuple(product_ids),
        families=blank if families is None else tuple(families),
        groups=blank if groups is None else tuple(groups),
        boxes=(None,) * len(images) if boxes is None else tuple(boxes),
        conditions={name: tuple(values) for name, values in (conditions or {}).items()},
    )
