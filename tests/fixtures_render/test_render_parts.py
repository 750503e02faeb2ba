"""The parts of the catalogs: enough of them, all different, seen from where their differences show."""

from collections import Counter

import pytest

from fixtures.render.sectors import SECTORS, catalog, families
from pytest_prodbench.rendering.pictures import plan, pose

FAMILIES = [family for sector in SECTORS for family in families(sector)]


@pytest.mark.parametrize("sector", SECTORS)
def test_ten_families_of_twenty_six(sector):
    assert [len(family.parts) for family in families(sector)] == [26] * 10


def test_ids_are_unique_strings_and_some_look_like_numbers():
    ids = [part.product_id for family in FAMILIES for part in family.parts]
    assert len(set(ids)) == len(ids)
    assert len({name.casefold() for name in ids}) == len(ids)
    for sector in SECTORS:
        own = [part.product_id for family in families(sector) for part in family.parts]
        assert sum(name.isdigit() and name.startswith("0") for name in own) >= (
            0 if sector == "manufacturing" else 10
        )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_siblings_differ_in_their_parameters(family):
    looks = [repr(sorted(part.parameters.items())) for part in family.parts]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_nearly_every_product_has_a_sibling_that_differs_in_one_thing_or_two(family):
    def nearest(part):
        return min(
            sum(
                part.parameters.get(key) != other.parameters.get(key)
                for key in {*part.parameters, *other.parameters}
            )
            for other in family.parts
            if other is not part
        )

    assert sum(1 <= nearest(part) <= 2 for part in family.parts) >= 24


@pytest.mark.parametrize("sector", SECTORS)
def test_the_limits_of_every_family_leave_room_for_every_view(sector):
    made = catalog(sector)
    for picture in plan(made):
        pose(made, picture)


@pytest.mark.parametrize("sector", SECTORS)
def test_counts_of_a_sector(sector):
    made = catalog(sector)
    pictures = plan(made)
    gallery = Counter(p.product_id for p in pictures if p.role == "gallery")
    queries = Counter(p.product_id for p in pictures if p.role == "query")
    assert len(set(gallery) & set(queries)) == 100
    assert len(set(gallery) - set(queries)) == 150
    assert len(set(queries) - set(gallery)) == 10
    assert set(queries.values()) == {4}
    assert set(gallery.values()) == {1, 2, 3}
