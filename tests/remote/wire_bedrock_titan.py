"""Titan Multimodal Embeddings G1 on Amazon Bedrock (see models/remote/bedrock_forms.py)."""

from __future__ import annotations

from collections.abc import Sequence

from bedrock_wire import ALONE, REGION, asked, configuration, decoded, refusal, reply
from werkzeug import Request, Response
from wire import PLANTED, Vectors, Wire

ACCESS_KEY = f"AKIA-{PLANTED}"


def read(request: Request) -> list[bytes]:
    body = asked(request, "amazon.titan-embed-image-v1", ACCESS_KEY)
    assert set(body) == {"inputImage", "embeddingConfig"}
    assert body["embeddingConfig"] == {"outputEmbeddingLength": 384}
    return [decoded(body["inputImage"])]


def answer(request: Request, vectors: Vectors, order: Sequence[int]) -> Response:
    if not vectors:
        return reply({"message": "the image was not understood"})
    return reply({"embedding": vectors[0], "inputTextTokenCount": 0, "message": None})


WIRE = Wire(
    library="bedrock",
    identifier="amazon.titan-embed-image-v1",
    dimension=384,
    environment={**ALONE, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": PLANTED},
    read=read,
    answer=answer,
    refusal=refusal,
    options={"dimension": 384, "region": REGION},
    beside=configuration,
)
