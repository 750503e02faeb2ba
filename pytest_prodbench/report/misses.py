"""Which wrong answers a page shows, and what stands beside each photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

MISSES_SHOWN = 24
"""At most so many misses of a pair, half of them the nearest, half the farthest."""

RESULTS_SHOWN = 5
"""At most so many results of a miss."""

NEAR = 5
"""A miss whose right image is among so many first results is called near."""


@dataclass(frozen=True, slots=True)
class Result:
    """One gallery image in the list of results."""

    position: int
    image: str
    product: str
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Miss:
    """A query whose first result is another product."""

    query: str
    product: str
    family: str
    rank: int
    labels: tuple[str, ...]
    conditions: tuple[tuple[str, str], ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Misses:
    """The misses of one pair.

    Attributes:
        total: how many there are, shown or not.
        absent: queries whose product is not in the gallery (open set); they cannot be a hit or a miss.
        nearest: lowest rank first.
        farthest: highest rank first; empty where ``nearest`` already shows all.
    """

    total: int
    absent: int
    nearest: tuple[Miss, ...]
    farthest: tuple[Miss, ...]

    @property
    def shown(self) -> int:
        """Return how many are on the page."""
        return len(self.nearest) + len(self.farthest)


def misses(table: pa.Table, limit: int = MISSES_SHOWN) -> Misses:
    """Choose what to show of one pair, the same every time.

    The nearest misses say which products look alike; the farthest ones say what is broken: a wrong label,
    a photo of something else, a condition that the model cannot take. Equal ranks go by the
    digest of the photo: always the same choice, and not all of them the first product of the alphabet.
    """
    import pyarrow.compute as pc

    missed = table.filter(pc.greater(table["rank"], 1))
    # Photos that are listed twice share their digest, which leaves the path to decide.
    keys = [("rank", "ascending"), ("content", "ascending"), ("query", "ascending")]
    order = pc.sort_indices(missed, keys)
    total = len(missed)
    near = total if total <= limit else (limit + 1) // 2
    far = 0 if total <= limit else limit // 2
    last = order.slice(total - far, far).to_pylist()[::-1]
    return Misses(
        total=total,
        absent=table["rank"].null_count,
        nearest=_rows(missed, order.slice(0, near).to_pylist()),
        farthest=_rows(missed, last),
    )


def named_misses(table: pa.Table, contents: Sequence[str]) -> tuple[Miss, ...]:
    """Return the misses of some photos, by the digest of each, in that order; one a photo."""
    place: dict[str, int] = {}
    for row, content in enumerate(table["content"].to_pylist()):
        place.setdefault(content, row)
    return _rows(table, [place[content] for content in dict.fromkeys(contents) if content in place])


def _rows(table: pa.Table, rows: list[int]) -> tuple[Miss, ...]:
    return tuple(_miss(row) for row in table.take(rows).to_pylist()) if rows else ()


def _miss(row: dict[str, Any]) -> Miss:
    from pytest_prodbench.evidence.queries import CONDITION_PREFIX

    return Miss(
        query=row["query"],
        product=row["product_id"],
        family=row["family"],
        rank=row["rank"],
        labels=_labels(row),
        conditions=tuple(
            (name.removeprefix(CONDITION_PREFIX), value)
            for name, value in row.items()
            if name.startswith(CONDITION_PREFIX) and value
        ),
        results=_results(row),
    )


def _labels(row: dict[str, Any]) -> tuple[str, ...]:
    labels = []
    optimistic = row["rank_optimistic"]
    if optimistic is not None and optimistic < row["rank"]:
        labels.append(f"tie: rank {optimistic} if ties went the other way")
    elif row["near_ties"]:
        labels.append("near tie")
    if row["rank"] <= NEAR:
        labels.append("near miss")
    if row["family_rank"] is not None:
        labels.append("right family first" if row["family_rank"] == 1 else "another family first")
    return tuple(labels)


def _results(row: dict[str, Any]) -> tuple[Result, ...]:
    heads = [
        Result(position, image, product, score, right)
        for position, (image, product, score, right) in enumerate(
            zip(
                row["top_images"],
                row["top_products"],
                row["top_scores"],
                row["top_relevant"],
                strict=True,
            ),
            start=1,
        )
    ]
    shown = heads[:RESULTS_SHOWN]
    below = next((head for head in heads[RESULTS_SHOWN:] if head.right), None)
    # The right image takes the last place where the record still holds it: to be compared by eye.
    if below is not None and not any(head.right for head in shown):
        shown = [*shown[:-1], below]
    return tuple(shown)
