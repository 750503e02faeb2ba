"""Whether a view shows what tells a product from its siblings."""

import numpy as np
import pytest
from drawn_parts import BUILD, bar, families

from pytest_prodbench.rendering import camera, telling
from pytest_prodbench.rendering.mesh import moved
from pytest_prodbench.rendering.parts import Part, built, corners


def shot_of(part, azimuth=20.0, elevation=45.0, fill=0.7, roll=0.0):
    return camera.framed(corners(built(part)), azimuth, elevation, fill, roll, np.zeros(2))


def told(one, other, **view):
    shot = shot_of(one, **view)
    views = [telling.seen(telling.surface_of(part), shot) for part in (one, other)]
    return telling.unlike(*views, np.zeros_like(views[0].hit))


def part(product, **parameters):
    return Part(product, BUILD, parameters)


@pytest.mark.parametrize("fill", [0.75, 0.3])
def test_a_product_is_not_told_from_itself(fill):
    assert told(part("a", knobs=3), part("b", knobs=3), fill=fill) == 0


@pytest.mark.parametrize("fill", [0.75, 0.3])
def test_a_knob_more_or_another_colour_tells(fill):
    assert told(part("a", knobs=3), part("b", knobs=4), fill=fill) >= telling.NEEDED
    assert (
        told(part("a", knobs=3), part("b", knobs=3, material="brass"), fill=fill) >= telling.NEEDED
    )


def test_what_no_view_shows_tells_nothing():
    assert told(part("a", knobs=3), part("b", knobs=3, far_knob=True)) == 0


def test_it_is_the_same_question_from_both_sides():
    one, other = part("a", knobs=2), part("b", knobs=5)
    shot = shot_of(one)
    views = [telling.seen(telling.surface_of(p), shot) for p in (one, other)]
    nothing = np.zeros_like(views[0].hit)
    assert telling.unlike(*views, nothing) == telling.unlike(*views[::-1], nothing)


def test_the_farther_away_the_less_tells():
    one, other = part("a", knobs=2), part("b", knobs=3)
    counts = [told(one, other, fill=fill) for fill in (0.8, 0.5, 0.3)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > 3 * counts[2]


def test_what_lies_before_it_hides_what_tells():
    siblings = families()[0].parts
    one = siblings[3]
    shot = shot_of(one)
    free = telling.least_unlike(one, siblings, shot, [])
    assert free[0] >= telling.NEEDED
    assert free[1] != "P-3"
    towards = camera.direction(20.0, 45.0)
    lid = [m for k in range(-4, 5) for m in moved(bar(60.0), at=(0, 7.0 * k, 0))]
    over = moved(lid, scale=1 / 25, at=tuple(1.5 * towards))
    assert telling.least_unlike(one, siblings, shot, over)[0] < free[0] / 4


def test_without_siblings_everything_tells():
    one = part("a", knobs=1)
    count, name = telling.least_unlike(one, [one], shot_of(one), [])
    assert count > telling.NEEDED
    assert name == ""


def test_the_map_is_what_a_camera_sees():
    """The nearest surface, without holes, of the part's own colour and direction."""
    view = telling.seen(
        telling.surface_of(part("a", knobs=0, material="brass")), shot_of(part("a", knobs=0))
    )
    inside = view.hit[1:-1, 1:-1]
    around = sum(
        view.hit[1 + y : view.hit.shape[0] - 1 + y, 1 + x : view.hit.shape[1] - 1 + x].astype(int)
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    )
    assert not ((around >= 8) & ~inside).any()
    np.testing.assert_allclose(
        view.colour[:, view.hit].T, [[0.78, 0.58, 0.26]] * view.hit.sum(), 1e-6
    )
    top = view.normal[2][view.hit] > 0.99
    assert top.mean() > 0.6
