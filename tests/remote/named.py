"""Models of providers by their source, as a suite names them."""

from __future__ import annotations

from typing import Any

from pytest_prodbench.models import library_for
from pytest_prodbench.models.remote import Facts, RemoteLibrary, RemoteService
from pytest_prodbench.settings.types import ModelSpec

TITAN = "bedrock:amazon.titan-embed-image-v1"
NOVA = "bedrock:amazon.nova-2-multimodal-embeddings-v1:0"
GEMINI = "gemini:gemini-embedding-2"
VERTEX = "vertex:multimodalembedding@001"


def spec_of(source: str, **options: Any) -> ModelSpec:
    library, _, identifier = source.partition(":")
    return ModelSpec(
        name="remote", library=library, identifier=identifier, family="api", options=options
    )


def library_of(spec: ModelSpec) -> RemoteLibrary[Any]:
    found: Any = library_for(spec)
    return found


def facts_of(source: str, **options: Any) -> Facts:
    spec = spec_of(source, **options)
    return library_of(spec).facts(spec)


def connected(source: str, **options: Any) -> RemoteService:
    spec = spec_of(source, **options)
    return library_of(spec).connect(spec)
