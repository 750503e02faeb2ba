"""Voyage AI: multimodal embeddings, over HTTP.

Not through the vendor's SDK: voyageai 0.5.0 requires langchain-text-splitters (with langchain-core and
langsmith) and aiohttp, for what is one request here.

Wire format, from "Multimodal embedding models" of the API reference (docs.voyageai.com/reference/
multimodal-embeddings-api; the same at MongoDB, ai.mongodb.com/v1, which may be the endpoint): ``POST
/v1/multimodalembeddings`` with ``model``, ``inputs`` (each with a ``content`` of one ``image_base64``, a data
URI), ``input_type`` (null, query or document; the latter two put a prompt before the image) and, for 3.5,
``output_dimension`` (so in the SDK); the reply has ``data``, each with ``index`` and ``embedding``, and
``usage``: ``text_tokens``, ``image_pixels``, ``total_tokens``.

Limits, from "Multimodal Embeddings" and "Pricing" (docs.voyageai.com): PNG, JPEG, WebP or GIF; 1,000 inputs a
request; 16 million pixels and 20 MB an image; 560 pixels a token; 32,000 tokens an input and 320,000 a
request; an image of more than 2 million pixels is scaled down to that, which is done here before it is sent.
Then 80 images are at most 285,760 tokens. The bytes of a request have no documented limit: 20 MB here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import Limits, Payload
from pytest_prodbench.models.remote.rest import ListedService, Rest

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

ADDRESS = "https://api.voyageai.com/v1"

DIMENSIONS = {
    "voyage-multimodal-3.5": (1024, 256, 512, 2048),
    "voyage-multimodal-3": (1024,),
}
"""Identifier → dimensions, the model's own first."""

LIMITS = Limits(
    images_per_request=80, image_bytes=20_000_000, request_bytes=20_000_000, pixels=2_000_000
)


class VoyageLibrary(RemoteLibrary[RemoteOptions]):
    """``voyage:MODEL``; the key is in ``VOYAGE_API_KEY``."""

    provider = "voyage"
    extra = "voyage"
    distributions = ("httpx2",)

    def facts(self, spec: ModelSpec) -> Facts:
        """Return dimension and limits; of an identifier that is not known those of 3.5."""
        dimension = self.dimension(spec, DIMENSIONS)
        parameters: dict[str, Any] = {"input_type": self.given(spec).input_type}
        if DIMENSIONS.get(spec.identifier) != (dimension,):
            parameters["output_dimension"] = dimension
        return Facts(dimension, LIMITS, parameters)

    def connect(self, spec: ModelSpec) -> ListedService:
        """Make the client; it sends nothing yet.

        Raises:
            ModelError: httpx2 or the key is not there.
        """
        self.sdk(spec, "httpx2")
        options, key = self.given(spec), self.key(spec, "VOYAGE_API_KEY")
        address = f"{options.endpoint or ADDRESS}/multimodalembeddings"
        rest = Rest(address, options, key, {"Authorization": "Bearer "})
        asked = {"model": spec.identifier, **self.facts(spec).parameters}
        return ListedService(rest, "inputs", _content, asked)


def _content(image: Payload) -> dict[str, Any]:
    return {"content": [{"type": "image_base64", "image_base64": image.data_uri()}]}
