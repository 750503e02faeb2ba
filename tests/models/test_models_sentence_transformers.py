"""sentence-transformers: a CLIP model and a vision-language model, in small, against ``encode``."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_vision_language
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import load_file, save_file
from small_transformers import MAKERS

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder, library_for

st = pytest.importorskip("sentence_transformers")

pytestmark = pytest.mark.usefixtures("no_network")

KINDS = ("square", "wide", "tall", "tiny", "pixel", "three rows", "cmyk", "alpha", "rotated")


def _plain(name: str, folder: Path, randomised: Any) -> None:
    if name == "qwen3":
        small_vision_language.save("qwen3", folder, randomised)
        return
    network, images = MAKERS["clip"]()
    randomised(network).save_pretrained(folder)
    hf.CLIPProcessor(images, small_vision_language.tokenizer()).save_pretrained(folder)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, randomised: Any) -> dict[str, Path]:
    """As ``SentenceTransformer.save`` writes them."""
    from sentence_transformers.sentence_transformer import modules

    found = {}
    for name in ("clip", "qwen3"):
        plain, saved = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp(name)
        _plain(name, plain, randomised)
        parts = [modules.Transformer(str(plain))]
        if name == "qwen3":
            parts += [modules.Pooling(32, "lasttoken"), modules.Normalize()]
        st.SentenceTransformer(modules=parts, device="cpu").save(
            str(saved), create_model_card=False
        )
        found[name] = saved
    return found


@pytest.fixture(scope="module", params=["clip", "qwen3"])
def loaded(
    request: pytest.FixtureRequest, folders: dict[str, Path], load: Callable[..., Embedder]
) -> tuple[Any, Embedder]:
    folder = str(folders[request.param])
    documented = st.SentenceTransformer(folder, device="cpu", local_files_only=True)
    return documented, load(f"sentence_transformers:{request.param}", checkpoint=folder)


def test_an_image_embeds_as_encode_does(
    loaded: tuple[Any, Embedder], images: dict[str, Image.Image], embed: Any
) -> None:
    documented, model = loaded
    together = embed(model, [images[kind] for kind in KINDS])
    for kind, vector in zip(KINDS, together, strict=True):
        expected = documented.encode(images[kind], convert_to_tensor=True)
        assert model.identity.dimension == len(expected)
        (alone,) = embed(model, [images[kind]])
        for found in (alone, vector):
            assert torch.cosine_similarity(found, expected, dim=0) >= 0.99999, kind


def test_in_other_engines(
    folders: dict[str, Path], equal_in_engines: Callable[..., None], made: Callable[..., Any]
) -> None:
    """Its features are one tensor that has a name; the weights in torch are gone, its processor is not."""
    source = f"sentence_transformers:{folders['clip']}"
    equal_in_engines(source)
    equal_in_engines(source, options={"truncate_dim": 7})
    model = made(source, engine="onnxruntime", options={"truncate_dim": 5})
    weights = []
    load = model._library.load

    def watched(*arguments: Any) -> Any:
        embedder = load(*arguments)
        weights.extend(weakref.ref(each) for each in embedder.network.parameters())
        return embedder

    model._library.load = watched
    model.load()
    gc.collect()
    assert weights
    assert not any(each() is not None for each in weights)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("clip", {"dtype": "bfloat16"}, "its weights are in bfloat16"),
        ("qwen3", {}, "pixel_values of 2 images has 72 rows, and an export takes one an image"),
    ],
)
def test_what_torch_alone_runs(
    name: str,
    options: dict[str, Any],
    reason: str,
    folders: dict[str, Path],
    made: Callable[..., Any],
) -> None:
    source = f"sentence_transformers:{folders[name]}"
    model = made(source, options=options)
    assert (model.engine.name, model.engine.reason) == ("torch", f"onnxruntime: {reason}")
    with pytest.raises(ModelError, match=f"engine openvino: {reason}"):
        made(source, options=options, engine="openvino").load()


def test_the_identity_says_how(folders: dict[str, Path], loaded: tuple[Any, Embedder]) -> None:
    identity = loaded[1].identity
    qwen = "chat template" in identity.preprocessing
    assert identity.pooling == (
        "Transformer > Pooling(lasttoken) > Normalize" if qwen else "Transformer"
    )
    assert ("padding right" in identity.preprocessing) == qwen
    assert "sentence-transformers" in identity.versions


def test_options_of_the_entry(
    folders: dict[str, Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    folder = str(folders["qwen3"])
    options = {"prompt": "Describe the image .", "truncate_dim": 12, "max_pixels": 4 * 32 * 32}
    model = load("sentence_transformers:x", checkpoint=folder, options=options)
    documented = st.SentenceTransformer(folder, device="cpu", local_files_only=True)
    size = {"shortest_edge": 2 * 32 * 32, "longest_edge": 4 * 32 * 32}
    documented[0].processor.image_processor.size = size
    expected = documented.encode(
        images["wide"], prompt="Describe the image .", truncate_dim=12, convert_to_tensor=True
    )
    found = embed(model, [images["wide"]])[0]
    assert len(found) == model.identity.dimension == 12
    assert torch.cosine_similarity(found, expected, dim=0) >= 0.99999
    plain = load("sentence_transformers:x", checkpoint=folder)
    assert torch.cosine_similarity(embed(plain, [images["wide"]])[0][:12], expected, dim=0) < 0.9999
    assert model.identity.preprocessing != plain.identity.preprocessing


def test_every_file_that_decides_is_known(folders: dict[str, Path], spec: Any) -> None:
    model = spec("sentence_transformers:x", checkpoint=str(folders["qwen3"]))
    inside = {
        path.relative_to(folders["qwen3"]).as_posix()
        for path in library_for(model).files(model) or []
    }
    assert inside >= {
        "model.safetensors",
        "modules.json",
        "1_Pooling/config.json",
        "tokenizer.json",
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("dropped", "no weights for .*norm"),
        ("garbage", "cannot be loaded"),
        ("modules", "has no modules.json"),
        ("foreign", r"trust_remote_code = true in \[models.tried\]"),
        ("text", "takes text"),
    ],
)
def test_what_must_not_be_loaded(
    change: str, told: str, folders: dict[str, Path], tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(folders["clip"], folder)
    weights = folder / "model.safetensors"
    if change == "dropped":
        state = load_file(weights)
        del state[next(key for key in state if key.endswith("0.layer_norm1.weight"))]
        save_file(state, weights, metadata={"format": "pt"})
    elif change == "garbage":
        weights.write_bytes(b"\0" * 100)
    elif change == "modules":
        (folder / "modules.json").unlink()
    elif change == "foreign":
        modules = json.loads((folder / "modules.json").read_text())
        modules[0]["type"] = "theirs.Module"
        (folder / "modules.json").write_text(json.dumps(modules))
        (folder / "theirs.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    else:
        config = json.loads((folder / "sentence_bert_config.json").read_text())
        del config["modality_config"]["image"]
        (folder / "sentence_bert_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=told):
        load("sentence_transformers:x", checkpoint=str(folder))
    assert not (tmp_path / "ran").exists()
