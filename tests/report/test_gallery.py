from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.evidence.comparison import PairComparison
from pytest_prodbench.report.gallery import OUTCOMES, gallery

from . import builders as b


def rows(ranks):
    return [b.row(f"q/{n:03d}.jpg", f"A{n}", rank) for n, rank in enumerate(ranks)]


def compared(failing=(), right=()):
    return PairComparison.model_construct(newly_failing=list(failing), newly_right=list(right))


def names(shots):
    return [shot.query for shot in shots]


def test_the_worst_and_a_sample_of_all_others():
    chosen = gallery(b.table(rows([1, *range(2, 102), None])), limit=6)
    assert (chosen.queries, chosen.misses, chosen.absent) == (102, 100, 1)
    assert [shot.rank for shot in chosen.worst] == [101, 100, 99]
    assert len(chosen.sample) == 3
    assert chosen.changed == ()


def test_changes_come_before_everything():
    table = b.table(rows([9] * 40))
    failing, right = ["q/003.jpg", "q/009.jpg"], ["q/001.jpg"]
    chosen = gallery(table, 7, compared(failing, right))
    assert names(chosen.changed) == ["q/003.jpg", "q/001.jpg", "q/009.jpg"]
    assert [s.change for s in chosen.changed] == ["newly failing", "newly right", "newly failing"]
    assert (len(chosen.worst), len(chosen.sample)) == (2, 2)
    assert len(set(names(chosen.shots))) == 7


def test_more_changes_than_room():
    table = b.table(rows([9] * 40))
    failing = [f"q/{n:03d}.jpg" for n in range(30)]
    chosen = gallery(table, 6, compared(failing, ["q/039.jpg", "q/gone.jpg"]))
    assert len(chosen.changed) == 6
    assert chosen.changes == 31  # the one that this table has not is not counted
    assert names(chosen.changed)[:3] == ["q/000.jpg", "q/039.jpg", "q/001.jpg"]


@given(
    ranks=st.lists(st.none() | st.integers(1, 60), max_size=40),
    limit=st.integers(1, 30),
    changed=st.sets(st.integers(0, 50), max_size=20),
)
def test_no_query_twice_and_no_room_wasted(ranks, limit, changed):
    some = [f"q/{n:03d}.jpg" for n in sorted(changed)]
    chosen = gallery(b.table(rows(ranks)), limit, compared(some[::2], some[1::2]))
    shown = names(chosen.shots)
    assert len(shown) == len(set(shown)) == min(limit, len(ranks))
    lowest = min((shot.rank for shot in chosen.worst), default=None)
    rest = [shot.rank for shot in chosen.sample if shot.rank is not None]
    assert lowest is None or all(rank <= lowest for rank in rest)


def chosen_one_by_one(made, limit, failing, right):
    """The rule in words, row by row: changes, half of the rest the worst, then by digest."""
    order = []
    for place in range(max(len(failing), len(right))):
        order += [side[place] for side in (failing, right) if place < len(side)]
    known = [row["query"] for row in made]
    first = [name for name in order if name in known][:limit]
    left = sorted(made, key=lambda row: (row["content"], row["query"]))
    left = [row for row in left if row["query"] not in first]
    misses = sorted((r for r in left if (r["rank"] or 1) > 1), key=lambda row: -row["rank"])
    worst = [row["query"] for row in misses][: (limit - len(first) + 1) // 2]
    rest = [row["query"] for row in left if row["query"] not in worst]
    return first, worst, rest[: limit - len(first) - len(worst)]


@given(
    found=st.lists(
        st.tuples(st.none() | st.integers(1, 9), st.sampled_from("abc")), min_size=1, max_size=30
    ),
    limit=st.integers(1, 12),
    changed=st.lists(st.integers(0, 35), unique=True, max_size=9),
)
def test_what_is_chosen_is_what_the_rule_says(found, limit, changed):
    made = [
        b.row(f"q/{n:03d}.jpg", f"A{n}", rank, content=digest * 64)
        for n, (rank, digest) in enumerate(found)
    ]
    some = [f"q/{n:03d}.jpg" for n in changed]
    failing, right = some[::2], some[1::2]
    chosen = gallery(b.table(made), limit, compared(failing, right))
    parts = tuple(names(part) for part in (chosen.changed, chosen.worst, chosen.sample))
    assert parts == chosen_one_by_one(made, limit, failing, right)
    assert chosen.misses == sum((rank or 1) > 1 for rank, _ in found)
    assert chosen.absent == sum(rank is None for rank, _ in found)


def test_the_choice_does_not_depend_on_the_order_of_rows():
    made = rows([7] * 25 + [1] * 25)
    mixed = made[:]
    random.Random(3).shuffle(mixed)
    assert gallery(b.table(made), 8) == gallery(b.table(mixed), 8)


def test_all_models_are_shown_on_the_same_photos():
    one, two = (gallery(b.table(rows([rank] * 50)), 20) for rank in (1, 2))
    assert names(one.sample)[:10] != names(two.worst)[:10] or one.worst == ()
    hits = gallery(b.table(rows([1] * 50)), 20)
    assert names(one.shots) == names(hits.shots)


def test_the_right_image_takes_the_last_place_if_it_comes_later():
    (shot,) = gallery(b.table(rows([8]))).worst
    assert [result.position for result in shot.results] == [1, 2, 3, 4, 8]
    assert [result.right for result in shot.results] == [False] * 4 + [True]


def test_the_right_image_among_the_first_changes_nothing():
    (shot,) = gallery(b.table(rows([3]))).worst
    assert [result.position for result in shot.results] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("rank", "optimistic", "outcome"),
    [
        (1, 1, "hit"),
        (3, 1, "tie"),
        (3, 2, "near miss"),
        (5, 5, "near miss"),
        (6, 6, "far miss"),
        (None, None, "absent"),
    ],
)
def test_outcomes(rank, optimistic, outcome):
    (shot,) = gallery(b.table([b.row("q/1.jpg", "A", rank, rank_optimistic=optimistic)])).shots
    assert shot.outcome == outcome
    assert outcome in OUTCOMES


def test_labels():
    tie = b.row("q/1.jpg", "A", 40, rank_optimistic=1, near_ties=4, family_rank=None)
    near = b.row("q/2.jpg", "A", 3, near_ties=1, family_rank=9)
    hit = b.row("q/3.jpg", "A", 1, family_rank=1)
    first, second, third = gallery(b.table([tie, near, hit])).shots
    assert first.labels == ("tie: rank 1 if ties went the other way",)
    assert second.labels == ("near tie", "near miss", "another family first")
    assert third.labels == ()
    assert first.conditions == (("light", "daylight"),)


def test_the_margin():
    row = b.row("q/1.jpg", "A", 2, positive_score=0.25, negative_score=0.75)
    assert gallery(b.table([row])).shots[0].margin == -0.5
    row = b.row("q/1.jpg", "A", None, positive_score=None)
    assert gallery(b.table([row])).shots[0].margin is None
