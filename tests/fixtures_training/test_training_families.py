"""What the domain model is trained on: families that no catalog has, and look-alikes within each."""

from __future__ import annotations

import json
import os

import pytest

from fixtures.render.sectors import SECTORS
from fixtures.render.sectors import families as catalog_families
from fixtures.training.families import (
    HELD_BACK,
    PORTIONS,
    PRODUCTS,
    is_held_back,
    portion,
    templates,
)
from fixtures.training.template import VARIED, drawn

NUMBERS = range(PORTIONS)


def every_family():
    return [family for number in NUMBERS for family in portion(number).families]


def test_no_family_builder_or_product_is_one_of_a_catalog():
    """The model must not have seen what it is tested on: neither the things nor their dimensions."""
    known = [family for sector in SECTORS for family in catalog_families(sector)]
    builders = {part.build for family in known for part in family.parts}
    made = {(part.build, json.dumps(dict(part.parameters), sort_keys=True))
            for family in known for part in family.parts}  # fmt: skip
    products = {part.product_id for family in known for part in family.parts}
    assert len(known) == 40
    for family in every_family():
        assert family.name not in {other.name for other in known}
        assert family.name.rpartition("-")[0] not in {other.name for other in known}
        for part in family.parts:
            assert part.build not in builders
            assert part.product_id not in products
            assert (part.build, json.dumps(dict(part.parameters), sort_keys=True)) not in made


def test_every_family_is_a_set_of_distinct_look_alikes():
    for family in every_family():
        assert len(family.parts) == PRODUCTS
        every = [dict(part.parameters) for part in family.parts]
        texts = {json.dumps(values, sort_keys=True) for values in every}
        assert len(texts) == PRODUCTS, family.name
        differing = [name for name in every[0] if len({str(v[name]) for v in every}) > 1]
        assert 1 <= len(differing) <= VARIED, family.name


def test_families_of_one_template_differ():
    for template in templates():
        first, second = (
            {json.dumps(dict(part.parameters), sort_keys=True) for part in family.parts}
            for family in (drawn(template, n, PRODUCTS, 2026) for n in (0, 1))
        )
        assert first != second, template.name


def test_names_are_told_apart_over_all_portions():
    ids = [part.product_id for family in every_family() for part in family.parts]
    assert len(set(ids)) == len(ids) == PORTIONS * len(templates()) * PRODUCTS
    assert portion(0).name != portion(1).name


def test_what_is_held_back_is_whole_templates():
    names = {template.name for template in templates()}
    assert names > HELD_BACK
    kinds = {
        held: {f.name.rpartition("-")[0] for f in every_family() if is_held_back(f.name) == held}
        for held in (True, False)
    }
    assert kinds[True] == HELD_BACK
    assert not kinds[True] & kinds[False]


def test_the_draw_is_repeatable():
    assert portion(1) == portion(1)
    assert portion(1, seed=1) != portion(1, seed=2)


@pytest.mark.parametrize("template", templates(), ids=lambda template: template.name)
def test_every_builder_makes_something_of_its_values(template):
    if os.environ.get("PRODBENCH_REQUIRE_RENDER") != "1":
        pytest.importorskip("build123d")
    import numpy as np

    from pytest_prodbench.rendering.parts import built

    for part in drawn(template, 0, PRODUCTS, 2026).parts[:3]:
        meshes = built(part)
        points = np.concatenate([mesh.vertices for mesh in meshes])
        assert np.isfinite(points).all()
        assert points[:, 2].min() == pytest.approx(0.0, abs=1e-9)
        for mesh in meshes:
            assert mesh.faces.max() < len(mesh.vertices)
