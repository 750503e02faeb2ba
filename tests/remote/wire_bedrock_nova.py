"""Nova Multimodal Embeddings on Amazon Bedrock (see models/remote/bedrock_forms.py)."""

from __future__ import annotations

from collections.abc import Sequence

from bedrock_wire import ALONE, REGION, asked, configuration, decoded, refusal, reply
from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

MODEL = "amazon.nova-2-multimodal-embeddings-v1:0"


def read(request: Request) -> list[bytes]:
    assert request.headers["X-Amz-Security-Token"] == f"session-{PLANTED}"
    body = asked(request, MODEL, "AKIDEXAMPLE")
    assert set(body) == {"schemaVersion", "taskType", "singleEmbeddingParams"}
    assert body["schemaVersion"] == "nova-multimodal-embed-v1"
    assert body["taskType"] == "SINGLE_EMBEDDING"
    asked_for = body["singleEmbeddingParams"]
    assert set(asked_for) == {"embeddingPurpose", "embeddingDimension", "image"}
    assert asked_for["embeddingPurpose"] == "IMAGE_RETRIEVAL"
    assert asked_for["embeddingDimension"] == 256
    image = asked_for["image"]
    assert set(image) == {"format", "detailLevel", "source"}
    assert (image["format"], image["detailLevel"]) == ("png", "STANDARD_IMAGE")
    assert set(image["source"]) == {"bytes"}
    return [decoded(image["source"]["bytes"])]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    return reply(
        {"embeddings": [{"embeddingType": "IMAGE", "embedding": vectors[i]} for i in order]}
    )


WIRE = Wire(
    library="bedrock",
    identifier=MODEL,
    dimension=256,
    # Without its secret the access key alone is no credential.
    environment={
        **ALONE,
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": PLANTED,
        "AWS_SESSION_TOKEN": f"session-{PLANTED}",
        "AWS_REGION": REGION,
    },
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 256, "input_type": "query", "region": REGION},
    beside=configuration,
)
