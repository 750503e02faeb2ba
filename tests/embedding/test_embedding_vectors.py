"""The vectors are those of the plain way: decode, crop, preprocess, forward, one image at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from embedding_builders import FaultyLibrary, embed, handle, photo, photos, request
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pytest_prodbench.embedding import ProgressEvent

MODELS = ["timm:test_vit", "timm:test_efficientnet", "timm:test_convnext"]


def plainly(requests, cache, source):
    embedder = handle(cache, source).load()
    out = []
    for each in requests:
        image = Image.open(each.path).convert("RGB")
        if each.box is not None:
            x, y, width, height = map(int, each.box)
            image = image.crop((x, y, x + width, y + height))
        with torch.inference_mode():
            out.append(embedder.embed(embedder.preprocess(image)[None]).float().numpy()[0])
    return np.stack(out)


def cosines(left, right):
    left, right = left.astype(np.float64), right.astype(np.float64)
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return (left * right).sum(axis=1) / norms


@pytest.mark.parametrize("source", MODELS)
def test_vectors_are_those_of_the_plain_way(tmp_path, source):
    paths = photos(tmp_path / "photos", 7)
    requests = [request(path) for path in paths]
    requests += [
        request(paths[0], (2.0, 3.0, 12.0, 9.0)),
        request(paths[0], (0.0, 0.0, 24.0, 18.0)),
    ]
    found = embed(requests, tmp_path / "cache", source)
    assert found.vectors.dtype == np.float32
    assert cosines(found.vectors, plainly(requests, tmp_path / "cache", source)).min() >= 0.99999
    assert found.embedded == 9


def test_the_trained_model_too(tmp_path):
    requests = [request(path) for path in photos(tmp_path / "photos", 3)]
    source = "timm:tf_efficientnet_lite0"
    found = embed(requests, tmp_path / "cache", source, checkpoint=None)
    embedder = handle(tmp_path / "cache", source, checkpoint=None).load()
    with torch.inference_mode():
        alone = [
            embedder.embed(embedder.preprocess(Image.open(each.path))[None])[0] for each in requests
        ]
    assert cosines(found.vectors, torch.stack(alone).numpy()).min() >= 0.99999


@pytest.mark.parametrize("source", MODELS)
def test_batches_of_any_size_agree(tmp_path, source):
    requests = [request(path) for path in photos(tmp_path / "photos", 7)]
    one, four, seven = (
        embed(requests, tmp_path / f"cache{size}", source, batch_size=size).vectors
        for size in (1, 4, 7)
    )
    # Not bit for bit: a backend may choose another kernel for another batch. The bound is what
    # float32 leaves of a sum of a few thousand terms.
    for other in (four, seven):
        assert np.abs(one - other).max() <= 1e-5 * np.abs(one).max()
        assert cosines(one, other).min() >= 0.9999999


@pytest.mark.parametrize("source", MODELS)
def test_neither_order_nor_company_changes_a_bit(tmp_path, source):
    requests = [request(path) for path in photos(tmp_path / "photos", 6)]
    forwards = embed(requests, tmp_path / "a", source).vectors
    backwards = embed(requests[::-1], tmp_path / "b", source).vectors[::-1]
    alone = embed(requests[:1], tmp_path / "c", source).vectors
    assert forwards.tobytes() == np.ascontiguousarray(backwards).tobytes()
    assert forwards[0].tobytes() == alone[0].tobytes()


def test_equal_bytes_are_embedded_once(tmp_path):
    (path,) = photos(tmp_path / "photos", 1)
    copy = path.with_name("copy.png")
    copy.write_bytes(path.read_bytes())
    found = embed([request(path), request(copy), request(path)], tmp_path / "cache", "faulty:none")
    assert (found.embedded, found.cached) == (1, 0)
    assert FaultyLibrary.loaded.calls == [4]  # one batch, padded to its full size
    assert np.array_equal(found.vectors, found.vectors[[0, 0, 0]])


def same_pixels_twice(folder):
    folder.mkdir()
    photo(1).save(folder / "small.png", compress_level=9)
    photo(1).save(folder / "large.png", compress_level=0)
    return request(folder / "small.png"), request(folder / "large.png")


def test_equal_pixels_in_two_files_have_one_vector(tmp_path):
    small, large = same_pixels_twice(tmp_path / "photos")
    assert small.file_digest != large.file_digest
    others = [request(path) for path in photos(tmp_path / "others", 6)]
    found = embed([small, *others, large], tmp_path / "cache", "faulty:noise")
    assert found.pixels[0] == found.pixels[-1]
    assert found.vectors[0].tobytes() == found.vectors[-1].tobytes()
    assert found.pixels[1] != found.pixels[0]


def test_equal_pixels_have_one_vector_even_if_embedded_in_different_runs(tmp_path):
    small, large = same_pixels_twice(tmp_path / "photos")
    others = [request(path) for path in photos(tmp_path / "others", 3)]
    first = embed([small], tmp_path / "cache", "faulty:noise").vectors[0]
    second = embed([large, *others], tmp_path / "cache", "faulty:noise").vectors[0]
    assert not np.array_equal(first, second)
    both = embed([small, large], tmp_path / "cache", "faulty:noise")
    assert both.cached == 2
    assert both.vectors[0].tobytes() == both.vectors[1].tobytes()
    turned = embed([large, small], tmp_path / "cache", "faulty:noise")
    assert turned.vectors.tobytes() == both.vectors.tobytes()


def test_boxes_are_images_of_their_own(tmp_path):
    (path,) = photos(tmp_path / "photos", 1)
    boxes = [
        None,
        (0.0, 0.0, 12.0, 9.0),
        (12.0, 9.0, 12.0, 9.0),
        (0, 0, 12, 9),
        (-0.0, 0.0, 12.0, 9.0),
    ]
    found = embed([request(path, box) for box in boxes], tmp_path / "cache")
    assert found.embedded == 3
    assert len({vector.tobytes() for vector in found.vectors}) == 3
    assert len(set(found.pixels)) == 1  # of the whole image: which photo it is


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twelve")
    requests = [request(path) for path in photos(folder / "photos", 12)]
    return folder, requests, embed(requests, folder / "all", "faulty:none").vectors


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 11), min_size=1, max_size=30),
    st.lists(st.integers(0, 11), max_size=8),
    st.integers(1, 5),
)
def test_each_distinct_image_exactly_once(twelve, tmp_path_factory, asked, before, batch_size):
    _, requests, vectors = twelve
    cache = tmp_path_factory.mktemp("cache")
    if before:
        embed([requests[i] for i in before], cache, "faulty:none")
    events: list[ProgressEvent] = []
    found = embed(
        [requests[i] for i in asked],
        cache,
        "faulty:none",
        batch_size=batch_size,
        on_progress=events.append,
    )
    assert np.array_equal(found.vectors, vectors[asked])
    assert found.cached == len(set(asked) & set(before))
    assert found.embedded == len(set(asked) - set(before))
    if found.embedded:
        done = [event.done for event in events]
        assert done[0] == 0
        assert done == sorted(done)
        assert (done[-1], events[-1].total) == (found.embedded, found.embedded)
    else:
        assert not events


def test_progress_in_numbers():
    start, middle = ProgressEvent(0, 10, 3, 0.0), ProgressEvent(4, 10, 3, 2.0)
    assert (start.rate, start.seconds_left) == (0.0, None)
    assert (middle.rate, middle.seconds_left) == (2.0, 3.0)
