"""What a message about a model says to do is true, and in plain text."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pytest_prodbench.embedding.model import ModelHandle
from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.models.checkpoints import first_line, reason
from pytest_prodbench.settings.types import Head, ModelSpec, RunSettings

Load = Callable[..., Embedder]


def told(call: Callable[..., Any], *args: Any, **fields: Any) -> str:
    with pytest.raises(ModelError) as caught:
        call(*args, **fields)
    return str(caught.value)


@pytest.fixture
def folder(saved_transformers: Callable[[str], Path], tmp_path: Path) -> Path:
    for file in saved_transformers("vit").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("gone", "step"),
    [
        ("preprocessor_config.json", "AutoImageProcessor.from_pretrained(THAT MODEL)"),
        ("config.json", "save the model anew there with save_pretrained"),
        ("model.safetensors", "save the model there with save_pretrained"),
    ],
)
def test_nothing_is_fetched_for_a_folder_of_ones_own(
    gone: str, step: str, folder: Path, load: Load, spec: Callable[..., ModelSpec]
) -> None:
    (folder / gone).unlink()
    for source, fields in (
        ("transformers:x", {"checkpoint": str(folder)}),
        (f"transformers:{folder}", {}),
    ):
        model = spec(source, **fields)
        for text in (told(load, source, **fields), told(library_for(model).download, model)):
            assert step in text
            assert gone in text
            assert "prodbench download" not in text


@pytest.mark.parametrize("named", ["./hf_vit", "../hf_vit", "~/hf_vit", "models/hf/vit", "hf_vit/"])
@pytest.mark.parametrize("library", ["transformers", "sentence_transformers", "vision_language"])
def test_a_relative_folder_is_no_repository(
    library: str, named: str, spec: Callable[..., ModelSpec]
) -> None:
    model = spec(f"{library}:{named}")
    for call in (library_for(model).files, library_for(model).download):
        text = told(call, model)
        assert "expected org/name, or an absolute folder" in text
        assert f"write checkpoint = '{named}'" in text
        assert f"source = '{library}:{'vit' if 'hf/' in named else 'hf_vit'}'" in text


def test_what_could_be_a_repository_may_be_a_folder(load: Load, empty_hub: Path) -> None:
    text = told(load, "transformers:hf_vit")
    assert "run `prodbench download tried`; if it is a folder, write checkpoint = 'FOLDER'" in text


class Runs:
    """A pickle that runs a command when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("false",)


@pytest.mark.parametrize("content", [{"weight": Runs()}, torch.nn.Linear(2, 2)])
@pytest.mark.parametrize("source", ["timm:resnet18", "open_clip:ViT-B-32", "transformers:x"])
def test_a_refused_pickle_is_not_recommended(
    source: str, content: Any, folder: Path, load: Load
) -> None:
    path = folder / "pytorch_model.bin"
    torch.save(content, path)
    (folder / "model.safetensors").unlink()
    checkpoint = folder if source.startswith("transformers") else path
    text = told(load, source, checkpoint=str(checkpoint))
    assert "it holds a pickled" in text
    assert "save its state_dict alone" in text
    for word in ("weights_only", "will likely succeed", "\x1b"):
        assert word not in text


def test_codes_of_terminals_do_not_reach_a_message() -> None:
    error = RuntimeError("\x1b[1mnot a\x1b[0m\n  file")
    assert (first_line(error), reason(error)) == ("not a", "not a file")


def test_a_head_of_another_width(tmp_path: Path, spec: Callable[..., ModelSpec]) -> None:
    def loaded(*shape: int) -> Any:
        save_file({"weight": torch.ones(*shape)}, tmp_path / "head.safetensors")
        head = Head(weights=tmp_path / "head.safetensors")
        return ModelHandle(
            spec("baseline:pixels", head=head), RunSettings(cache_dir=tmp_path)
        ).load()

    assert "train it on the vectors of this model, which have 3073 numbers" in told(loaded, 4, 7)
    assert "save weight.T" in told(loaded, 3073, 4)
