"""The file of open foundation models: every entry is a model that its library knows."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder
from pytest_prodbench.settings.sources import parse_source

FILE = Path(__file__).parents[2] / "suites" / "models-full.toml"
MODELS: dict[str, dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["models"]


@pytest.mark.usefixtures("no_network", "empty_hub")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_only_the_weights_are_missing(name: str, load: Callable[..., Embedder]) -> None:
    """A wrong architecture or tag would fail otherwise than with a hint to download it."""
    library, identifier = parse_source(MODELS[name]["source"], where=f"{FILE.name} {name}")
    fields = {key: value for key, value in MODELS[name].items() if key != "source"}
    with pytest.raises(ModelError, match="prodbench download tried"):
        load(f"{library}:{identifier}", **fields)


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
    ):
        assert family in sources
