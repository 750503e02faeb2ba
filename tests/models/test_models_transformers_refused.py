"""transformers: what must not be loaded, and what the message says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder
from pytest_prodbench.settings.types import Preprocess

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
    with pytest.raises(ModelError, match=r"trust_remote_code = true in \[models.tried\]"):
        load("transformers:x", checkpoint=str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "pooling"), [("siglip", "cls"), ("convnext", "cls"), ("dinov2", "projection")]
)
def test_a_pooling_that_cannot_be_done_is_refused(
    name: str,
    pooling: str,
    saved_transformers: Callable[[str], Path],
    load: Callable[..., Embedder],
) -> None:
    with pytest.raises(ModelError, match=f"pooling '{pooling}'") as caught:
        load(f"transformers:{name}", checkpoint=str(saved_transformers(name)), pooling=pooling)
    assert pooling not in caught.value.expected
    assert "write pooling = 'mean' in [models.tried]" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("siglip", {"options": {"max_num_patches": 64}}, "max_num_patches = 64"),
        ("naflex", {"preprocess": Preprocess(size=(64, 64))}, "max_num_patches, beside source"),
    ],
)
def test_only_naflex_counts_its_patches(
    name: str,
    fields: dict[str, Any],
    told: str,
    saved_transformers: Callable[[str], Path],
    load: Callable[..., Embedder],
) -> None:
    with pytest.raises(ModelError, match=told):
        load(f"transformers:{name}", checkpoint=str(saved_transformers(name)), **fields)


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
