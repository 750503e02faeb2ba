"""transformers: what must not be loaded, and what the message says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.mark.parametrize("change", ["dropped", "renamed", "reshaped", "garbage"])
def test_a_parameter_without_weights_is_refused_by_name(
    change: str,
    saved_transformers: Callable[[str], Path],
    tmp_path: Path,
    load: Callable[..., Embedder],
) -> None:
    for file in saved_transformers("dinov2").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    state = load_file(weights)
    name = next(key for key in state if key.endswith("0.norm1.weight"))
    if change == "garbage":
        weights.write_bytes(b"\x00" * 100)
    else:
        tensor = state.pop(name)
        if change == "renamed":
            state[f"{name}s"] = tensor
        elif change == "reshaped":
            state[name] = tensor[:3].clone()
        save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(ModelError) as caught:
        load("transformers:x", checkpoint=str(tmp_path))
    assert change == "garbage" or "norm1.weight" in str(caught.value)


def test_code_in_a_repository_is_never_run(
    saved_transformers: Callable[[str], Path], tmp_path: Path, load: Callable[..., Embedder]
) -> None:
    for file in saved_transformers("dinov2").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModel": "own.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load("transformers:x", checkpoint=str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("model_type", "message"), [("siglip2", "NaFlex"), ("vit_mae", "random patches")]
)
def test_architectures_that_cannot_be_measured_are_refused(
    model_type: str,
    message: str,
    saved_transformers: Callable[[str], Path],
    tmp_path: Path,
    load: Callable[..., Embedder],
) -> None:
    for file in saved_transformers("siglip").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    with pytest.raises(ModelError, match=message):
        load("transformers:x", checkpoint=str(tmp_path))


@pytest.mark.parametrize(
    ("name", "pooling"), [("siglip", "cls"), ("convnext", "cls"), ("dinov2", "projection")]
)
def test_a_pooling_that_cannot_be_done_is_refused(
    name: str,
    pooling: str,
    saved_transformers: Callable[[str], Path],
    load: Callable[..., Embedder],
) -> None:
    with pytest.raises(ModelError, match=f"pooling '{pooling}'"):
        load(f"transformers:{name}", checkpoint=str(saved_transformers(name)), pooling=pooling)


def test_missing_pieces_are_named(
    saved_transformers: Callable[[str], Path],
    tmp_path: Path,
    empty_hub: Path,
    load: Callable[..., Embedder],
) -> None:
    with pytest.raises(ModelError, match="prodbench download tried"):
        load("transformers:facebook/dinov2-base")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        load("transformers:x", checkpoint=str(tmp_path))
    for file in saved_transformers("dinov2").iterdir():
        if file.name != "preprocessor_config.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        load("transformers:x", checkpoint=str(tmp_path))
    with pytest.raises(ModelError, match="is a file"):
        load("transformers:x", checkpoint=str(tmp_path / "model.safetensors"))
    with pytest.raises(ModelError, match="random floors"):
        load("transformers:x", checkpoint="random:1")
