"""vision_language: real architectures in small, against their documented embedding of an image."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import small_vision_language
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import load_file, save_file

from pytest_prodbench.errors import ImageError, ModelError
from pytest_prodbench.models import Embedder
from pytest_prodbench.settings.types import Preprocess

pytestmark = pytest.mark.usefixtures("no_network")

KINDS = ("square", "wide", "tall", "tiny", "pixel", "three rows", "cmyk", "alpha", "rotated")
SEEN = "<|vision_start|><|image_pad|><|vision_end|>"
# As GME has it; ColQwen2.5's and Jina v4's are of the same kind.
PROMPT = (
    "<|im_start|>system You are a helpful assistant.<|im_end|> <|im_start|>user "
    f"{SEEN}<|im_end|> <|im_start|>assistant <|endoftext|>"
)
OPTIONS = {"prompt": PROMPT}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, randomised: Any) -> dict[str, Path]:
    return {
        name: small_vision_language.save(name, tmp_path_factory.mktemp(name), randomised)
        for name in small_vision_language.MAKERS
    }


def documented(folder: Path, image: Image.Image, pooling: str = "last") -> torch.Tensor:
    """Embed one image with the whole model of the Hugging Face hub, head included."""
    processor = hf.AutoProcessor.from_pretrained(folder)
    model = hf.AutoModelForImageTextToText.from_pretrained(folder).eval()
    inputs = processor(text=[PROMPT], images=[image], padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**inputs, output_hidden_states=True).hidden_states[-1][0]
    if pooling == "last":
        return hidden[-1]
    if pooling == "mean":
        return hidden.mean(0)
    ids = inputs["input_ids"][0].tolist()
    start, end = (
        ids.index(small_vision_language.IDS[f"vision_{e}_token_id"]) for e in ("start", "end")
    )
    return hidden[start : end + 1].mean(0)


@pytest.mark.parametrize("name", sorted(small_vision_language.MAKERS))
def test_an_image_embeds_as_documented(
    name: str,
    folders: dict[str, Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    model = load(f"vision_language:{name}", checkpoint=str(folders[name]), options=OPTIONS)
    together = embed(model, [images[kind] for kind in KINDS])
    for kind, vector in zip(KINDS, together, strict=True):
        expected = documented(folders[name], images[kind])
        (alone,) = embed(model, [images[kind]])
        for found in (alone, vector):
            assert torch.cosine_similarity(found, expected, dim=0) >= 0.99999, kind
    assert model.identity.dimension == 32
    assert model.identity.pooling == "last token"
    assert "<|image_pad|>" in model.identity.preprocessing


@pytest.mark.parametrize("tokens", ["all", "image"])
def test_a_mean_of_all_tokens_or_of_the_image(
    tokens: str,
    folders: dict[str, Path],
    load: Callable[..., Embedder],
    images: dict[str, Image.Image],
    embed: Any,
) -> None:
    folder, options = folders["qwen2_5"], OPTIONS | {"tokens": tokens}
    model = load("vision_language:x", checkpoint=str(folder), options=options, pooling="mean")
    together = embed(model, [images["wide"], images["tiny"], images["tall"]])
    for kind, vector in zip(("wide", "tiny", "tall"), together, strict=True):
        expected = documented(folder, images[kind], "mean" if tokens == "all" else "image")
        assert torch.cosine_similarity(vector, expected, dim=0) >= 0.99999
    assert model.identity.pooling == f"mean of {tokens} tokens"


def test_pixels_are_limited_as_the_entry_says(
    folders: dict[str, Path], load: Callable[..., Embedder], images: dict[str, Image.Image]
) -> None:
    few = {"min_pixels": 28 * 28, "max_pixels": 5 * 28 * 28}
    plain = load("vision_language:x", checkpoint=str(folders["qwen2"]), options=OPTIONS)
    small = load("vision_language:x", checkpoint=str(folders["qwen2"]), options=OPTIONS | few)
    # Of 14 x 14 pixels each.
    assert len(plain.preprocess(images["square"])["pixel_values"]) > 16  # type: ignore[call-overload]
    assert len(small.preprocess(images["square"])["pixel_values"]) == 16  # type: ignore[call-overload]
    assert len(small.preprocess(images["pixel"])["pixel_values"]) == 4  # type: ignore[call-overload]
    assert small.identity.preprocessing != plain.identity.preprocessing


def test_threads_may_preprocess_at_once(
    folders: dict[str, Path], load: Callable[..., Embedder], images: dict[str, Image.Image]
) -> None:
    model = load("vision_language:x", checkpoint=str(folders["qwen2"]), options=OPTIONS)
    chosen = [images[kind] for kind in KINDS] * 4
    with ThreadPoolExecutor(4) as pool:
        for image, found in zip(chosen, pool.map(model.preprocess, chosen), strict=True):
            expected = model.preprocess(image)
            assert all(torch.equal(found[name], expected[name]) for name in expected)  # type: ignore[call-overload]


def test_a_strip_that_the_processor_refuses_is_an_error_of_the_image(
    folders: dict[str, Path], load: Callable[..., Embedder]
) -> None:
    model = load("vision_language:x", checkpoint=str(folders["qwen2"]), options=OPTIONS)
    with pytest.raises(ImageError, match=r"900 x 3 pixels.*aspect ratio"):
        model.preprocess(Image.new("RGB", (900, 3)))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "prompt None"),
        ({"options": {"prompt": "Describe the image ."}}, r"has <\|image_pad\|> once"),
        ({"options": OPTIONS, "pooling": "cls"}, "pooling 'cls'"),
        ({"options": OPTIONS | {"tokens": "image"}}, "tokens = 'image'"),
        ({"options": OPTIONS, "preprocess": Preprocess(size=(32, 32))}, "min_pixels"),
    ],
)
def test_what_does_not_fit(
    fields: dict[str, Any], told: str, folders: dict[str, Path], load: Callable[..., Embedder]
) -> None:
    with pytest.raises(ModelError, match=told):
        load("vision_language:x", checkpoint=str(folders["qwen2"]), **fields)


@pytest.mark.parametrize("change", ["dropped", "adapter"])
def test_an_incomplete_model(
    change: str, folders: dict[str, Path], tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    for file in folders["qwen2"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    if change == "adapter":
        # As jina-embeddings-v4 has them, with code of its own that chooses one.
        (tmp_path / "adapters").mkdir()
        (tmp_path / "adapters" / "adapter_config.json").write_text("{}")
    else:
        state = load_file(tmp_path / "model.safetensors")
        del state[next(key for key in state if key.endswith("input_layernorm.weight"))]
        save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    told = {"adapter": "merge the adapter", "dropped": "input_layernorm"}[change]
    with pytest.raises(ModelError, match=told):
        load("vision_language:x", checkpoint=str(tmp_path), options=OPTIONS)


def test_torch_alone_runs_it_and_says_why(
    folders: dict[str, Path], made: Callable[..., Any]
) -> None:
    source = f"vision_language:{folders['qwen2']}"
    model = made(source, options=OPTIONS)
    assert model.engine.name == "torch"
    assert "of 2 images has" in model.engine.reason
    half = made(source, options=OPTIONS | {"dtype": "bfloat16"})
    assert half.engine.reason == "onnxruntime: its weights are in bfloat16"
    with pytest.raises(
        ModelError, match=r"engine onnxruntime: .* rows, and an export takes one an image"
    ):
        made(source, options=OPTIONS, engine="onnxruntime").load()
