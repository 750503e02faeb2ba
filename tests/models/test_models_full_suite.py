"""The file of foundation models and commercial APIs: every entry is a model that its library knows."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import library_for
from pytest_prodbench.models.remote import RemoteLibrary
from pytest_prodbench.settings.files import model_spec
from pytest_prodbench.settings.tables import ModelTable

FILE = Path(__file__).parents[2] / "suites" / "models-full.toml"
MODELS: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["models"]

APIS = {name for name, entry in MODELS.items() if entry["family"] == "api"}


@pytest.mark.usefixtures("no_network", "empty_hub")
@pytest.mark.parametrize("name", sorted(set(MODELS) - APIS))
def test_only_the_weights_are_missing(name: str) -> None:
    """A wrong architecture or tag would fail otherwise than with a hint to download it."""
    spec = model_spec(name, ModelTable(**MODELS[name]), f"{FILE.name} {name}", FILE.parent)
    with pytest.raises(ModelError, match=f"prodbench download {name}"):
        library_for(spec).load(spec, torch.device("cpu"))


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", sorted(APIS))
def test_a_provider_knows_the_model_without_a_key_or_a_request(name: str) -> None:
    spec = model_spec(name, ModelTable(**MODELS[name]), f"{FILE.name} {name}", FILE.parent)
    library: Any = library_for(spec)
    assert isinstance(library, RemoteLibrary)
    assert library.identity(spec).dimension >= 1024
    assert library.facts(spec).limits.images_per_request >= 1


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
        "cohere:",
        "gemini:",
        "vertex:",
        "voyage:",
        "jina:",
        "bedrock:amazon.nova",
        "bedrock:amazon.titan",
        "azure:vision",
    ):
        assert family in sources
