"""Engines: the same vectors and ranks as torch's, proven, kept, made once; and torch where they are not."""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import shutil
import sys
import warnings
import weakref
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from embedding_builders import child, photo, photos
from engine_networks import MaskedLibrary
from transformers import CLIPVisionConfig, CLIPVisionModel

from pytest_prodbench import registry
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.embedding.batches import batch_of
from pytest_prodbench.embedding.cache import CacheWarning
from pytest_prodbench.embedding.engines import exporting, proof, running, silence
from pytest_prodbench.embedding.engines.proof import hits
from pytest_prodbench.embedding.engines.refusal import LONGEST, of_the_moment, told
from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.head import HeadedEmbedder
from pytest_prodbench.settings.types import Head, ModelSpec, Preprocess, RunSettings

SMALL = Preprocess(size=(24, 24), mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
ENGINES = ("onnxruntime", "openvino")


def made(cache: Path, source: str, **fields: Any) -> ModelHandle:
    library, _, identifier = source.partition(":")
    if library == "module" and not identifier.endswith(
        ("Shapeless", "Fastidious", "Knowing", "Weighing")
    ):
        fields.setdefault("preprocess", SMALL)
    options = ("device", "precision", "batch_size")
    run = {key: fields.pop(key) for key in options if key in fields}
    spec = ModelSpec(name="tried", library=library, identifier=identifier, **fields)
    return ModelHandle(spec, RunSettings(cache_dir=cache, **({"device": "cpu"} | run)))


def vectors(model: ModelHandle, count: int = 6) -> np.ndarray:
    embedder = model.load()
    batch = torch.stack([embedder.preprocess(photo(i, 60, 48)) for i in range(count)])
    with torch.inference_mode(), model.autocast():
        found = embedder.embed(batch).double()
    return (found / found.norm(dim=1, keepdim=True)).numpy()


def batch_embedded(embedder: Any, features: list[Any]) -> torch.Tensor:
    with torch.inference_mode():
        return embedder.embed(batch_of(embedder, features, "cpu")).double()


def refused(cache: Path, source: str, **fields: Any) -> ModelError:
    with pytest.raises(ModelError) as raised:
        made(cache, source, **fields).load()
    return raised.value


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def clip_tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random CLIP of open_clip, whose attention is torch's fused layer."""
    torch.manual_seed(0)
    vision = {"layers": 2, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}
    text = {"width": 16, "heads": 2, "layers": 1, "context_length": 8, "vocab_size": 50}
    config = {"embed_dim": 24, "vision_cfg": vision, "text_cfg": text}
    model = open_clip.CLIP(embed_dim=24, vision_cfg=vision, text_cfg=text)
    folder = tmp_path_factory.mktemp("clip")
    torch.save(model.state_dict(), folder / "open_clip_pytorch_model.bin")
    told = {
        "model_cfg": config,
        "preprocess_cfg": {"size": 32, "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="module")
def vision_tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random vision model of transformers."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("vision")
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    CLIPVisionModel(config).save_pretrained(folder)
    told = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(told))
    return folder


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("library", ["timm", "open_clip", "transformers", "module"])
def test_vectors_and_ranks_are_torchs(library, engine, cache, request):
    if library == "open_clip":
        source = {
            "source": "open_clip:small",
            "checkpoint": str(request.getfixturevalue("clip_tower")),
        }
    elif library == "transformers":
        source = {"source": f"transformers:{request.getfixturevalue('vision_tower')}"}
    else:
        names = {"timm": "timm:tf_efficientnet_lite0", "module": "module:engine_networks:Plain"}
        source = {"source": names[library]}
    torchs = made(cache, **source, engine="torch")
    other = made(cache, **source, engine=engine)
    expected, found = vectors(torchs), vectors(other)
    assert torchs.engine.name == "torch"
    assert torchs.engine.worst_cosine is None
    assert (other.engine.name, other.engine.version) == (engine, version(engine))
    assert (other.engine.precision, other.engine.changed_ranks) == ("float32", 0)
    assert other.engine.worst_cosine >= 1 - proof.BOUND
    assert (expected * found).sum(axis=1).min() >= 1 - proof.BOUND
    assert (np.argsort(-expected @ expected.T) == np.argsort(-found @ found.T)).all()
    assert other.cache_key() != torchs.cache_key()
    assert other.load().identity == torchs.load().identity


def test_auto_is_onnx_runtime_and_one_image_alone_is_as_in_a_batch(cache):
    model = made(cache, "module:engine_networks:Plain")
    together = vectors(model)
    assert model.engine.name == "onnxruntime"
    assert model.engine.reason == ""
    alone = np.concatenate([vectors(model, count=i)[-1:] for i in range(1, 7)])
    assert np.abs(together - alone).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Noisy", "1 − cosine to torch in float32 is above 1e-05 on sample images"),
        ("Choosing", "it cannot be exported to ONNX (TorchExportError: "),
        ("InPython", "its export has 0 inputs"),
        ("OfTwo", "onnxruntime cannot run the export ("),
        ("OneAtATime", "it does not take 2 images together (RuntimeError: shape '[1, 12]' is inv"),
        ("FewAtATime", "it does not take 4 sample images together (ValueError: too many"),
        ("Fastidious", "it does not take a sample image (ValueError: not this one)"),
        ("Shapeless", "the model has no fixed input size"),
        ("plain_callable", "module has no network that could be exported"),
    ],
)
def test_what_does_not_prove_itself_stays_with_torch_and_says_why(name, reason, cache, capfd):
    source = f"module:engine_networks:{name}"
    options = {"options": {"version": "1"}} if name == "plain_callable" else {}
    model = made(cache, source, **options)
    model.load()
    assert model.engine.name == "torch"
    assert model.engine.reason.startswith(f"onnxruntime: {reason}")
    assert str(cache) not in model.engine.reason
    assert "torch" in model.cache_key()["engine"]
    again = made(cache, source, **options)
    again.load()
    assert again.engine == model.engine
    error = refused(cache, source, engine="onnxruntime", **options)
    assert reason in error.found
    assert "onnxruntime" in error.found
    assert error.next_step
    # Exporters print pages on what they cannot do.
    assert capfd.readouterr() == ("", "")


def test_what_is_printed_below_python_stays_off_the_terminal(tmp_path, monkeypatch, capfd):
    traced = exporting._traced

    def printing(*arguments):
        ctypes.CDLL(None).puts(b"graph(%x : Float) from C")
        os.write(2, b"and from a descriptor\n")
        sys.stdout.write("and from Python\n")
        return traced(*arguments)

    monkeypatch.setattr(exporting, "_traced", printing)
    print("before")
    made(tmp_path, "module:engine_networks:Plain", engine="onnxruntime").load()
    print("after")
    ctypes.CDLL(None).fflush(None)
    assert capfd.readouterr() == ("before\nafter\n", "")


def test_descriptors_that_are_closed_stay_closed(monkeypatch):
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    monkeypatch.setattr(silence, "DESCRIPTORS", (write,))
    monkeypatch.setattr(sys, "stdout", None)
    with silence.silenced():
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(write)


@pytest.mark.parametrize("library", ["timm", "open_clip", "transformers", "module"])
def test_an_engine_keeps_no_network_of_torch_in_memory(library, cache, request):
    sources = {"timm": "timm:test_efficientnet", "module": "module:engine_networks:Plain"}
    checkpoint = {"timm": "random:3", "module": None}
    if library in sources:
        source = {"source": sources[library], "checkpoint": checkpoint[library]}
    elif library == "open_clip":
        folder = str(request.getfixturevalue("clip_tower"))
        source = {"source": "open_clip:small", "checkpoint": folder}
    else:
        source = {"source": f"transformers:{request.getfixturevalue('vision_tower')}"}
    model = made(cache, **source, engine="onnxruntime")
    networks = []
    load = model._library.load

    def watched(*arguments):
        embedder = load(*arguments)
        networks.append(weakref.ref(embedder.network))
        return embedder

    model._library.load = watched
    expected = vectors(made(cache, **source, engine="torch"))
    assert (expected * vectors(model)).sum(axis=1).min() >= 1 - proof.BOUND
    gc.collect()
    assert networks[0]() is None


def test_a_preprocess_that_asks_its_network_keeps_it_without_its_parameters(cache):
    model = made(cache, "module:engine_networks:Knowing", engine="onnxruntime")
    assert vectors(model).shape == (6, 12)
    network = model.load().preprocess.__self__.network
    assert network.side == 24
    assert list(network.parameters()) == []
    assert model.load().preprocess(photo(0, 60, 48)).shape == (3, 24, 24)


def test_a_preprocess_that_asks_parameters_keeps_them(cache):
    model = made(cache, "module:engine_networks:Weighing", engine="onnxruntime")
    assert vectors(model).shape == (6, 12)
    assert len(list(model.load().preprocess.__self__.network.parameters())) == 2


@pytest.mark.parametrize(
    ("engine", "precision"),
    [("onnxruntime", "float32"), ("openvino", "float32"), ("onnxruntime", "int8")],
)
def test_tensors_that_have_names(engine, precision, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_added", {})
    registry.add("prodbench.models", "masked", MaskedLibrary)
    stated = {"engine": engine, "engine_precision": precision}
    model, torchs = (made(tmp_path, "masked:x", **more) for more in (stated, {"engine": "torch"}))
    embedder = model.load()
    assert (model.engine.name, model.precision) == (engine, precision)
    features = [embedder.preprocess(photo(i, 60, 30 + i)) for i in range(6)]
    assert len({int(one["mask"].sum()) for one in features}) > 2
    expected, found = (batch_embedded(one.load(), features) for one in (torchs, model))
    bound = proof.BOUND if precision == "float32" else proof.BOUND_REDUCED
    assert torch.cosine_similarity(expected, found).min() >= 1 - bound
    alone = torch.cat([batch_embedded(embedder, [one]) for one in features])
    assert torch.cosine_similarity(alone, found).min() >= 1 - 1e-6
    wrong = {"images": torch.zeros(3, 24, 25), "mask": features[0]["mask"]}
    told = r"became images \(3, 24, 25\), mask \(24,\); expected images"
    with pytest.raises(ModelError, match=told):
        batch_embedded(embedder, [wrong])


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ("reading", "it decides by values, and of mask sample images have too few"),
        ("uneven", "images of 2 images has 48 rows, and an export takes one an image"),
        ("unlike", "the model has no fixed input size"),
        ("loose", "it does not put two sample images together (ValueError: not these)"),
    ],
)
def test_tensors_that_have_names_and_stay_with_torch(identifier, reason, cache, monkeypatch):
    monkeypatch.setattr(registry, "_added", {})
    registry.add("prodbench.models", "masked", MaskedLibrary)
    model = made(cache, f"masked:{identifier}")
    model.load()
    assert model.engine.name == "torch"
    assert model.engine.reason.startswith(f"onnxruntime: {reason}")


def test_a_full_disk_is_not_remembered_as_a_property_of_the_model(tmp_path, monkeypatch):
    source = "module:engine_networks:Plain"

    def fails(*_):
        raise RuntimeError("cannot write") from OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(exporting, "_traced", fails)
        patch.setattr(exporting, "_captured", fails)
        model = made(tmp_path, source)
        model.load()
        assert model.engine.reason == (
            "onnxruntime: it cannot be exported to ONNX (RuntimeError: cannot write)"
        )
    again = made(tmp_path, source)
    assert again.engine.name == "onnxruntime"

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    shutil.rmtree(tmp_path / "engines")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        error = refused(tmp_path, source, engine="onnxruntime")
    assert "its export cannot be kept (OSError: [Errno 28] No space left on device)" in error.found
    assert made(tmp_path, source, engine="onnxruntime").engine.name == "onnxruntime"


def test_what_another_library_says_is_short_plain_and_the_same_in_every_run():
    error = ValueError(
        "\x1b[31mLoad model from\x1b[0m /tmp/tmpx81/export/network.onnx failed at 0x7f8a\n\n"
        "  in C:\\Users\\me\\net.py 3/4\nthird line"
    )
    assert told(error) == "Load model from network.onnx failed at 0x… in net.py 3/4"
    assert len(told(ValueError("a" * 999))) == LONGEST


def test_what_is_of_the_moment():
    assert of_the_moment(OSError(28, "No space left on device"))
    assert of_the_moment(MemoryError())
    assert not of_the_moment(OSError("could not get source code"))
    assert not of_the_moment(ImportError("no module"))


def test_a_failed_proof_has_its_numbers_in_the_message(cache):
    error = refused(cache, "module:engine_networks:Noisy", engine="onnxruntime")
    assert "worst cosine 0." in error.found or "worst cosine -0." in error.found


def test_an_engine_that_is_not_installed(cache, monkeypatch):
    versions = running.version

    def without(name):
        if name.startswith(("onnxruntime", "openvino")):
            raise running.PackageNotFoundError(name)
        return versions(name)

    monkeypatch.setattr(running, "version", without)
    model = made(cache, "module:engine_networks:Plain", gem_power=2.0)
    model.load()
    assert model.engine.name == "torch"
    assert model.engine.reason == "onnxruntime: onnxruntime is not installed"
    for engine, extra in (("onnxruntime", "[onnx]"), ("openvino", "[openvino]")):
        error = refused(cache, "module:engine_networks:Plain", engine=engine)
        assert "is not installed" in error.found
        assert extra in error.next_step


def test_one_exporter_is_not_there_and_the_other_is_needed(tmp_path, cache, monkeypatch):
    def fails(*_):
        raise torch.onnx.errors.UnsupportedOperatorError("made up", 18, None)

    monkeypatch.setattr(exporting, "_traced", fails)
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    error = refused(tmp_path, "module:engine_networks:Plain", engine="onnxruntime")
    assert "needs onnxscript" in error.found
    # That can be mended, so that it is not remembered as a property of the model.
    assert not list((tmp_path / "engines").glob("*/proof.json"))


def test_the_second_exporter_gives_the_same_vectors(tmp_path, cache, monkeypatch):
    expected = vectors(made(cache, "module:engine_networks:Plain", engine="torch"))

    def fails(*_):
        raise torch.onnx.errors.UnsupportedOperatorError("made up", 18, None)

    monkeypatch.setattr(exporting, "_traced", fails)
    found = vectors(made(tmp_path, "module:engine_networks:Plain", engine="onnxruntime"))
    assert (expected * found).sum(axis=1).min() >= 1 - proof.BOUND


@pytest.mark.parametrize("source", ["baseline:pixels", "module:engine_networks:plain_callable"])
def test_what_has_no_network_refuses_an_engine_by_name(source, cache):
    options = {"options": {"version": "1"}} if source.startswith("module") else {}
    assert "no network" in refused(cache, source, engine="openvino", **options).found
    assert made(cache, source, engine="torch", **options).engine.name == "torch"


def test_an_onnx_file_runs_in_its_own_precision(cache, tmp_path):
    import onnx
    from onnxruntime import __version__ as runtime

    made(tmp_path, "module:engine_networks:Plain", engine="onnxruntime").load()
    # Not of the common cache, where those lie that were refused.
    (whole,) = tmp_path.glob("engines/*/network.onnx")
    plain = tmp_path / "plain.onnx"
    shutil.copy(whole, plain)
    kind = onnx.load(plain).graph.input[0].type.tensor_type
    size = [dimension.dim_value for dimension in kind.shape.dim][2:]
    stated = SMALL.model_copy(update={"size": tuple(size)})
    model = made(cache, "onnx:plain", checkpoint=str(plain), preprocess=stated)
    assert (model.engine.name, model.engine.version) == ("onnxruntime", runtime)
    assert model.precision == model.cache_key()["precision"] == "float32"
    for engine in ("torch", "openvino"):
        error = refused(
            cache, "onnx:plain", checkpoint=str(plain), preprocess=stated, engine=engine
        )
        assert "has its own" in error.found


def test_a_reduced_precision_is_another_model_and_is_compared_with_float32(cache):
    source = "timm:test_efficientnet"
    whole = made(cache, source, checkpoint="random:1", engine="torch")
    half = made(cache, source, checkpoint="random:1", engine_precision="bfloat16")
    assert (half.engine.name, half.precision) == ("torch", "bfloat16")
    assert 0.99 <= half.engine.worst_cosine < 1
    assert half.engine.changed_ranks is not None
    assert half.cache_key()["precision"] == "bfloat16"
    one, other = vectors(whole), vectors(half)
    assert 0.99 <= (one * other).sum(axis=1).min() < 1 - 1e-7


def test_a_precision_that_an_engine_has_not(cache):
    source = "module:engine_networks:Plain"
    error = refused(cache, source, engine="onnxruntime", engine_precision="bfloat16")
    assert "no bfloat16" in error.found
    flags = Path("/proc/cpuinfo").read_text()
    wanted = {"engine": "openvino", "engine_precision": "bfloat16"}
    if "avx512_bf16" in flags or "amx_bf16" in flags:
        model = made(cache, source, **wanted)
        model.load()
        assert model.precision == "bfloat16"
        assert model.engine.worst_cosine >= 1 - proof.BOUND_REDUCED
    else:
        assert "does not compute in bfloat16" in refused(cache, source, **wanted).found


def test_int8_is_another_model_whose_images_do_not_look_at_each_other(tmp_path):
    cache = tmp_path
    source = {"source": "timm:vit_tiny_patch16_224", "checkpoint": "random:1"}
    whole = made(cache, **source, engine="onnxruntime")
    small = made(cache, **source, engine="onnxruntime", engine_precision="int8")
    assert (small.engine.name, small.precision) == ("onnxruntime", "int8")
    assert 1 - proof.BOUND_REDUCED <= small.engine.worst_cosine < 1
    assert small.engine.changed_ranks is not None
    one, other = vectors(whole), vectors(small)
    assert 0.99 <= (one * other).sum(axis=1).min() < 1 - 1e-7
    # The scale of an activation would be that of the batch.
    embedder = small.load()
    batch = torch.stack([embedder.preprocess(photo(i, 60, 48)) for i in range(4)])
    together = embedder.embed(batch)
    alone = torch.cat([embedder.embed(batch[i : i + 1]) for i in range(4)])
    assert torch.equal(together, alone)
    # Kept, and smaller than in float32.
    again = made(cache, **source, engine="onnxruntime", engine_precision="int8")
    assert np.array_equal(vectors(again), other)
    small_file, whole_file = sorted(path.stat().st_size for path in cache.rglob("network.onnx"))
    assert small_file < 0.6 * whole_file


def test_int8_that_would_change_nothing_or_runs_elsewhere(cache):
    source = {"source": "timm:test_efficientnet", "checkpoint": "random:1"}
    error = refused(cache, **source, engine="onnxruntime", engine_precision="int8")
    assert "int8 changes nothing" in error.found
    for engine in ("auto", "torch", "openvino"):
        error = refused(cache, **source, engine=engine, engine_precision="int8")
        assert 'engine = "onnxruntime"' in error.expected


def test_a_head_is_a_part_of_the_proof_and_stays_in_float32(cache, tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.eye(12)[:5].contiguous()}, tmp_path / "head.safetensors")
    head = Head(weights=tmp_path / "head.safetensors")
    model = made(cache, "module:engine_networks:Plain", head=head)
    plain = made(cache, "module:engine_networks:Plain", engine="torch", head=head)
    assert isinstance(model.load(), HeadedEmbedder)
    assert model.engine.name == "onnxruntime"
    assert vectors(model).shape == (6, 5)
    assert np.abs(vectors(model) - vectors(plain)).max() < 1e-6


@pytest.mark.parametrize("damage", ["cut", "gone", "no proof", "stranger"])
def test_a_damaged_export_is_named_and_made_again(damage, tmp_path, cache):
    made(cache, "module:engine_networks:Plain", engine="onnxruntime").load()
    shutil.copytree(cache / "engines", tmp_path / "engines")
    damaged = []
    for folder in (path.parent for path in (tmp_path / "engines").glob("*/network.onnx")):
        damaged.append(folder)
        if damage == "cut":
            data = (folder / "network.onnx").read_bytes()
            (folder / "network.onnx").write_bytes(data[:-7])
        elif damage == "gone":
            (folder / "network.onnx").unlink()
        elif damage == "no proof":
            (folder / "proof.json").write_text("{")
        else:
            (folder / "more.data").write_bytes(b"of somebody else")
    model = made(tmp_path, "module:engine_networks:Plain", engine="onnxruntime")
    with pytest.warns(CacheWarning, match="damaged export"):
        model.load()
    assert vectors(model).shape == (6, 12)
    again = made(tmp_path, "module:engine_networks:Plain", engine="onnxruntime", gem_power=1.0)
    again.load()
    assert again.engine == model.engine


NETWORK_OF_TWO_FILES = """
import torch
from layers_of_the_export import SCALE


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 5, bias=False)

    def forward(self, x):
        return (self.layer(x.mean((2, 3))) + SCALE).relu()
"""


@pytest.mark.parametrize("size", [4, 1])
def test_an_export_is_held_against_the_network_that_was_loaded(tmp_path, monkeypatch, size):
    from safetensors.torch import save_file

    save_file({"layer.weight": torch.eye(5)[:, :3].contiguous()}, tmp_path / "w.safetensors")
    (tmp_path / "net_of_the_export.py").write_text(NETWORK_OF_TWO_FILES)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    source = {
        "source": "module:net_of_the_export:Net",
        "checkpoint": str(tmp_path / "w.safetensors"),
    }

    def edited(scale, **fields):
        (tmp_path / "layers_of_the_export.py").write_text(f"SCALE = {scale}\n")
        for name in ("net_of_the_export", "layers_of_the_export"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        shutil.rmtree(tmp_path / "models", ignore_errors=True)
        model = made(tmp_path, **source, batch_size=size, **fields)
        model.load()
        return model

    before = vectors(edited(1.0), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(vectors(edited(1.0), 1), before)
    with pytest.warns(CacheWarning, match=r"another network than the one loaded"):
        after = edited(3.0)
    assert after.engine.name == "onnxruntime"
    expected = vectors(edited(3.0, engine="torch"), 1)
    assert np.abs(vectors(after, 1) - expected).max() < 1e-6
    assert np.abs(before - expected).max() > 1e-2


def test_an_image_of_another_size_than_the_exports_is_refused(cache):
    embedder = made(cache, "module:engine_networks:Plain").load()
    with pytest.raises(ModelError, match="as all sample images did"):
        embedder.embed(torch.zeros(1, 3, 25, 24))


WORK = """
import hashlib, json
from dataclasses import asdict
from pytest_prodbench.embedding import ImageRequest, ModelHandle, embed_images
from pytest_prodbench.settings.types import ModelSpec, RunSettings
folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
spec = ModelSpec(name="m", library="timm", identifier="test_efficientnet", checkpoint="random:7")
settings = RunSettings(cache_dir=cache, threads=1, device="cpu")
requests = [
    ImageRequest(p.name, p, hashlib.sha256(p.read_bytes()).hexdigest(), None)
    for p in sorted(folder.iterdir())
]
model = ModelHandle(spec, settings)
embed_images(requests, model, settings, dataset="tried")
heavy = {"torch", "timm", "onnxruntime", "onnx", "openvino", "onnxscript"} & set(sys.modules)
exported = "pytest_prodbench.embedding.engines.exporting" in sys.modules
print(json.dumps([sorted(heavy), asdict(model.engine), exported]))
"""


def test_two_processes_export_once_and_a_third_needs_no_torch(tmp_path):
    photos(tmp_path / "photos", 2)

    def said(process):
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        return json.loads(out)

    both = [child(WORK, tmp_path / "photos", tmp_path / "cache") for _ in range(2)]
    one, other = map(said, both)
    assert {"torch", "onnxruntime"} <= set(one[0]) & set(other[0])
    assert sorted([one[2], other[2]]) == [False, True]
    assert one[1] == other[1]
    assert one[1]["name"] == "onnxruntime"
    kept = [path for path in (tmp_path / "cache" / "engines").iterdir() if path.is_dir()]
    assert [sorted(file.name for file in path.iterdir()) for path in kept] == [
        ["network.onnx", "proof.json"]
    ]
    third = said(child(WORK, tmp_path / "photos", tmp_path / "cache"))
    assert third == [[], one[1], False]


def test_hits_against_a_naive_count():
    random = np.random.default_rng(5)
    products = [name for name in "aabbbcc" for _ in range(2)]
    points = random.normal(size=(14, 3)).round(1)  # rounded: some similarities tie
    similar = points @ points.T
    for row, (first, rank) in enumerate(hits(similar, products)):
        others = [i for i in range(14) if i != row]
        best = max(similar[row, i] for i in others if products[i] == products[row])
        before = [i for i in others if products[i] != products[row] and similar[row, i] >= best]
        assert rank == 1 + len(before)
        assert similar[row, first] == max(similar[row, i] for i in others)


def test_proof_refuses_a_changed_rank_and_what_is_not_finite():
    paths = sorted(proof.SAMPLES.glob("*.jpg"))
    assert len(paths) == 21
    assert sum(path.stat().st_size for path in paths) <= 200_000
    random = torch.Generator().manual_seed(0)
    tensors = torch.randn(21, 3, 2, 2, generator=random)

    def flat(images):
        return torch.stack(list(images)).flatten(1)

    same = proof.prove(tensors, flat, flat, reduced=False)
    assert (same.worst_cosine, same.changed_ranks, same.refused) == (1.0, 0, "")
    # So near to each other that a change far below the bound turns ranks round.
    near = torch.ones(21, 3, 2, 2) + tensors * 1e-5

    def bent(batch):
        return flat(batch) + 1e-5 * (1e7 * flat(batch)).sin()

    changed = proof.prove(near, flat, bent, reduced=False)
    assert changed.worst_cosine > 1 - proof.BOUND
    assert changed.changed_ranks > 0
    assert "ranks of" in changed.refused
    assert proof.prove(near, flat, bent, reduced=True).refused == ""
    far = proof.prove(tensors, flat, lambda batch: flat(batch).flip(1), reduced=True)
    assert "above 0.01" in far.refused
    broken = proof.prove(tensors, flat, lambda batch: flat(batch) * torch.nan, reduced=True)
    assert "not finite" in broken.refused
