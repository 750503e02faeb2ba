from __future__ import annotations

import random

from pytest_prodbench.report.misses import misses

from . import builders as b


def rows(ranks):
    return [b.row(f"q/{n:03d}.jpg", f"A{n}", rank) for n, rank in enumerate(ranks)]


def test_nearest_and_farthest_and_how_many_there_are():
    chosen = misses(b.table(rows([1, *range(2, 102), None])), limit=6)
    assert (chosen.total, chosen.absent, chosen.shown) == (100, 1, 6)
    assert [miss.rank for miss in chosen.nearest] == [2, 3, 4]
    assert [miss.rank for miss in chosen.farthest] == [101, 100, 99]


def test_few_misses_are_all_shown_once():
    chosen = misses(b.table(rows([1, 5, 3])), limit=6)
    assert [miss.rank for miss in chosen.nearest] == [3, 5]
    assert chosen.farthest == ()


def test_an_odd_limit_shows_no_miss_twice():
    chosen = misses(b.table(rows(range(2, 10))), limit=7)
    shown = [miss.query for miss in (*chosen.nearest, *chosen.farthest)]
    assert len(shown) == len(set(shown)) == 7


def test_the_choice_does_not_depend_on_the_order_of_rows():
    made = rows([7] * 50)
    mixed = made[:]
    random.Random(3).shuffle(mixed)
    assert misses(b.table(made), 8) == misses(b.table(mixed), 8)


def test_the_right_image_takes_the_last_place_if_it_comes_later():
    (miss,) = misses(b.table(rows([8]))).nearest
    assert [result.position for result in miss.results] == [1, 2, 3, 4, 8]
    assert [result.right for result in miss.results] == [False] * 4 + [True]


def test_the_right_image_among_the_first_changes_nothing():
    (miss,) = misses(b.table(rows([3]))).nearest
    assert [result.position for result in miss.results] == [1, 2, 3, 4, 5]


def test_labels():
    tie = b.row("q/1.jpg", "A", 3, rank_optimistic=1, near_ties=4, family_rank=None)
    near = b.row("q/2.jpg", "A", 40, near_ties=1, family_rank=9)
    first, second = misses(b.table([tie, near])).nearest
    assert first.labels == ("tie: rank 1 if ties went the other way", "near miss")
    assert second.labels == ("near tie", "another family first")
    assert first.conditions == (("light", "daylight"),)
