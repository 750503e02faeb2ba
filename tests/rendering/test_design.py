"""The design: levels equally frequent, pairs of conditions close to independent, the same again."""

import itertools
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.rendering.design import LEVELS, draw


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 99))
def test_every_level_is_as_frequent_as_the_others(products, each, seed):
    rows = draw(products * each, each, seed=str(seed))
    assert len(rows) == products * each
    for name, levels in LEVELS.items():
        counts = Counter(row[name] for row in rows)
        assert set(counts) <= set(levels)
        assert max(counts[level] for level in levels) - min(counts[level] for level in levels) <= 1


@pytest.mark.parametrize("seed", ["2026:diy", "7"])
def test_no_two_conditions_go_together(seed):
    rows = draw(440, 4, seed=seed)
    for one, two in itertools.combinations(LEVELS, 2):
        cells = Counter((row[one], row[two]) for row in rows)
        expected = len(rows) / len(LEVELS[one]) / len(LEVELS[two])
        for pair in itertools.product(LEVELS[one], LEVELS[two]):
            assert abs(cells[pair] - expected) <= max(2.0, 0.12 * expected), (one, two, pair)


def test_a_product_is_seen_under_different_conditions():
    rows = draw(440, 4, seed="x")
    repeated = 0
    for start in range(0, 440, 4):
        for name in LEVELS:
            repeated += 4 - len({row[name] for row in rows[start : start + 4]})
    # Three levels can show at most three of four photos; so 110 repetitions of each such condition are due.
    assert repeated <= 1.25 * 110 * sum(len(levels) < 4 for levels in LEVELS.values())


def test_the_same_seed_draws_the_same():
    assert draw(60, 4, seed="a") == draw(60, 4, seed="a")
    assert draw(60, 4, seed="a") != draw(60, 4, seed="b")
