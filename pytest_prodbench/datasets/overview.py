"""What is in a dataset, counted: for people who look at one before they measure on it."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from io import SEEK_END
from typing import TypeVar

from pytest_prodbench.datasets.threads import for_each
from pytest_prodbench.errors import ImageError
from pytest_prodbench.protocol import Dataset, ImageTable, answering

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What the headers of some images say.

    Attributes:
        looked_at, images: files that were opened, of how many distinct ones.
        formats: format → files.
        sizes: (width, height) in pixels of the upright image → files.
        bytes: smallest, median and largest file.
        problems: what is wrong with those that cannot be read, each with its path.
    """

    looked_at: int
    images: int
    formats: Counter[str]
    sizes: Counter[tuple[int, int]]
    bytes: tuple[int, int, int]
    problems: list[str]


def images_a_product(table: ImageTable) -> Counter[int]:
    """Count products by how many images they have."""
    return Counter(Counter(table.product_ids).values())


def absent_queries(dataset: Dataset) -> int:
    """Count queries that no product of the gallery answers."""
    offered = set(dataset.gallery.product_ids)
    answers = dataset.answers
    return sum(
        offered.isdisjoint(answering(answers, product)) for product in dataset.queries.product_ids
    )


def distractors(dataset: Dataset) -> tuple[int, int]:
    """Count products of the gallery that no query asks for, and their images."""
    asked = {
        answer
        for product in set(dataset.queries.product_ids)
        for answer in answering(dataset.answers, product)
    }
    images = Counter(p for p in dataset.gallery.product_ids if p not in asked)
    return len(images), images.total()


def examples(dataset: Dataset, count: int) -> list[tuple[str, str, list[str]]]:
    """Return some queries, evenly spaced: image, product, and its positives by the rows alone."""
    queries, gallery = dataset.queries, dataset.gallery
    chosen = evenly(range(len(queries)), count)
    wanted = {
        answer for i in chosen for answer in answering(dataset.answers, queries.product_ids[i])
    }
    by_product: dict[str, list[str]] = {}
    for image, product in zip(gallery.images, gallery.product_ids, strict=True):
        if product in wanted:
            by_product.setdefault(product, []).append(image)
    found = []
    for i in chosen:
        product = queries.product_ids[i]
        answers = answering(dataset.answers, product)
        images = [image for answer in answers for image in by_product.get(answer, [])]
        found.append((queries.images[i], product, images))
    return found


def file_facts(dataset: Dataset, *, limit: int, max_pixels: int) -> FileFacts:
    """Read the headers of the images, of evenly spaced ones where there are more than ``limit``."""
    from pytest_prodbench.datasets.decoding import read_header
    from pytest_prodbench.datasets.signatures import sniff

    paths = list(dict.fromkeys((*dataset.queries.images, *dataset.gallery.images)))
    chosen = evenly(paths, limit)

    def look(image: str) -> tuple[str, tuple[int, int], int] | str:
        try:
            size = read_header(partial(dataset.open, image), max_pixels=max_pixels, where=image)
            with dataset.open(image) as file:
                kind = sniff(file.read(16)) or "unknown"
                return kind, size, file.seek(0, SEEK_END)
        except (ImageError, OSError) as error:
            return str(error)

    looked = for_each(chosen, look)
    good = [fact for fact in looked if not isinstance(fact, str)]
    lengths = [length for _, _, length in good] or [0]
    return FileFacts(
        looked_at=len(chosen),
        images=len(paths),
        formats=Counter(kind for kind, _, _ in good),
        sizes=Counter(size for _, size, _ in good),
        bytes=(min(lengths), int(statistics.median(lengths)), max(lengths)),
        problems=[fact for fact in looked if isinstance(fact, str)],
    )


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most ``count`` items, the same ones every time."""
    if len(items) <= count:
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]
