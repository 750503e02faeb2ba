"""The cache: whole blocks or none, damage found, nothing lost to a kill, nothing done twice."""

from __future__ import annotations

import json
import os
import re
import signal
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from embedding_builders import child, embed, handle, photos, request
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_prodbench.embedding import embed as room
from pytest_prodbench.embedding.cache import CacheWarning, VectorCache


def blocks(cache: Path) -> list[Path]:
    return sorted(cache.glob("vectors/*/*.safetensors"))


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """Eight images in two blocks."""
    monkeypatch.setattr(room, "BLOCK_IMAGES", 4)
    requests = [request(path) for path in photos(tmp_path / "photos", 8)]
    vectors = embed(requests, tmp_path / "cache").vectors
    assert len(blocks(tmp_path / "cache")) == 2
    return requests, tmp_path / "cache", vectors


def flip(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


DAMAGE = {
    "one bit": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "rubbish": lambda path: path.write_bytes(b"\xff" * 1000),
    "name": lambda path: path.rename(path.with_name("ab" * 16 + ".safetensors")),
    "tensors": lambda path: path.write_bytes(b"\x02\0\0\0\0\0\0\0{}"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_block_is_named_and_made_again(filled, kind):
    requests, cache, vectors = filled
    damaged, sound = blocks(cache)
    DAMAGE[kind](damaged)
    (damaged,) = set(blocks(cache)) - {sound}
    with pytest.warns(CacheWarning) as caught:
        found = embed(requests, cache)
    assert [Path(str(each.message).partition(": damaged")[0]) for each in caught] == [damaged]
    assert (found.embedded, found.cached) == (4, 4)
    assert found.vectors.tobytes() == vectors.tobytes()
    assert embed(requests, cache).cached == 8


@pytest.mark.filterwarnings("error::pytest_prodbench.embedding.cache.CacheWarning")
def test_where_warnings_are_errors_the_damage_is_met_once(filled):
    requests, cache, vectors = filled
    flip(blocks(cache)[0])
    with pytest.raises(CacheWarning):
        embed(requests, cache)
    assert embed(requests, cache).vectors.tobytes() == vectors.tobytes()


def test_leftovers_of_a_kill_are_not_read(filled):
    requests, cache, _ = filled
    block = blocks(cache)[0]
    (block.parent / f".{block.name}.abc.part").write_bytes(b"half")
    assert embed(requests, cache).cached == 8


def test_the_key_is_written_in_words(filled):
    _, cache, _ = filled
    (described,) = cache.glob("vectors/*/key.json")
    words = json.loads(described.read_text())
    assert words["identifier"] == "test_vit"
    assert {"weights", "preprocessing", "precision", "versions", "pooling"} <= set(words)
    assert str(cache.parent) not in described.read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"checkpoint": "random:1"},
        {"pooling": "mean"},
        {"pooling": "gem"},
        {"pooling": "gem", "gem_power": 2.0},
        {"source": "timm:test_vit2"},
    ],
)
def test_another_model_is_another_cache(tmp_path, change):
    requests = [request(path) for path in photos(tmp_path / "photos", 2)]
    embed(requests, tmp_path / "cache")
    assert embed(requests, tmp_path / "cache", **change).cached == 0
    assert embed(requests, tmp_path / "cache").cached == 2


def test_what_decides_a_vector_decides_the_key(tmp_path):
    model = handle(tmp_path)
    key = model.cache_key()
    folders = {VectorCache(tmp_path, key).folder}
    for name in key:
        folders.add(VectorCache(tmp_path, {**key, name: "changed"}).folder)
    assert len(folders) == len(key) + 1
    assert {"weights", "preprocessing", "precision", "device", "versions", "pooling"} <= set(key)
    assert key["engine"] == ["onnxruntime", version("onnxruntime")]
    model.device = "cuda:3"
    assert model.cache_key()["device"] == "cuda"
    reduced = handle(tmp_path, engine="torch", engine_precision="bfloat16").cache_key()
    assert reduced["precision"] == "bfloat16"
    assert reduced["engine"] == ["torch", version("torch")]


def test_the_name_of_a_model_is_no_part_of_the_key(tmp_path):
    one, other = handle(tmp_path), handle(tmp_path)
    other.spec = one.spec.model_copy(update={"name": "renamed", "where": "elsewhere"})
    assert one.cache_key() == other.cache_key()


keys = st.binary(min_size=32, max_size=32)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(keys, keys, min_size=1, max_size=5), max_size=4), st.lists(keys))
def test_what_was_added_is_found_and_nothing_else(tmp_path_factory, written, others):
    cache = VectorCache(tmp_path_factory.mktemp("cache"), {"a": 1})
    expected: dict[bytes, set[bytes]] = {}
    for block in written:
        vectors = np.frombuffer(b"".join(block), np.uint8).reshape(-1, 32).astype(np.float32)
        cache.add(list(block), list(block.values()), vectors)
        for key, pixels in block.items():
            expected.setdefault(key, set()).add(pixels)
    found = cache.find([*expected, *others])
    assert set(found) == set(expected)
    for key, (pixels, vector) in found.items():
        assert pixels in expected[key]
        assert bytes(vector.astype(np.uint8)) == key


REMEMBERED = """
import hashlib, json
from pytest_prodbench.embedding import ImageRequest, ModelHandle, embed_images
from pytest_prodbench.settings.types import ModelSpec, RunSettings
folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
spec = ModelSpec(name="m", library="timm", identifier="tf_efficientnet_lite0")
settings = RunSettings(cache_dir=cache, threads=1, device="cpu")
requests = [
    ImageRequest(p.name, p, hashlib.sha256(p.read_bytes()).hexdigest(), None)
    for p in sorted(folder.iterdir())
]
model = ModelHandle(spec, settings)
found = embed_images(requests, model, settings, dataset="tried")
heavy = sorted({"torch", "timm", "transformers", "open_clip", "torchvision"} & set(sys.modules))
print(json.dumps([found.embedded, found.cached, model.loaded, heavy, found.vectors.sum().item()]))
"""


def test_a_cache_hit_loads_no_model_and_imports_no_torch(tmp_path):
    photos(tmp_path / "photos", 3)

    def run():
        process = child(REMEMBERED, tmp_path / "photos", tmp_path / "cache")
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        return json.loads(out)

    cold, warm = run(), run()
    assert cold[:3] == [3, 0, True]
    assert "torch" in cold[3]
    assert warm == [0, 3, False, [], cold[4]]


WORK = """
import time
from embedding_builders import embed, register_faulty, request
from pytest_prodbench.embedding import embed as room
register_faulty()
room.BLOCK_IMAGES = 16
folder, cache, stop = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])

def progress(event):
    if event.done == 4:
        print("begun", flush=True)
    if event.done >= stop:
        print("stopped", flush=True)
        time.sleep(600)

requests = [request(path) for path in sorted(folder.iterdir())]
found = embed(requests, cache, "faulty:none", on_progress=progress)
print(found.embedded, found.cached, flush=True)
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    paths = photos(tmp_path / "photos", 100)
    process = child(WORK, tmp_path / "photos", tmp_path / "cache", 72)
    assert process.stdout is not None
    assert [process.stdout.readline().strip() for _ in range(2)] == ["begun", "stopped"]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    requests = [request(path) for path in paths]
    found = embed(requests, tmp_path / "cache", "faulty:none")
    # 72 were embedded, and the last whole block ended at 64.
    assert (found.embedded, found.cached) == (36, 64)
    whole = embed(requests, tmp_path / "other", "faulty:none").vectors
    assert found.vectors.tobytes() == whole.tobytes()


def test_two_processes_embed_each_image_once(tmp_path):
    photos(tmp_path / "photos", 60)
    processes = [child(WORK, tmp_path / "photos", tmp_path / "cache", 1000) for _ in range(2)]
    outs = [process.communicate(timeout=120)[0].split("\n") for process in processes]
    assert sorted(out[-2] for out in outs) == ["0 60", "60 0"]


@pytest.fixture
def checkpoint(tmp_path):
    """A weight file of a tiny architecture, as a team's own would lie there."""
    import timm
    from safetensors.torch import save_file

    def write(seed):
        import torch

        torch.manual_seed(seed)
        network = timm.create_model("test_vit", pretrained=False)
        save_file(network.state_dict(), tmp_path / "own.safetensors")
        return tmp_path / "own.safetensors"

    return write


def test_a_remembered_model_is_not_loaded(tmp_path, checkpoint):
    path = checkpoint(1)
    requests = [request(each) for each in photos(tmp_path / "photos", 2)]
    first = embed(requests, tmp_path / "cache", checkpoint=str(path))
    model = handle(tmp_path / "cache", checkpoint=str(path))
    assert model.identity.weights_digest
    assert not model.loaded
    assert first.embedded == 2


def test_other_weights_of_equal_size_and_time_are_noticed(tmp_path, checkpoint):
    path = checkpoint(1)
    before = path.stat()
    requests = [request(each) for each in photos(tmp_path / "photos", 2)]
    first = embed(requests, tmp_path / "cache", checkpoint=str(path))
    checkpoint(2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    second = embed(requests, tmp_path / "cache", checkpoint=str(path))
    assert second.embedded == 2
    assert not np.array_equal(first.vectors, second.vectors)


def test_the_same_weights_under_another_name_are_the_same_model(tmp_path, checkpoint):
    path = checkpoint(1)
    requests = [request(each) for each in photos(tmp_path / "photos", 2)]
    embed(requests, tmp_path / "cache", checkpoint=str(path))
    moved = path.rename(tmp_path / "moved.safetensors")
    assert embed(requests, tmp_path / "cache", checkpoint=str(moved)).cached == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": []}', '{"files": 3, "identity": {}}'])
def test_a_damaged_memo_is_only_a_shortcut_lost(tmp_path, text):
    requests = [request(each) for each in photos(tmp_path / "photos", 2)]
    embed(requests, tmp_path / "cache")
    (memo,) = (tmp_path / "cache/models").iterdir()
    assert re.fullmatch("[0-9a-f]{32}[.]json", memo.name)
    memo.write_text(text)
    assert embed(requests, tmp_path / "cache").cached == 2
    assert json.loads(memo.read_text())["identity"]["dimension"] == 64


def test_the_code_of_a_library_is_part_of_what_is_remembered(tmp_path):
    embed([request(each) for each in photos(tmp_path / "photos", 1)], tmp_path / "cache")
    (memo,) = (tmp_path / "cache/models").iterdir()
    assert any(
        name.endswith("models/timm.py") for name, *_ in json.loads(memo.read_text())["files"]
    )


def test_a_cache_that_has_everything_is_read_without_a_lock(filled, monkeypatch):
    """It may lie on a read-only disk, where no lock file can be made."""

    def refuse(*_):
        raise OSError("read-only file system")

    requests, cache, vectors = filled
    monkeypatch.setattr(VectorCache, "lock", refuse)
    np.testing.assert_array_equal(embed(requests, cache).vectors, vectors)
