"""Which queries a page shows with their pictures, and what stands beside each photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_prodbench.report.arrow_values import integers, strings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa

    from pytest_prodbench.evidence.comparison import PairComparison

QUERIES_SHOWN = 24
"""At most so many queries of a pair."""

RESULTS_SHOWN = 5
"""At most so many results of a query."""

NEAR = 5
"""A miss whose right image is among so many first results is called near."""

OUTCOMES = ("hit", "tie", "near miss", "far miss", "absent")
"""What can become of a query, as the page's filter calls it."""


@dataclass(frozen=True, slots=True)
class Result:
    """One gallery image in the list of results."""

    position: int
    image: str
    product: str
    score: float
    right: bool


@dataclass(frozen=True, slots=True)
class Shot:
    """A query with its first results.

    Attributes:
        rank: of its best positive, by the pessimistic rule; None where its product is not in the gallery.
        outcome: one of ``OUTCOMES``. A tie is a miss that the optimistic rule would call a hit.
        change: ``newly failing`` or ``newly right`` against production, else empty.
        margin: score of the best positive less that of the best negative; None where one is missing.
        labels: what else there is to say of it.
    """

    query: str
    product: str
    family: str
    rank: int | None
    outcome: str
    change: str
    margin: float | None
    labels: tuple[str, ...]
    conditions: tuple[tuple[str, str], ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """What is shown of the queries of one pair, and of how many.

    Attributes:
        queries: how many there are.
        misses: of them, those whose first result is another product.
        absent: queries whose product is not in the gallery (open set); they cannot be a hit or a miss.
        changes: how many changed sides against production, as far as the record names them.
        changed, worst, sample: what is shown, no query twice.
    """

    queries: int
    misses: int
    absent: int
    changes: int
    changed: tuple[Shot, ...]
    worst: tuple[Shot, ...]
    sample: tuple[Shot, ...]

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Return all that is shown, in the order of the rule."""
        return (*self.changed, *self.worst, *self.sample)


def gallery(
    table: pa.Table, limit: int = QUERIES_SHOWN, comparison: PairComparison | None = None
) -> Gallery:
    """Choose what to show of one pair, the same every time.

    First all queries that changed sides against production, as far as there is room: they are why a model
    is accepted or refused. Of the room that is left half goes to the worst misses, highest rank first,
    which say what is broken: a wrong label, a photo of something else, a condition that the model cannot
    take. The rest is a sample of all other queries, hits too, because nobody learns how good a model is
    from its misses alone; it is drawn by the digest of the photo, so that all models are shown on the same
    photos.
    """
    import pyarrow.compute as pc

    changed = changed_sides(comparison)
    place = _places(table, changed)
    first = [place[name] for name in _alternating(comparison) if name in place][:limit]
    # Rows are chosen without a look at each of them: a run may have a million. Photos that are listed twice
    # share their digest, which leaves the path to decide.
    by_digest = [("content", "ascending"), ("query", "ascending")]
    keys = table.select(["rank", "content", "query"])
    # What is absent has no rank, and counts as none of them.
    missed = pc.indices_nonzero(pc.greater(keys["rank"], integers([1])[0]))
    by_rank = pc.sort_indices(keys.take(missed), [("rank", "descending"), *by_digest])
    half = (limit - len(first) + 1) // 2
    worst = _without(missed.take(by_rank[: half + len(first)]).to_pylist(), first)[:half]
    others = pc.sort_indices(keys, by_digest)[: limit + len(first) + len(worst)].to_pylist()
    sample = _without(others, [*first, *worst])[: limit - len(first) - len(worst)]
    shown = _shots(table, [*first, *worst, *sample], changed)
    return Gallery(
        queries=len(table),
        misses=len(missed),
        absent=table["rank"].null_count,
        changes=len(place),
        changed=shown[: len(first)],
        worst=shown[len(first) : len(first) + len(worst)],
        sample=shown[len(first) + len(worst) :],
    )


def changed_sides(comparison: PairComparison | None) -> dict[str, str]:
    """Return the queries that changed sides against production, by path, each with the way it went."""
    if comparison is None:
        return {}
    return dict.fromkeys(comparison.newly_failing, "newly failing") | dict.fromkeys(
        comparison.newly_right, "newly right"
    )


def _places(table: pa.Table, names: Collection[str]) -> dict[str, int]:
    """Return for each name that the table has its first row."""
    import pyarrow.compute as pc

    if not names:
        return {}
    wanted = pc.is_in(table["query"], value_set=strings(sorted(names)))
    rows = pc.indices_nonzero(wanted)
    place: dict[str, int] = {}
    for row, name in zip(rows.to_pylist(), table["query"].take(rows).to_pylist(), strict=True):
        place.setdefault(name, row)
    return place


def named_shots(table: pa.Table, contents: Sequence[str]) -> tuple[Shot, ...]:
    """Return some photos, by the digest of each, in that order; one a photo."""
    place: dict[str, int] = {}
    for row, content in enumerate(table["content"].to_pylist()):
        place.setdefault(content, row)
    rows = [place[content] for content in dict.fromkeys(contents) if content in place]
    return _shots(table, rows, {})


def _alternating(comparison: PairComparison | None) -> list[str]:
    """The changes, the largest of each kind first, and losses before gains where there is no room for all."""
    if comparison is None:
        return []
    lost, won = comparison.newly_failing, comparison.newly_right
    length = max(len(lost), len(won))
    return [kind[i] for i in range(length) for kind in (lost, won) if i < len(kind)]


def _without(rows: Sequence[int], taken: Collection[int]) -> list[int]:
    seen = set(taken)
    return [row for row in rows if row not in seen]


def _shots(table: pa.Table, rows: list[int], changed: dict[str, str]) -> tuple[Shot, ...]:
    return (
        tuple(_shot(row, changed) for row in table.take(integers(rows)).to_pylist()) if rows else ()
    )


def _shot(row: dict[str, Any], changed: dict[str, str]) -> Shot:
    from pytest_prodbench.evidence.queries import CONDITION_PREFIX

    best, other = row["positive_score"], row["negative_score"]
    return Shot(
        query=row["query"],
        product=row["product_id"],
        family=row["family"],
        rank=row["rank"],
        outcome=outcome_of(row["rank"], row["rank_optimistic"]),
        change=changed.get(row["query"], ""),
        margin=margin_of(best, other),
        labels=_labels(row),
        conditions=tuple(
            (name.removeprefix(CONDITION_PREFIX), value)
            for name, value in row.items()
            if name.startswith(CONDITION_PREFIX) and value
        ),
        results=_results(row),
    )


def outcome_of(rank: int | None, optimistic: int | None) -> str:
    """Return which of ``OUTCOMES`` became of a query, by the two ranks of its best positive."""
    if rank is None:
        return "absent"
    if rank == 1:
        return "hit"
    if optimistic == 1:
        return "tie"
    return "near miss" if rank <= NEAR else "far miss"


def margin_of(positive: float | None, negative: float | None) -> float | None:
    """Return the score of the best positive less that of the best negative; None where one is missing."""
    return None if positive is None or negative is None else positive - negative


def _labels(row: dict[str, Any]) -> tuple[str, ...]:
    labels = []
    rank, optimistic = row["rank"], row["rank_optimistic"]
    if rank is None:
        return ("its product is not in the gallery",)
    if optimistic is not None and optimistic < rank:
        labels.append(f"tie: rank {optimistic} if ties went the other way")
    elif row["near_ties"]:
        labels.append("near tie")
    if 1 < rank <= NEAR:
        labels.append("near miss")
    if rank > 1 and row["family_rank"] is not None:
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
