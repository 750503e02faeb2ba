"""Which pictures a catalog has, and from where they are taken."""

from collections import Counter
from dataclasses import replace

import pytest
from drawn_parts import families, small_catalog

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.rendering import design
from pytest_prodbench.rendering.parts import Part, built
from pytest_prodbench.rendering.pictures import (
    Catalog,
    Counts,
    angle_between,
    digest,
    plan,
    pose,
    roles,
)


def test_roles_are_dealt_out_by_the_seed_and_no_product_has_two():
    catalog = small_catalog()
    for family in catalog.families:
        dealt = roles(catalog, family)
        every = [product for products in dealt.values() for product in products]
        assert len(every) == len(set(every)) == 6
        assert [len(dealt[name]) for name in ("searched", "absent", "distractors")] == [4, 1, 1]
        assert dealt == roles(catalog, family)
    drawn = {
        tuple(roles(small_catalog(seed), family)["searched"])
        for seed in range(20)
        for family in families()
    }
    assert len(drawn) > 10


def test_a_family_that_is_too_small_is_an_error_that_counts():
    with pytest.raises(
        SettingsError, match="family 'plate': 6 products; expected 9: 7 searched for"
    ):
        plan(small_catalog(searched=7))


def test_searched_products_lie_in_the_gallery_absent_ones_do_not_distractors_are_never_asked_for():
    catalog = small_catalog(views=(1, 2, 3))
    pictures = plan(catalog)
    by_role = {
        role: Counter(p.product_id for p in pictures if p.role == role)
        for role in ("gallery", "query")
    }
    for family in catalog.families:
        dealt = roles(catalog, family)
        assert [by_role["gallery"][p] for p in dealt["searched"]] == [1, 2, 3, 1]
        assert all(by_role["query"][p] == 4 for p in dealt["searched"] + dealt["absent"])
        assert all(by_role["gallery"][p] == 0 for p in dealt["absent"])
        assert all(
            by_role["gallery"][p] == 1 and not by_role["query"][p] for p in dealt["distractors"]
        )
    assert len({p.image for p in pictures}) == len(pictures)
    assert plan(catalog) == pictures


def test_everything_that_nothing_else_is_said_of_is_searched_for():
    catalog = Catalog("own", families(3), 0, Counts(None, 0, 0, 2, (1,)))
    assert {p.product_id for p in plan(catalog) if p.role == "query"} == {
        part.product_id for family in catalog.families for part in family.parts
    }


def test_views_lie_in_their_band_and_inside_the_limits_of_the_family():
    catalog = small_catalog()
    for picture in plan(catalog):
        family = catalog.family(picture.product_id)
        for attempt in range(3):
            at = pose(catalog, picture, attempt)
            seen = at.azimuth, at.elevation
            if picture.role == "gallery":
                assert (seen == family.view) == (picture.number == 0)
                continue
            low, high = design.VIEWS[picture.conditions["view"]]
            assert low - 0.1 <= angle_between(seen, family.view) <= high + 0.1
            assert family.azimuth[0] <= seen[0] <= family.azimuth[1]
            assert family.elevation[0] <= seen[1] <= family.elevation[1]
            low, high = design.FILLS[picture.conditions["distance"]]
            assert low - 0.001 <= at.fill <= high + 0.001
            assert max(map(abs, at.shift)) + at.fill <= 0.91
            assert all(catalog.family(other).name != family.name for other in at.others)


def test_a_family_without_room_for_a_band_is_an_error_that_names_it():
    narrow = replace(families()[0], azimuth=(18.0, 22.0), elevation=(44.0, 46.0))
    catalog = Catalog("small", (narrow, families()[1]), 1, Counts(4, 1, 1, 4))
    far = next(p for p in plan(catalog) if p.conditions["view"] == "far" and p.family == "plate")
    with pytest.raises(SettingsError, match="family 'plate': no view 36 to 54 degrees"):
        pose(catalog, far)


def test_a_digest_changes_with_all_that_decides_the_pixels():
    catalog = small_catalog()
    picture = plan(catalog)[-1]
    before = digest(catalog, picture)
    assert digest(catalog, picture) == before
    assert digest(replace(catalog, seed=2), picture) != before
    other = {**picture.conditions, "light": "another"}
    assert digest(catalog, replace(picture, conditions=other)) != before
    family = catalog.family(picture.product_id)
    sibling = next(p for p in family.parts if p.product_id != picture.product_id)
    changed = tuple(replace(p, revision=2) if p == sibling else p for p in family.parts)
    families_ = tuple(
        replace(f, parts=changed) if f.name == family.name else f for f in catalog.families
    )
    # A sibling decides whether a pose will do.
    assert digest(replace(catalog, families=families_), picture) != before


def test_a_built_part_rests_on_the_ground_in_one_size():
    meshes = built(Part("P", "drawn_parts:plate", {"knobs": 3}))
    low = min(m.vertices[:, 2].min() for m in meshes)
    assert low == pytest.approx(0.0, abs=1e-9)
    spans = [(m.vertices.min(0), m.vertices.max(0)) for m in meshes]
    size = max(s[1][0] for s in spans) - min(s[0][0] for s in spans)
    assert 0.5 < size < 2.0
