"""Code that comes with weights runs only where the entry says so, and counts as what decides the numbers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as hf
from PIL import Image

from pytest_prodbench.errors import ModelError, SettingsError
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.models.overrides import overrides
from pytest_prodbench.settings.files import model_spec
from pytest_prodbench.settings.tables import ModelTable

pytestmark = pytest.mark.usefixtures("no_network", "code_of_its_own")

CONFIGURATION = """
from transformers import PretrainedConfig

class OwnConfig(PretrainedConfig):
    model_type = "own_of_a_test"
    width = 12
"""

MODELING = """
import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from .own_configuration import OwnConfig

class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.patches = torch.nn.Conv2d(3, config.width, 8, 8)
        self.post_init()

    def forward(self, pixel_values):
        tokens = self.patches(pixel_values)
        return BaseModelOutputWithPooling(last_hidden_state=tokens, pooler_output=tokens.amax((2, 3)))
"""


@pytest.fixture
def code_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let transformers copy such code into a folder of the test, and forget it afterwards."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "copied"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield
    for name in [name for name in sys.modules if name.startswith("transformers_modules")]:
        del sys.modules[name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as ``save_pretrained`` leaves it for a class of one's own."""
    home = tmp_path / "theirs"
    home.mkdir()
    (home / "own_configuration.py").write_text(CONFIGURATION)
    (home / "own_modeling.py").write_text(MODELING)
    config = {"model_type": "own_of_a_test", "width": 12, "auto_map": references("")}
    (home / "config.json").write_text(json.dumps(config))
    hf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(home)
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(1)
    state = {
        "patches.weight": torch.randn(12, 3, 8, 8, generator=generator),
        "patches.bias": torch.randn(12, generator=generator),
    }
    save_file(state, home / "model.safetensors", metadata={"format": "pt"})
    return home


def references(repository: str) -> dict[str, str]:
    return {
        "AutoConfig": f"{repository}own_configuration.OwnConfig",
        "AutoModel": f"{repository}own_modeling.OwnModel",
    }


def test_it_runs_where_the_entry_says_so(
    folder: Path, load: Callable[..., Embedder], images: dict[str, Image.Image], embed: Any
) -> None:
    model = load("transformers:x", checkpoint=str(folder), trust_remote_code=True)
    network = hf.AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    for kind in ("wide", "tiny"):
        inputs = processor(images=images[kind], return_tensors="pt")
        with torch.no_grad():
            expected = network(**inputs).pooler_output
        alone = embed(model, [images[kind]])
        batch = embed(model, [images["tall"], images[kind]])[1:]
        assert torch.cosine_similarity(alone, expected) >= 0.99999
        assert torch.cosine_similarity(batch, expected) >= 0.99999


def test_otherwise_the_message_names_the_key(folder: Path, load: Callable[..., Embedder]) -> None:
    with pytest.raises(ModelError, match=r"trust_remote_code = true in \[models.tried\]"):
        load("transformers:x", checkpoint=str(folder))


def test_its_files_decide_the_numbers(
    folder: Path, load: Callable[..., Embedder], spec: Any
) -> None:
    trusted = spec("transformers:x", checkpoint=str(folder), trust_remote_code=True)
    names = {path.name for path in library_for(trusted).files(trusted) or []}
    assert names >= {"own_modeling.py", "own_configuration.py", "model.safetensors"}
    before = load("transformers:x", checkpoint=str(folder), trust_remote_code=True).identity
    (folder / "own_modeling.py").write_text(MODELING.replace("amax", "mean"))
    after = load("transformers:x", checkpoint=str(folder), trust_remote_code=True).identity
    assert before.weights_digest != after.weights_digest
    wary = spec("transformers:x", checkpoint=str(folder))
    assert not {path.suffix for path in library_for(wary).files(wary) or []} & {".py"}


def test_code_of_another_repository(
    folder: Path, empty_hub: Path, load: Callable[..., Embedder], spec: Any
) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = references("team/code--")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="the code in team/code"):
        load("transformers:x", checkpoint=str(folder), trust_remote_code=True)
    home = empty_hub / "models--team--code"
    snapshot = home / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("c" * 40)
    for name in ("own_modeling.py", "own_configuration.py"):
        (folder / name).rename(snapshot / name)
    fields = {"checkpoint": str(folder), "trust_remote_code": True}
    trusted = spec("transformers:x", **fields)
    assert load("transformers:x", **fields).identity.dimension == 12
    files = library_for(trusted).files(trusted) or []
    assert {snapshot / "own_modeling.py", home / "refs" / "main"} <= set(files)


def test_libraries_that_have_no_such_code_refuse_the_key(spec: Any, tmp_path: Path) -> None:
    table = ModelTable(source="timm:resnet50", trust_remote_code=True)
    told = "models.tried.trust_remote_code' is true for a model of timm"
    with pytest.raises(SettingsError, match=told):
        model_spec("tried", table, "models.toml", tmp_path)
    with pytest.raises(SettingsError, match=r"one of .*transformers"):
        library_for(spec("timm:resnet50", trust_remote_code=True))


def test_it_stands_among_the_overrides(spec: Any) -> None:
    assert overrides(spec("transformers:x", trust_remote_code=True)) == ["trust_remote_code = true"]
