"""Gemini, Vertex AI and Bedrock: their options, and what is known before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from named import GEMINI, NOVA, TITAN, VERTEX, facts_of, library_of, spec_of
from pydantic import ValidationError

from pytest_prodbench.errors import ModelError


@pytest.mark.parametrize(
    ("source", "options", "dimension"),
    [
        (GEMINI, {}, 3072),
        (GEMINI, {"dimension": 128}, 128),
        ("gemini:gemini-embedding-9", {"dimension": 4096}, 4096),
        (VERTEX, {}, 1408),
        (VERTEX, {"dimension": 512}, 512),
        (TITAN, {}, 1024),
        (NOVA, {}, 3072),
        ("bedrock:eu.amazon.nova-2-multimodal-embeddings-v1:0", {"dimension": 384}, 384),
        ("bedrock:global.cohere.embed-v4:0", {}, 1536),
        ("bedrock:amazon.nova-3-multimodal-embeddings-v1:0", {"dimension": 2048}, 2048),
    ],
)
def test_the_dimension(source: str, options: dict[str, Any], dimension: int) -> None:
    assert facts_of(source, **options).dimension == dimension


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (GEMINI, {"dimension": 127}, "dimension 127; expected 128 to 3072"),
        (GEMINI, {"dimension": 3073}, "768, 1536 and 3072 are recommended"),
        (GEMINI, {"input_type": "query"}, "cannot be told"),
        ("gemini:gemini-embedding-9", {}, "not among the known models of gemini"),
        ("gemini:multimodalembedding@001", {"project": "p", "dimension": 128}, "library vertex"),
        (VERTEX, {"dimension": 1024}, "expected one of 1408, 512, 256, 128"),
        (VERTEX, {"input_type": "document"}, "cannot be told"),
        ("vertex:multimodalembedding@002", {}, "not among the known models of vertex"),
        (TITAN, {"dimension": 512}, "expected one of 1024, 384, 256"),
        (TITAN, {"input_type": "query"}, "cannot be told"),
        (TITAN, {"detail_level": "DOCUMENT_IMAGE"}, "only Nova has it"),
        ("bedrock:amazon.titan-embed-image-v9", {}, "not among the known models of bedrock"),
        ("bedrock:amazon.titan-embed-text-v2:0", {"dimension": 256}, "nobody here knows how"),
        ("bedrock:arn:aws:bedrock:us-east-1:1:x/y", {"dimension": 256}, "an ARN does not tell"),
    ],
)
def test_what_a_model_does_not_have(source: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        facts_of(source, **options)


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (GEMINI, {"location": "global"}),
        (GEMINI, {"project": "p/../q"}),
        (VERTEX, {"location": "evil.example/"}),
        (TITAN, {"region": "us-east-1.evil.example"}),
        (NOVA, {"detail_level": "HIGH"}),
    ],
)
def test_an_option_that_is_refused_when_the_suite_is_read(
    source: str, options: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        library_of(spec_of(source)).options.model_validate(options)


def test_what_images_are_said_to_be() -> None:
    purposes = [
        facts_of(NOVA, **said).parameters["embeddingPurpose"]
        for said in ({}, {"input_type": "document"}, {"input_type": "query"})
    ]
    assert purposes == ["GENERIC_INDEX", "GENERIC_INDEX", "IMAGE_RETRIEVAL"]
    cohere = facts_of("bedrock:cohere.embed-v4:0", input_type="query").parameters
    assert cohere["input_type"] == "search_query"


def test_a_body_of_bedrock_stays_below_its_limit() -> None:
    for source in (TITAN, NOVA, "bedrock:cohere.embed-v4:0"):
        limits = facts_of(source).limits
        assert limits.image_bytes is not None
        assert -(-limits.image_bytes // 3) * 4 + 1000 < 25_000_000


def test_one_image_a_request_on_vertex() -> None:
    assert facts_of(GEMINI).limits.images_per_request == 6
    assert facts_of(GEMINI, project="p").limits.images_per_request == 1


def test_place_and_payer_make_no_other_model() -> None:
    for source, one, two in (
        (GEMINI, {"project": "a"}, {"project": "b", "location": "us-central1"}),
        (VERTEX, {}, {"project": "b", "location": "europe-west4"}),
        (NOVA, {"region": "us-east-1"}, {"region": "us-west-2"}),
    ):
        first, second = spec_of(source, **one), spec_of(source, **two)
        assert library_of(first).identity(first) == library_of(second).identity(second)
    api, vertex = spec_of(GEMINI), spec_of(GEMINI, project="a")
    assert library_of(api).identity(api) != library_of(vertex).identity(vertex)
