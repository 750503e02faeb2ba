"""How the models on Amazon Bedrock are asked; a body is 25,000,000 bytes at most (botocore, bedrock-runtime).

- "Amazon Titan Multimodal Embeddings G1" of the Amazon Bedrock user guide: ``inputImage`` in base64,
  ``embeddingConfig.outputEmbeddingLength`` 1024, 384 or 256; reply ``embedding``, ``inputTextTokenCount``,
  ``message``. An image of 25 MB and 2048 × 2048 pixels at most. No types of input.
- "Complete embeddings request and response schema" of the Amazon Nova user guide: ``taskType``
  SINGLE_EMBEDDING, ``singleEmbeddingParams`` with ``embeddingPurpose``, ``embeddingDimension`` 3072, 1024,
  384 or 256, and ``image`` (``format``, ``detailLevel``, ``source.bytes`` in base64); reply
  ``embeddings[].embedding``. One image; we found no limit of its size but the body's. GENERIC_INDEX is for
  what is searched in, IMAGE_RETRIEVAL for what images are searched with (AWS News Blog, 28 October 2025);
  where nothing is said, all is GENERIC_INDEX.
- "Cohere Embed v4" of the Amazon Bedrock user guide: ``images`` (data URIs, 96 at most), ``input_type``
  (search_document, search_query, …; none for images), ``embedding_types``, ``output_dimension``; reply
  ``embeddings.float``. Images of more than 2,458,624 pixels are scaled down to that.

Replies tell of no image that was counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_prodbench.models.remote.protocol import Limits, Payload

DIMENSIONS = {
    "amazon.titan-embed-image-v1": (1024, 384, 256),
    "amazon.nova-2-multimodal-embeddings-v1:0": (3072, 1024, 384, 256),
    "cohere.embed-v4:0": (1536, 1024, 512, 256),
}
"""Identifier → dimensions, the model's own first."""

PROFILE = re.compile(r"^(us|us-gov|eu|apac|jp|au|ca|global)\.")
"""What an inference profile puts before the model's name."""

IMAGE_BYTES = 18_700_000
"""In base64 and with what is around it, it stays below the 25,000,000 bytes of a body."""

BODY_BYTES = 24_990_000


@dataclass(frozen=True, slots=True)
class Form:
    """How one family of models is asked.

    Attributes:
        limits: of a request.
        input_types: what the family calls a type of input; None where it knows none.
        parameters: of a dimension, an input type and a level of detail; JSON-like.
        body: of parameters and images.
        rows: vectors of a reply.
    """

    limits: Limits
    input_types: Mapping[str | None, str] | None
    parameters: Callable[[int, str, str], dict[str, Any]]
    body: Callable[[Mapping[str, Any], Sequence[Payload]], dict[str, Any]]
    rows: Callable[[Mapping[str, Any]], Sequence[Any]]


def _nova(parameters: Mapping[str, Any], images: Sequence[Payload]) -> dict[str, Any]:
    (image,) = images
    asked = dict(parameters)
    shown = {
        "format": image.media_type.removeprefix("image/"),
        "detailLevel": asked.pop("detailLevel"),
        "source": {"bytes": image.base64()},
    }
    return {
        "schemaVersion": "nova-multimodal-embed-v1",
        "taskType": "SINGLE_EMBEDDING",
        "singleEmbeddingParams": {**asked, "image": shown},
    }


FORMS = {
    "titan-embed-image": Form(
        Limits(image_bytes=IMAGE_BYTES, request_bytes=BODY_BYTES, longest_edge=2048),
        None,
        lambda dimension, _type, _detail: {"outputEmbeddingLength": dimension},
        lambda asked, images: {"inputImage": images[0].base64(), "embeddingConfig": dict(asked)},
        lambda reply: [reply["embedding"]],
    ),
    "multimodal-embeddings": Form(
        Limits(image_bytes=IMAGE_BYTES, request_bytes=BODY_BYTES),
        {None: "GENERIC_INDEX", "query": "IMAGE_RETRIEVAL", "document": "GENERIC_INDEX"},
        lambda dimension, purpose, detail: {
            "embeddingPurpose": purpose,
            "embeddingDimension": dimension,
            "detailLevel": detail,
        },
        _nova,
        lambda reply: [entry["embedding"] for entry in reply["embeddings"]],
    ),
    "cohere.embed-v4": Form(
        Limits(
            images_per_request=96,
            image_bytes=IMAGE_BYTES,
            request_bytes=BODY_BYTES,
            pixels=2_458_624,
        ),
        {None: "search_document", "query": "search_query", "document": "search_document"},
        lambda dimension, input_type, _detail: {
            "input_type": input_type,
            "embedding_types": ["float"],
            "output_dimension": dimension,
        },
        lambda asked, images: {**asked, "images": [image.data_uri() for image in images]},
        lambda reply: reply["embeddings"]["float"],
    ),
}
"""Part of an identifier → the form of the request."""
