"""Passes side by side: in order, no digit changed, nothing lost."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from embedding_builders import FaultyEmbedder, embed, photos, request
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

from pytest_prodbench import registry
from pytest_prodbench.embedding import ImageRequest, ModelHandle, embed_images
from pytest_prodbench.embedding import device as device_room
from pytest_prodbench.embedding import embed as room
from pytest_prodbench.embedding.batches import batch_of
from pytest_prodbench.embedding.device import choose_lanes
from pytest_prodbench.embedding.engines.running import BySize
from pytest_prodbench.embedding.lanes import WAITING, Lanes
from pytest_prodbench.errors import EmbeddingError
from pytest_prodbench.settings.types import Head, ModelSpec, Preprocess, RunSettings

SMALL = Preprocess(size=(24, 24), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 4),
    naps=st.lists(st.sampled_from([0.0, 0.001, 0.004, None]), max_size=20),
)
def test_results_come_in_the_order_of_the_passes_and_errors_with_theirs(count, naps):
    def work(item):
        place, nap = item
        if nap is None:
            raise ValueError(str(place))
        time.sleep(nap)
        return place

    found = []
    with Lanes(count, work) as lanes:
        for item in enumerate(naps):
            lanes.begin(item)
            found += lanes.finished()
        found += lanes.finished(all_of_them=True)
        assert list(lanes.finished(all_of_them=True)) == []
    assert [item for item, _ in found] == list(enumerate(naps))
    for (place, nap), future in found:
        if nap is None:
            assert str(future.exception()) == str(place)
        else:
            assert future.result() == place


@pytest.mark.parametrize("count", [2, 3])
def test_passes_run_at_once_and_no_more_than_there_is_room_for(count):
    meet = threading.Barrier(count)
    begun = 0
    with Lanes(count, lambda _: meet.wait(30)) as lanes:
        for item in range(4 * count):
            lanes.begin(item)
            begun += 1 - len(list(lanes.finished()))
            assert begun <= (1 + WAITING) * count
        # A barrier lets nobody through who is alone.
        assert all(future.exception() is None for _, future in lanes.finished(all_of_them=True))


def test_one_lane_is_the_thread_of_the_caller():
    with Lanes(1, lambda _: threading.get_ident()) as lanes:
        lanes.begin(None)
        ((_, future),) = lanes.finished()
    assert future.result() == threading.get_ident()


@pytest.mark.parametrize(
    ("threads", "workers", "processors", "lanes"),
    [
        (0, None, 8, 8),
        (0, "2", 8, 4),
        (0, "3", 8, 2),
        (0, "16", 8, 1),
        (0, "", 2, 2),
        (0, "0", 2, 2),
        (0, "many", 2, 2),
        (3, "2", 8, 3),
        (1, None, 8, 1),
    ],
)
def test_how_many_lanes(monkeypatch, threads, workers, processors, lanes):
    monkeypatch.setattr(device_room, "cpu_count", lambda: processors)
    monkeypatch.delenv("PYTEST_XDIST_WORKER_COUNT", raising=False)
    if workers is not None:
        monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", workers)
    assert choose_lanes(RunSettings(threads=threads)) == lanes


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("headed", [False, True])
def test_no_number_of_lanes_changes_a_bit(tmp_path, engine, headed):
    paths = photos(tmp_path / "photos", 23)
    # Two files of the same pixels, far apart and side by side.
    for name in ("3b.png", "4.5.png"):
        Image.open(paths[3]).save(tmp_path / "photos" / name, compress_level=1)
    requests = [request(path) for path in sorted((tmp_path / "photos").iterdir())]
    head = None
    if headed:
        weights = torch.linspace(-1, 1, 60).reshape(5, 12).contiguous()
        save_file({"weight": weights}, tmp_path / "head.safetensors")
        head = Head(weights=tmp_path / "head.safetensors")
    spec = ModelSpec(
        name="tried",
        library="module",
        identifier="engine_networks:Plain",
        preprocess=SMALL,
        engine=engine,
        head=head,
    )
    found = []
    for threads in (1, 2, 3):
        run = RunSettings(cache_dir=tmp_path / f"{threads}", device="cpu", threads=threads)
        model = ModelHandle(spec, run)
        assert model.load().side_by_side
        found.append(embed_images(requests, model, run, dataset="tried"))
    assert found[0].embedded == len({one.key for one in requests})
    for other in found[1:]:
        assert np.array_equal(other.vectors, found[0].vectors)
        assert other.pixels == found[0].pixels


def test_each_size_is_made_once_whoever_asks_first():
    made = []

    def make(size):
        time.sleep(0.01)
        made.append(size)
        return object()

    sizes = BySize(make)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(sizes, [4, 4, 1, 4, 1, 4]))
    assert sorted(made) == [1, 4]
    assert len({id(one) for one in found}) == 2
    assert found[0] is found[1] is sizes(4)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_session_of_one_size_gives_what_one_of_another_gives(tmp_path, engine):
    """Its padding is part of its convolutions, and no batch is too large or too small."""
    spec = ModelSpec(
        name="tried", library="timm", identifier="tf_efficientnet_lite0", engine=engine
    )
    found = []
    batch = torch.rand(5, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    for size in (1, 4):
        run = RunSettings(cache_dir=tmp_path, device="cpu", threads=1, batch_size=size)
        embedder = ModelHandle(spec, run).load()
        found += [
            torch.cat([embedder.embed(part) for part in batch.split(step)]) for step in (1, 2, 5)
        ]
    for other in found[1:]:
        assert torch.nn.functional.cosine_similarity(found[0], other).min() > 1 - 1e-6


class SideBySideFaults(FaultyEmbedder):
    """Passes of which several may run; the one with the red image waits until the next is through."""

    side_by_side = True

    def __init__(self, fault):
        super().__init__(fault)
        self.passed = threading.Event()

    def embed(self, batch):
        assert batch.is_contiguous()
        red = (batch[:, 0].amin((1, 2)) > 0.99).any()
        if red:
            assert self.passed.wait(30)
        found = super().embed(batch)
        if not red and len(self.calls) > 1:
            self.passed.set()
        return found


class SideBySideLibrary:
    def files(self, spec):
        return None

    def load(self, spec, device):
        return SideBySideFaults(spec.identifier)


def test_what_other_lanes_were_at_is_kept_when_one_goes_wrong(tmp_path):
    registry.add("prodbench.models", "side-by-side", SideBySideLibrary)
    paths = photos(tmp_path / "photos", 12)
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    paths.insert(5, tmp_path / "red.png")
    requests = [request(path) for path in paths]
    run = RunSettings(cache_dir=tmp_path / "cache", device="cpu", threads=2)

    def embedded(some: list[ImageRequest]):
        spec = ModelSpec(name="tried", library="side-by-side", identifier="nan")
        return embed_images(some, ModelHandle(spec, run), run, dataset="tried")

    with pytest.raises(EmbeddingError, match=r"red\.png"):
        embedded(requests)
    # The second batch of four is lost; the third had begun before it was known.
    assert embedded(requests[:4]).embedded == 0
    assert embedded(requests[8:12]).embedded == 0


def test_a_model_that_says_nothing_has_one_lane(tmp_path, monkeypatch):
    lanes = []
    monkeypatch.setattr(
        room, "Lanes", lambda count, work: lanes.append(count) or Lanes(count, work)
    )
    requests = [request(path) for path in photos(tmp_path / "photos", 5)]
    embed(requests, tmp_path / "cache", "faulty:none")
    spec = ModelSpec(name="tried", library="faulty", identifier="none")
    run = RunSettings(cache_dir=tmp_path / "other", device="cpu", threads=4)
    embed_images(requests, ModelHandle(spec, run), run, dataset="tried")
    assert lanes == [1, 1]


def test_a_batch_for_lanes_stays_in_its_order_of_memory():
    features = [torch.zeros(3, 4, 5), torch.ones(3, 4, 5)]
    plain = batch_of(SideBySideFaults("none"), features, "cpu")
    usual = batch_of(FaultyEmbedder("none"), features, "cpu")
    assert plain.is_contiguous()
    assert usual.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain, usual)
