"""The file of open foundation models: every entry is a model that its library knows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import library_for
from pytest_prodbench.settings.files import model_spec
from pytest_prodbench.settings.tables import ModelTable

FILE = Path(__file__).parents[2] / "suites" / "models-full.toml"
MODELS: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["models"]


@pytest.mark.usefixtures("no_network", "empty_hub")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_only_the_weights_are_missing(name: str) -> None:
    """A wrong architecture or tag would fail otherwise than with a hint to download it."""
    spec = model_spec(name, ModelTable(**MODELS[name]), f"{FILE.name} {name}", FILE.parent)
    with pytest.raises(ModelError, match=f"prodbench download {name}"):
        library_for(spec).load(spec, torch.device("cpu"))


def test_every_family_that_the_project_promises_is_there() -> None:
    sources = " ".join(entry["source"] for entry in MODELS.values()).lower()
    for family in (
        "vit-b-32/laion2b",
        "vit-l-14",
        "siglip-",
        "siglip2",
        "dinov2",
        "dinov3",
        "pe-core",
        "naflex",
        "qwen3-vl-embedding",
        "gme-qwen2-vl",
    ):
        assert family in sources
