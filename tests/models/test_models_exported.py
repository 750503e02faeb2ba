"""ONNX and TorchScript: real weights exported from timm give timm's vectors, and its ranks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import timm
import torch
from PIL import Image

from pytest_prodbench.errors import ModelError, SettingsError
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.models import onnx as ours
from pytest_prodbench.settings.types import ModelSpec, Preprocess

MEAN, STD = (127 / 255,) * 3, (128 / 255,) * 3
STATED = Preprocess(size=(224, 224), crop=0.875, mean=MEAN, std=STD)
SMALL = Preprocess(size=(32, 32), mean=MEAN, std=STD)
KINDS = ("onnx", "torchscript")


class Pooled(torch.nn.Module):
    """A network without its classifier."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network.forward_head(self.network.forward_features(x), pre_logits=True)


def export(kind: str, network: torch.nn.Module, path: Path, size: int, **more: Any) -> Path:
    """Write a network as its owner would."""
    example = torch.zeros(2, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # TorchScript is deprecated, the exporter talks of its opset
        if kind == "torchscript":
            torch.jit.save(torch.jit.trace(network.eval(), example), str(path))
        else:
            given = {"dynamic_shapes": [{0: "b"}], "dynamo": True, "verbose": False}
            torch.onnx.export(network.eval(), (example,), str(path), **(given | more))
    return path


@pytest.fixture(scope="session")
def lite0(load: Callable[..., Embedder]) -> Embedder:
    return load("timm:tf_efficientnet_lite0")


@pytest.fixture(scope="session")
def exported(lite0: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packaged Lite0, with its real weights, in both formats."""
    folder = tmp_path_factory.mktemp("exported")
    network = Pooled(lite0.network)
    return {
        "onnx": export("onnx", network, folder / "lite0.onnx", 224),
        "torchscript": export("torchscript", network, folder / "lite0.pt", 224),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_vectors_are_timms(
    kind: str,
    exported: dict[str, Path],
    lite0: Embedder,
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    model = load(f"{kind}:lite0", checkpoint=str(exported[kind]), preprocess=STATED)
    assert model.identity.dimension == lite0.identity.dimension == 1280
    # One tensor for all: the ways to it differ by a pixel of rounding, and are tested by themselves.
    batch = torch.stack([lite0.preprocess(one) for one in images.values()])
    expected = lite0.embed(batch)
    together = model.embed(batch)
    alone = torch.cat([model.embed(one[None]) for one in batch])
    for found in (together, alone):
        assert torch.cosine_similarity(found.float(), expected).min() >= 0.99999


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_way_is_close_to_timms(
    kind: str,
    exported: dict[str, Path],
    lite0: Embedder,
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    model = load(f"{kind}:lite0", checkpoint=str(exported[kind]), preprocess=STATED)
    image = images["wide"]
    assert torch.cosine_similarity(embed(model, [image]), embed(lite0, [image])).min() >= 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_an_edited_file_is_another_model(
    kind: str, tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    digests = set()
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1))
        path = export(kind, network, tmp_path / f"{seed}.onnx", 32)
        digests.add(
            load(f"{kind}:x", checkpoint=str(path), preprocess=SMALL).identity.weights_digest
        )
    assert len(digests) == 2


class Several(torch.nn.Module):
    """Tokens, a map and two vectors: what networks give."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 4, 8, stride=8)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.convolution(x)
        tokens = features.flatten(2).transpose(1, 2)
        return features, tokens, features.mean(dim=(2, 3)), tokens[:, 0]


@pytest.fixture
def several(tmp_path: Path) -> dict[str, Path]:
    torch.manual_seed(0)
    network = Several()
    names = {"output_names": ["map", "tokens", "vector", "first"]}
    return {
        "onnx": export("onnx", network, tmp_path / "several.onnx", 32, **names),
        "torchscript": export("torchscript", network, tmp_path / "several.pt", 32),
        "network": network,
    }


OUTPUTS = {"onnx": ["map", "tokens", "vector", "first"], "torchscript": [0, 1, 2, 3]}


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_named_and_pooled(
    kind: str, several: dict[str, Any], load: Callable[..., Embedder]
) -> None:
    batch = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    _, tokens, vector, first = several["network"](batch)
    gem = tokens.clamp(min=1e-6).pow(3).mean(dim=1).pow(1 / 3)
    wanted = {
        (0, "mean"): vector,
        (0, "gem"): gem,
        (1, "mean"): tokens.mean(dim=1),
        (1, "gem"): gem,
        (1, "cls"): first,
        (2, "default"): vector,
    }
    for (place, pooling), expected in wanted.items():
        model = load(
            f"{kind}:x",
            checkpoint=str(several[kind]),
            preprocess=SMALL,
            pooling=pooling,
            options={"output": OUTPUTS[kind][place]},
        )
        torch.testing.assert_close(model.embed(batch), expected, rtol=1e-4, atol=1e-5)
    for place, pooling in ((0, "default"), (1, "default"), (2, "mean"), (0, "cls")):
        with pytest.raises(ModelError, match=f"an output of shape .* and pooling '{pooling}'"):
            load(
                f"{kind}:x",
                checkpoint=str(several[kind]),
                preprocess=SMALL,
                pooling=pooling,
                options={"output": OUTPUTS[kind][place]},
            )


@pytest.mark.parametrize("kind", KINDS)
def test_which_output_is_not_guessed(
    kind: str, several: dict[str, Any], load: Callable[..., Embedder]
) -> None:
    with pytest.raises(ModelError, match=r"no output named; expected one of .*, .*, .*, "):
        load(f"{kind}:x", checkpoint=str(several[kind]), preprocess=SMALL)
    other = "nothing" if kind == "onnx" else 9
    with pytest.raises(ModelError, match=f"output {other!r}; expected one of"):
        load(
            f"{kind}:x",
            checkpoint=str(several[kind]),
            preprocess=SMALL,
            options={"output": other},
        )


@pytest.mark.parametrize("kind", KINDS)
def test_preprocessing_is_not_guessed(
    kind: str, several: dict[str, Any], load: Callable[..., Embedder]
) -> None:
    with pytest.raises(ModelError, match=r"no preprocess\.size, preprocess\.mean, preprocess\.std"):
        load(f"{kind}:x", checkpoint=str(several[kind]))


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(kind: str, tmp_path: Path, load: Callable[..., Embedder]) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(b"not a network" * 100)
    with pytest.raises(ModelError, match=r"damaged\.onnx cannot be loaded"):
        load(f"{kind}:x", checkpoint=str(path), preprocess=SMALL)
    with pytest.raises(ModelError, match="does not exist"):
        load(f"{kind}:x", checkpoint=str(tmp_path / "gone.onnx"), preprocess=SMALL)


def test_a_size_that_the_file_does_not_take(tmp_path: Path, load: Callable[..., Embedder]) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 4))
    stated = Preprocess(size=(40, 32), mean=MEAN, std=STD)
    fixed = export("onnx", network, tmp_path / "fixed.onnx", 32, dynamic_shapes=None)
    with pytest.raises(ModelError, match=r"expected one of float32 or float16, \(b, 3, 40, 32\)"):
        load("onnx:x", checkpoint=str(fixed), preprocess=stated)
    traced = export("torchscript", network, tmp_path / "fixed.pt", 32)
    with pytest.raises(ModelError, match=r"it does not take \(1, 3, 40, 32\)"):
        load("torchscript:x", checkpoint=str(traced), preprocess=stated)


def test_a_batch_of_one_only(tmp_path: Path, load: Callable[..., Embedder]) -> None:
    """A file with a fixed batch: its images go one by one."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 4)).eval()
    path = tmp_path / "one.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, (torch.zeros(1, 3, 32, 32),), str(path), dynamo=True, verbose=False
        )
    model = load("onnx:x", checkpoint=str(path), preprocess=SMALL)
    batch = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(model.embed(batch), network(batch), rtol=1e-4, atol=1e-5)


def test_channels_last_and_half_floats(tmp_path: Path, load: Callable[..., Embedder]) -> None:
    """A file as TensorFlow's converter writes it, made by hand of one operator."""
    for kind, dtype in ((onnx.TensorProto.FLOAT, 1e-6), (onnx.TensorProto.FLOAT16, 1e-3)):
        tensors = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            [onnx.helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)],
            "mean",
            [tensors("x", kind, ["b", 32, 32, 3])],
            [tensors("y", kind, ["b", 3])],
        )
        opset = [onnx.helper.make_opsetid("", 13)]
        path = tmp_path / f"{kind}.onnx"
        onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        model = load("onnx:x", checkpoint=str(path), preprocess=SMALL, options={"layout": "nhwc"})
        batch = torch.rand(2, 3, 32, 32)
        torch.testing.assert_close(model.embed(batch), batch.mean(dim=(2, 3)), rtol=0, atol=dtype)
        with pytest.raises(ModelError, match="correct size or layout"):
            load("onnx:x", checkpoint=str(path), preprocess=SMALL)


def test_tensors_beside_the_file_count(
    tmp_path: Path, spec: Callable[..., ModelSpec], load: Callable[..., Embedder]
) -> None:
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 64))
    path = export("onnx", network, tmp_path / "big.onnx", 32, external_data=True)
    whole = onnx.load(path)
    onnx.save_model(
        whole, path, save_as_external_data=True, location="elsewhere.bin", size_threshold=1024
    )
    stated = spec("onnx:x", checkpoint=str(path), preprocess=SMALL)
    assert ours.OnnxLibrary().files(stated) == [path, tmp_path / "elsewhere.bin"]
    before = load("onnx:x", checkpoint=str(path), preprocess=SMALL).identity.weights_digest
    data = bytearray((tmp_path / "elsewhere.bin").read_bytes())
    data[:4] = np.float32(7.0).tobytes()
    (tmp_path / "elsewhere.bin").write_bytes(data)
    assert load("onnx:x", checkpoint=str(path), preprocess=SMALL).identity.weights_digest != before
    (tmp_path / "elsewhere.bin").unlink()
    with pytest.raises(ModelError, match=r"looked for elsewhere\.bin"):
        library_for(stated).files(stated)


def test_tensors_elsewhere_are_refused(tmp_path: Path, spec: Callable[..., ModelSpec]) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 64))
    path = export("onnx", network, tmp_path / "x.onnx", 32)
    onnx.save_model(
        onnx.load(path), path, save_as_external_data=True, location="away.bin", size_threshold=1024
    )
    path.write_bytes(path.read_bytes().replace(b"away.bin", b"../a.bin"))
    stated = spec("onnx:x", checkpoint=str(path), preprocess=SMALL)
    with pytest.raises(ModelError, match=r"tensors in '\.\./a\.bin'; expected a file beside it"):
        library_for(stated).files(stated)


def test_a_provider_that_is_not_there(
    exported: dict[str, Path], load: Callable[..., Embedder]
) -> None:
    with pytest.raises(ModelError, match=r"provider TensorrtExecutionProvider.*CPUExecution"):
        load(
            "onnx:x",
            checkpoint=str(exported["onnx"]),
            preprocess=STATED,
            options={"providers": ["TensorrtExecutionProvider"]},
        )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"provider": ["x"]}, r"unknown key 'models\.tried\.provider'; did you mean 'providers'"),
        ({"poling": "gem"}, "did you mean 'pooling'"),
        ({"layout": "hwc"}, r"key 'models\.tried\.layout' is 'hwc' \(str\)"),
    ],
)
def test_keys_of_its_own(
    spec: Callable[..., ModelSpec], options: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError, match=told):
        library_for(spec("onnx:x", options=options))


def test_timm_is_what_was_exported() -> None:
    """The architecture that the tests above rest on is the packaged one."""
    assert timm.create_model("tf_efficientnet_lite0").num_features == 1280


def test_equal_ranks_on_a_shipped_catalog(
    exported: dict[str, Path], lite0: Embedder, load: Callable[..., Embedder]
) -> None:
    """Photos against the catalog, through timm, ONNX Runtime and TorchScript, each by its whole way."""
    import csv

    from pytest_prodbench.datasets.decoding import decode

    folder = Path(__file__).parents[2] / "fixtures/catalogs/diy"
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    gallery = [row for row in rows if row["role"] == "gallery"][:100]
    known = {row["product_id"] for row in gallery}
    queries = [row for row in rows if row["role"] == "query" and row["product_id"] in known][:40]
    assert len(queries) == 40
    photos = [
        decode(folder / row["image"], where=row["image"], max_pixels=10**7)
        for row in (*gallery, *queries)
    ]
    models = {"timm": lite0} | {
        kind: load(f"{kind}:lite0", checkpoint=str(exported[kind]), preprocess=STATED)
        for kind in KINDS
    }
    right = np.array([[q["product_id"] == g["product_id"] for g in gallery] for q in queries])
    ranks, gaps = {}, {}
    for name, model in models.items():
        tensors = [model.preprocess(photo) for photo in photos]
        with torch.inference_mode():
            vectors = torch.cat(
                [model.embed(torch.stack(tensors[i : i + 8])) for i in range(0, len(tensors), 8)]
            )
        unit = torch.nn.functional.normalize(vectors.double(), dim=1).numpy()
        scores = unit[len(gallery) :] @ unit[: len(gallery)].T
        best = np.where(right, scores, -np.inf).max(axis=1)
        others = np.where(right, -np.inf, scores)
        ranks[name] = 1 + (others >= best[:, None]).sum(axis=1)
        gaps[name] = np.abs(others - best[:, None]).min(axis=1)
    # Rounding may turn two scores around that are as good as equal, and no others.
    clear = np.minimum.reduce(list(gaps.values())) > 1e-5
    assert clear.mean() > 0.9
    for kind in KINDS:
        np.testing.assert_array_equal(ranks[kind][clear], ranks["timm"][clear])
    assert 0.1 < np.mean(ranks["timm"] == 1) < 0.9, "a catalog that tells models apart"
