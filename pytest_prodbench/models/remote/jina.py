"""Jina AI: embeddings v5 omni, v4 and CLIP, over HTTP; we know of no SDK.

Wire format, from "Jina Search Foundation API" (api.jina.ai/openapi.json, api.jina.ai/docs): ``POST
/v1/embeddings`` with ``model``, ``input`` (each ``{"image": base64}``), ``task`` (``retrieval.query`` or
``retrieval.passage``; chooses an adapter of v4 and v5, and is left out unless ``input_type`` is given),
``dimensions``, ``normalized`` and ``embedding_type``; the reply has ``data``, each with ``index`` and
``embedding``, and ``usage.total_tokens``. The CLIP models know tasks for text only.

Dimensions: "Matryoshka Dimensions" of the models' pages (jina.ai/models/...); v4 sees at most 768 × 28 × 28
pixels of an image, and scales it itself. Rates, from the same API document: 500 requests and 1 million tokens
a minute and 5 requests at once for a free key. Images of a request and their bytes have no documented limit:
16 images and 20 MB here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import Limits
from pytest_prodbench.models.remote.rest import ListedService, Rest, refuse_input_type

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

ADDRESS = "https://api.jina.ai/v1"

DIMENSIONS = {
    "jina-embeddings-v5-omni-small": (1024, 768, 512, 256, 128, 64, 32),
    "jina-embeddings-v5-omni-nano": (768, 512, 256, 128, 64, 32),
    "jina-embeddings-v4": (2048, 1024, 512, 256, 128),
    "jina-clip-v2": (1024, 768, 512, 256, 128, 64, 32),
}
"""Identifier → dimensions, the model's own first."""

TASKS = {"query": "retrieval.query", "document": "retrieval.passage"}

LIMITS = Limits(images_per_request=16, request_bytes=20_000_000)


class JinaLibrary(RemoteLibrary[RemoteOptions]):
    """``jina:MODEL``; the key is in ``JINA_API_KEY``."""

    provider = "jina"
    extra = "jina"
    distributions = ("httpx2",)

    def facts(self, spec: ModelSpec) -> Facts:
        """Return dimension and limits.

        Raises:
            ModelError: as ``dimension``, or an input type for a model that knows none of images.
        """
        options = self.given(spec)
        parameters: dict[str, Any] = {
            "dimensions": self.dimension(spec, DIMENSIONS),
            "embedding_type": "float",
            "normalized": True,
        }
        if spec.identifier.startswith("jina-clip"):
            refuse_input_type(spec, options)
        if options.input_type is not None:
            parameters["task"] = TASKS[options.input_type]
        return Facts(parameters["dimensions"], LIMITS, parameters)

    def connect(self, spec: ModelSpec) -> ListedService:
        """Make the client; it sends nothing yet.

        Raises:
            ModelError: httpx2 or the key is not there.
        """
        self.sdk(spec, "httpx2")
        options, key = self.given(spec), self.key(spec, "JINA_API_KEY")
        address = f"{options.endpoint or ADDRESS}/embeddings"
        rest = Rest(address, options, key, {"Authorization": "Bearer "})
        asked = {"model": spec.identifier, **self.facts(spec).parameters}
        return ListedService(rest, "input", lambda image: {"image": image.base64()}, asked)
