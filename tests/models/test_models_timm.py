"""timm beyond the packaged models: local checkpoints, folders, hub cache, poolings, random floors."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from pytest_prodbench.errors import ImageError, ModelError
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.models.identity import weights_digest

pytestmark = pytest.mark.usefixtures("no_network")

# timm's own test architectures: complete, tiny, 160 px.
CNN, VIT, NHWC = "test_resnet", "test_vit", "swin_tiny_patch4_window7_224"


def documented(network: Any, image: Image.Image) -> torch.Tensor:
    """Embed one image as timm's documentation does it."""
    config = timm.data.resolve_model_data_config(network)
    transform = timm.data.create_transform(**config, is_training=False)
    with torch.inference_mode():
        features = network.forward_features(transform(image).unsqueeze(0))
        return network.forward_head(features, pre_logits=True)


def cosine(left: torch.Tensor, right: torch.Tensor) -> float:
    return float(torch.cosine_similarity(left, right).min())


@pytest.mark.parametrize("architecture", [CNN, VIT])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".bin", "folder"])
def test_a_local_checkpoint_embeds_as_timm_does(
    architecture: str,
    suffix: str,
    tmp_path: Path,
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
    randomised: Any,
) -> None:
    network = randomised(timm.create_model(architecture, num_classes=7))
    target = tmp_path / ("" if suffix == "folder" else f"weights{suffix}")
    if suffix == "folder":
        save_file(network.state_dict(), target / "model.safetensors")
        torch.save({"wrong": torch.zeros(1)}, target / "pytorch_model.bin")
    elif suffix == ".safetensors":
        save_file(network.state_dict(), target)
    else:
        torch.save({"state_dict": network.state_dict(), "epoch": 3}, target)
    model = load(f"timm:{architecture}", checkpoint=str(target))
    for kind in ("square", "wide", "tiny", "cmyk", "alpha", "rotated"):
        expected = documented(network, images[kind])
        assert cosine(embed(model, [images[kind]]), expected) >= 0.99999
        assert cosine(embed(model, [images["tall"], images[kind]])[1:], expected) >= 0.99999
    assert model.identity.dimension == expected.shape[1]


def test_a_folder_that_timm_saved_brings_its_own_preprocessing(
    tmp_path: Path, load: Callable[..., Embedder], images: dict[str, Image.Image], embed: Any
) -> None:
    network = timm.create_model(CNN, num_classes=3).eval()
    timm.models.save_for_hf(
        network,
        str(tmp_path),
        safe_serialization=True,
        data_config={"input_size": (3, 96, 96), "mean": (0.1, 0.2, 0.3), "crop_pct": 1.0},
    )
    model = load(f"timm:{CNN}", checkpoint=str(tmp_path))
    assert model.preprocess(images["wide"]).shape == (3, 96, 96)
    assert "mean=0.1, 0.2, 0.3" in model.identity.preprocessing
    saved = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()
    assert cosine(embed(model, [images["wide"]]), documented(saved, images["wide"])) >= 0.99999
    with pytest.raises(ModelError, match="is for 'test_resnet'"):
        load("timm:test_vit", checkpoint=str(tmp_path))


def _hub_copy(hub: Path, repository: str, network: torch.nn.Module) -> None:
    home = hub / f"models--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("c0ffee")
    (home / "snapshots" / "c0ffee").mkdir(parents=True)
    timm.models.save_for_hf(network, str(home / "snapshots/c0ffee"), safe_serialization=True)


@pytest.mark.parametrize("architecture", [CNN, VIT])
def test_timms_own_weights_come_from_the_hub_cache(
    architecture: str,
    empty_hub: Path,
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
    randomised: Any,
    spec: Any,
) -> None:
    network = randomised(timm.create_model(architecture))
    _hub_copy(empty_hub, f"timm/{architecture}.r160_in1k", network)
    model = load(f"timm:{architecture}")
    expected = documented(network, images["wide"])
    assert cosine(embed(model, [images["wide"]]), expected) >= 0.99999
    same = load(f"timm:hf-hub:timm/{architecture}.r160_in1k")
    assert cosine(embed(same, [images["wide"]]), expected) >= 0.99999
    hub_spec = spec(f"timm:hf-hub:timm/{architecture}.r160_in1k")
    names = sorted(path.name for path in library_for(hub_spec).files(hub_spec) or [])
    assert names == ["config.json", "main", "model.safetensors"]


def test_hub_weights_that_leave_a_parameter_random_are_refused(
    empty_hub: Path, load: Callable[..., Embedder]
) -> None:
    _hub_copy(empty_hub, f"timm/{CNN}.r160_in1k", timm.create_model(CNN))
    file = next(empty_hub.rglob("model.safetensors"))
    state = timm.create_model(CNN).state_dict()
    del state["layer1.0.conv1.weight"]
    save_file(state, file)
    with pytest.raises(ModelError, match=r"layer1\.0\.conv1\.weight"):
        load(f"timm:{CNN}")


@pytest.mark.parametrize("change", ["renamed", "reshaped", "dropped", "added"])
def test_a_checkpoint_that_does_not_fit_is_refused_by_tensor(
    change: str, tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    state = dict(timm.create_model(CNN, num_classes=0).state_dict())
    name = "layer2.0.conv1.weight"
    if change == "renamed":
        state["layer2.0.convolution.weight"] = state.pop(name)
    elif change == "reshaped":
        state[name] = state[name][:, :1].contiguous()
    elif change == "dropped":
        del state[name]
    else:
        name = "layer9.weight"
        state[name] = torch.zeros(3)
    save_file(state, tmp_path / "x.safetensors")
    with pytest.raises(ModelError) as caught:
        load(f"timm:{CNN}", checkpoint=str(tmp_path / "x.safetensors"))
    assert name in str(caught.value)


def test_a_pickle_that_would_run_code_is_refused(
    tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    witness = tmp_path / "ran"

    class Malicious:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (witness,))

    torch.save({"state_dict": Malicious()}, tmp_path / "x.pth")
    with pytest.raises(ModelError, match="cannot be read"):
        load(f"timm:{CNN}", checkpoint=str(tmp_path / "x.pth"))
    assert not witness.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x00" * 64])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_damaged_file_is_a_clear_error(
    content: bytes, suffix: str, tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    file = tmp_path / f"x{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        load(f"timm:{CNN}", checkpoint=str(file))


def test_poolings_are_those_of_their_formulas(
    load: Callable[..., Embedder], images: dict[str, Image.Image], embed: Any
) -> None:
    seed = {"checkpoint": "random:1"}
    for name in (CNN, VIT, NHWC):
        network = load(f"timm:{name}", **seed).network  # type: ignore[attr-defined]
        image = images["wide"]
        batch = load(f"timm:{name}", **seed).preprocess(image)[None]
        with torch.inference_mode():
            features = network.forward_features(batch)
        if name == NHWC:
            tokens = features.reshape(1, -1, features.shape[-1])
        elif name == CNN:
            tokens = features.reshape(1, features.shape[1], -1).permute(0, 2, 1)
        else:
            tokens = features[:, network.num_prefix_tokens :]
        mean = embed(load(f"timm:{name}", **seed, pooling="mean"), [image])
        torch.testing.assert_close(mean, tokens.mean(1))
        gem = load(f"timm:{name}", **seed, pooling="gem", gem_power=4.0)
        power = (tokens.clamp(min=1e-6) ** 4).mean(1) ** 0.25
        torch.testing.assert_close(embed(gem, [image]), power)
        assert gem.identity.pooling == "gem(4)"
        if name == VIT:
            cls = embed(load(f"timm:{name}", **seed, pooling="cls"), [image])
            torch.testing.assert_close(cls, features[:, 0])


@pytest.mark.parametrize("pooling", ["cls", "projection"])
def test_a_pooling_that_cannot_be_done_is_refused(
    pooling: str, load: Callable[..., Embedder]
) -> None:
    with pytest.raises(ModelError, match=f"pooling '{pooling}'"):
        load(f"timm:{CNN}", checkpoint="random:0", pooling=pooling)


def test_a_random_floor_depends_on_its_seed_and_on_nothing_else(
    load: Callable[..., Embedder], spec: Any, images: dict[str, Image.Image], embed: Any
) -> None:
    torch.manual_seed(11)
    first = load(f"timm:{CNN}", checkpoint="random:7")
    torch.manual_seed(12)
    again, other = (load(f"timm:{CNN}", checkpoint=f"random:{seed}") for seed in (7, 8))
    assert first.identity == again.identity
    assert first.identity.weights_digest != other.identity.weights_digest
    assert torch.equal(embed(first, [images["wide"]]), embed(again, [images["wide"]]))
    assert not torch.equal(embed(first, [images["wide"]]), embed(other, [images["wide"]]))
    model = spec(f"timm:{CNN}", checkpoint="random:7")
    assert library_for(model).files(model) == []
    assert library_for(model).download(model) == []


def test_a_random_floor_leaves_the_global_generators_alone(load: Callable[..., Embedder]) -> None:
    torch.manual_seed(1)
    before = (torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002
    load(f"timm:{VIT}", checkpoint="random:7")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]


@pytest.mark.parametrize("seed", ["", "x", "-1", "1.5", "99999999999999999999", "²"])
def test_a_seed_that_is_no_number_is_refused(seed: str, spec: Any) -> None:
    model = spec(f"timm:{CNN}", checkpoint=f"random:{seed}")
    with pytest.raises(ModelError, match="random:SEED"):
        library_for(model).files(model)


def test_twins_that_share_their_tensors_have_different_digests(tmp_path: Path) -> None:
    """Quick GELU is not in the weights: only the architecture's name tells such twins apart."""
    file = tmp_path / "x.safetensors"
    save_file(timm.create_model(CNN).state_dict(), file)
    twins = ("timm:vit_base_patch32_clip_224", "timm:vit_base_patch32_clip_quickgelu_224")
    plain, quick = (weights_digest(name, [file]) for name in twins)
    assert plain != quick


def test_the_digest_follows_the_bytes_and_not_the_place(
    tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    (tmp_path / "elsewhere").mkdir()
    files = [tmp_path / "a.safetensors", tmp_path / "elsewhere" / "b.safetensors"]
    network = timm.create_model(CNN, num_classes=0)
    for file in files:
        save_file(network.state_dict(), file)
    first, second = (load(f"timm:{CNN}", checkpoint=str(file)).identity for file in files)
    assert first == second
    save_file(timm.create_model(CNN, num_classes=0).state_dict(), files[1])
    third = load(f"timm:{CNN}", checkpoint=str(files[1])).identity
    assert third.weights_digest != first.weights_digest
    assert third.preprocessing == first.preprocessing


def test_a_strip_that_would_fill_the_memory_is_refused(load: Callable[..., Embedder]) -> None:
    model = load(f"timm:{CNN}", checkpoint="random:0")
    assert model.preprocess(Image.new("RGB", (1, 900))).shape == (3, 160, 160)
    with pytest.raises(ImageError, match="1 x 100000 pixels"):
        model.preprocess(Image.new("RGB", (1, 100_000)))


def test_a_loaded_model_keeps_the_protocol(load: Callable[..., Embedder]) -> None:
    assert isinstance(load(f"timm:{CNN}", checkpoint="random:0"), Embedder)


def test_ambiguous_and_foreign_folders_are_refused(
    tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    with pytest.raises(ModelError, match="not on this machine"):
        load(f"timm:{CNN}", checkpoint=str(tmp_path))
    for name in ("a.safetensors", "b.safetensors"):
        save_file(timm.create_model(CNN).state_dict(), tmp_path / name)
    with pytest.raises(ModelError, match=r"a\.safetensors, b\.safetensors"):
        load(f"timm:{CNN}", checkpoint=str(tmp_path))
    (tmp_path / "b.safetensors").unlink()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(ModelError, match="cannot be understood"):
        load(f"timm:{CNN}", checkpoint=str(tmp_path))
