"""Other parts: over a share of the product, or around it."""

import numpy as np
import pytest
from drawn_parts import bar, plate
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.rendering import camera, design
from pytest_prodbench.rendering.mesh import moved, rested
from pytest_prodbench.rendering.parts import corners
from pytest_prodbench.rendering.placing import Table, extremes, hull, mask


def scene(seed, elevation=45.0):
    product = moved(rested(plate(4)), scale=1 / 21)
    shot = camera.framed(corners(product), 20.0, elevation, 0.5, 0.0, np.zeros(2))
    return product, shot, Table(product, shot, np.random.default_rng(seed))


@pytest.mark.parametrize("level", design.HIDDEN)
@pytest.mark.parametrize("elevation", [30.0, 60.0, 78.0])
def test_a_part_hides_the_share_that_was_asked_for(level, elevation):
    low, high = design.HIDDEN[level]
    for seed in range(5):
        product, shot, table = scene(seed, elevation)
        assert table.cover(moved(rested(bar(40.0)), scale=1 / 18), (low, high))
        seen = mask(shot.project(extremes(product)))
        hidden = (mask(shot.project(extremes(table.laid))) & seen).sum() / seen.sum()
        assert low <= hidden <= high


def test_what_is_scattered_hides_nothing_and_overlaps_nothing():
    product, shot, table = scene(3)
    feet = []
    for _ in range(6):
        before = len(table.laid)
        if table.scatter(moved(rested(bar(30.0)), scale=1 / 18)):
            feet.append(table.laid[before:])
    assert len(feet) >= 3
    seen = mask(shot.project(extremes(product)))
    for one in feet:
        image = shot.project(extremes(one))
        assert not (mask(image) & seen).any()
        assert (np.abs(image) < 1).all(1).any()


def test_the_same_draw_lays_the_same():
    once, again = scene(1)[2], scene(1)[2]
    for table in (once, again):
        assert table.cover(moved(rested(bar(40.0)), scale=1 / 18), (0.1, 0.3))
    np.testing.assert_array_equal(corners(once.laid), corners(again.laid))


@given(
    st.lists(
        st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=40, unique=True
    )
)
def test_the_hull_is_that_of_the_definition(points):
    """A point is a corner if and only if it lies on no segment and in no triangle of others."""
    given_points = np.array(points, float)
    found = hull(given_points)
    mine = {tuple(p) for p in found.round(5)}
    expected = set()
    for p in given_points:
        around = np.sort([np.arctan2(*(q - p)[::-1]) for q in given_points if (q != p).any()])
        gaps = np.diff([*around, around[0] + 2 * np.pi])
        if gaps.max() > np.pi + 1e-9:
            expected.add(tuple(p.round(5)))
    assert mine == expected
    x, y = found.T
    assert np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) >= 0  # anticlockwise
