"""The trivial models: by their definitions, in loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pytest_prodbench.errors import ImageError, ModelError
from pytest_prodbench.evaluation import evaluate_embeddings
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.models.baselines import EDGES

NAMES = tuple(EDGES)


def vectors(model: Embedder, *images: Image.Image) -> torch.Tensor:
    return model.embed(torch.stack([model.preprocess(image) for image in images]))


def cosine(left: torch.Tensor, right: torch.Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(left, right, dim=0))


def noise(seed: int, low: int = 0, high: int = 255) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(low, high + 1, (40, 56, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_the_cosine_of_pixels_is_their_correlation(load: Callable[..., Embedder]) -> None:
    model = load("baseline:pixels")
    pair = noise(1), noise(2, 0, 200)
    found = cosine(*vectors(model, *pair))
    small = [np.asarray(image.resize((32, 32), Image.Resampling.BICUBIC)).ravel() for image in pair]
    assert found == pytest.approx(np.corrcoef(*small)[0, 1], abs=1e-4)


def test_the_cosine_of_histograms_is_bhattacharyyas_coefficient(
    load: Callable[..., Embedder],
) -> None:
    model = load("baseline:colour-histogram")
    pair = noise(3), noise(4, 30, 180)
    found = cosine(*vectors(model, *pair))
    shares = []
    for image in pair:
        counts: dict[tuple[int, ...], int] = {}
        for pixel in np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC)).reshape(-1, 3):
            colour = tuple(min(7, int(value / 255 * 8)) for value in pixel)
            counts[colour] = counts.get(colour, 0) + 1
        shares.append({colour: count / 64**2 for colour, count in counts.items()})
    expected = sum(
        (share * shares[1].get(colour, 0.0)) ** 0.5 for colour, share in shares[0].items()
    )
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_any_image_has_a_direction_and_its_batch_changes_nothing(
    name: str, load: Callable[..., Embedder], images: dict[str, Image.Image]
) -> None:
    model = load(f"baseline:{name}")
    flat = [Image.new("RGB", (9, 9), colour) for colour in ("black", "white", "gray")]
    every = [*images.values(), *flat]
    together = vectors(model, *every)
    assert together.shape == (len(every), model.identity.dimension)
    assert together.isfinite().all()
    assert (together.norm(dim=1) > 0).all()
    for image, vector in zip(every, together, strict=True):
        torch.testing.assert_close(vectors(model, image)[0], vector, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_picture_is_found_and_a_sliver_refused(
    name: str, load: Callable[..., Embedder]
) -> None:
    model = load(f"baseline:{name}")
    pictures = [noise(seed, 10 * seed, 120 + 12 * seed) for seed in range(8)]
    unit = vectors(model, *pictures).numpy()
    ids = [str(seed) for seed in range(8)]
    assert evaluate_embeddings(unit, unit, ids, ids).measurement.metrics["recall@1"].value == 1.0
    with pytest.raises(ImageError, match="too long and thin"):
        model.preprocess(Image.new("RGB", (5000, 2)))


@pytest.mark.parametrize(
    ("identifier", "fields", "said"),
    [
        ("median", {}, "expected baseline:pixels or baseline:colour-histogram"),
        ("pixels", {"checkpoint": "random:1"}, "checkpoint 'random:1'; expected none"),
        ("pixels", {"revision": "main"}, "revision 'main'; expected none"),
        ("colour-histogram", {"pooling": "cls"}, "pooling 'cls'; expected default"),
    ],
)
def test_what_it_has_not_is_an_error(
    identifier: str, fields: dict[str, Any], said: str, spec: Any
) -> None:
    model = spec(f"baseline:{identifier}", **fields)
    with pytest.raises(ModelError, match=said):
        library_for(model).load(model, torch.device("cpu"))


def test_each_has_an_identity_of_its_own(load: Callable[..., Embedder]) -> None:
    identities = [load(f"baseline:{name}").identity for name in NAMES]
    assert len({identity.weights_digest for identity in identities}) == len(NAMES)
    assert len({identity.preprocessing for identity in identities}) == len(NAMES)
