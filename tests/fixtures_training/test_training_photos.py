"""Batches hold look-alikes and nothing that is held back; what is done to an image keeps what it shows."""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest
import torch

from fixtures.training.photos import Photos, batches, cosine_rate, prepared, varied
from fixtures.training.training import Recipe, frozen_parts, mixed, normalised, pretrained

FAMILIES, EACH, IMAGES = 7, 8, 6


@pytest.fixture(scope="module")
def photos():
    count = FAMILIES * EACH * IMAGES
    products = np.repeat(np.arange(FAMILIES * EACH), IMAGES)
    families = products // EACH
    return Photos(
        torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8),
        products,
        families,
        np.tile(np.arange(IMAGES) == 0, FAMILIES * EACH),
        families >= FAMILIES - 2,
        tuple(f"p{k}" for k in range(FAMILIES * EACH)),
    )


def test_an_epoch_has_each_product_once_with_its_catalog_image(photos):
    seen: Counter[int] = Counter()
    for rows in batches(photos, np.random.default_rng(3), 2, 4, 4):
        assert not photos.held_back[rows].any()
        per_product = Counter(photos.products[rows].tolist())
        assert set(per_product.values()) == {4}
        assert len(set(rows.tolist())) == len(rows)
        for product in per_product:
            mine = rows[photos.products[rows] == product]
            assert photos.gallery[mine].sum() == 1
        for count in Counter(photos.families[rows[::4]].tolist()).values():
            assert count in (4, 8)  # look-alikes stand together
        seen.update(per_product.keys())
    assert set(seen) == set(photos.products[~photos.held_back].tolist())
    assert set(seen.values()) == {1}


def test_the_same_draws_give_the_same_epoch(photos):
    one, two = (
        [b.tolist() for b in batches(photos, np.random.default_rng(5), 2, 4, 4)] for _ in "ab"
    )
    assert one == two


def test_varied_images_keep_shape_and_range_and_are_repeatable(photos):
    pixels = photos.pixels[:8]
    one, two = (varied(pixels, 48, np.random.default_rng(1), (0.6, 1.0)) for _ in "ab")
    assert one.shape == (8, 3, 48, 48)
    assert one.dtype == torch.float32
    assert float(one.min()) >= 0.0
    assert float(one.max()) <= 1.0
    assert torch.equal(one, two)


def test_varied_images_are_never_mirrored():
    """A bright left edge stays on the left, however often it is drawn."""
    pixels = torch.zeros(64, 3, 64, 64, dtype=torch.uint8)
    pixels[:, :, :, :24] = 255
    out = varied(pixels, 64, np.random.default_rng(0), (0.9, 1.0)).mean((1, 2))
    assert (out[:, :12].mean(1) > out[:, -12:].mean(1)).all()


def test_prepared_is_the_middle_that_the_finished_model_sees():
    pixels = torch.zeros(1, 3, 160, 160, dtype=torch.uint8)
    pixels[:, :, 10:150, 10:150] = 255
    out = prepared(pixels, 224)
    assert out.shape == (1, 3, 224, 224)
    assert float(out.min()) > 0.99


def test_the_rate_rises_then_falls():
    rates = [cosine_rate(step, 100, 10) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_a_mean_of_states():
    first = {"w": torch.tensor([0.0, 2.0]), "n": torch.tensor(1)}
    last = {"w": torch.tensor([1.0, 4.0]), "n": torch.tensor(7)}
    assert torch.equal(mixed(first, last, 0.0)["w"], first["w"])
    assert torch.equal(mixed(first, last, 1.0)["w"], last["w"])
    assert torch.equal(mixed(first, last, 0.25)["w"], torch.tensor([0.25, 2.5]))
    assert mixed(first, last, 0.0)["n"] == 7


def test_one_step_moves_what_is_trained_and_nothing_else():
    """The loss falls on a batch that is repeated; stem and first blocks stay those of ImageNet."""
    if os.environ.get("PRODBENCH_REQUIRE_PEERS") != "1":
        pytest.importorskip("pytorch_metric_learning")
    from pytorch_metric_learning.losses import SupConLoss

    torch.manual_seed(0)
    model, recipe = pretrained().eval(), Recipe()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for part in frozen_parts(model, recipe.frozen):
        part.requires_grad_(requires_grad=False)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], 1e-3)
    images = normalised(torch.rand(8, 3, 64, 64))
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 3, 3])
    losses = []
    for _ in range(6):
        loss = SupConLoss(temperature=recipe.temperature)(
            torch.nn.functional.normalize(model(images)), labels
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    after = model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("blocks.6") for name in moved)
    assert not any(name.startswith(("conv_stem", "bn1", "blocks.0", "blocks.2")) for name in moved)
