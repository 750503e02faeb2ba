"""Azure: multimodal embeddings of Azure Vision, and image embeddings of models in Microsoft Foundry.

Azure Vision, from "Vectorize Image" of the REST reference and the pages "Azure Vision vectorizer" and "Azure
Vision multimodal embeddings skill" (learn.microsoft.com): ``POST
ENDPOINT/computervision/retrieval:vectorizeImage?api-version=2024-02-01&model-version=2023-04-15``; body: the
file as ``application/octet-stream``; header ``Ocp-Apim-Subscription-Key``; the reply is ``{"vector": [...],
"modelVersion": "..."}``, 1,024 numbers. Images: less than 20 MB, more than 10 × 10 and less than 16,000 ×
16,000 pixels; one a request.

Foundry, from "Get Image Embeddings" of the Model Inference reference (learn.microsoft.com): ``POST
https://RESOURCE.services.ai.azure.com/models/images/embeddings?api-version=2024-05-01-preview`` with
``model`` (the deployment), ``input`` (each ``{"image": data URI}``), ``encoding_format``, ``dimensions`` and
``input_type``; the reply has ``data``, each with ``index`` and ``embedding``, and ``usage``. The key goes in
``api-key`` or, for an endpoint of one deployment, in ``Authorization``; both are sent, as Microsoft's own
client does. Not through that client: azure-ai-inference never left beta and "will be retired on August 26,
2026" (learn.microsoft.com, foundry-models/concepts/endpoints); the OpenAI client, to be used instead,
embeds no images. Limits are those of the model's vendor (see ``cohere``); of a deployment that is not known:
one image a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.remote import cohere
from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import Limits, Payload, Reply
from pytest_prodbench.models.remote.rest import (
    ListedService,
    Rest,
    address_of,
    listed,
    refuse_input_type,
)
from pytest_prodbench.models.remote.vectors import stacked

if TYPE_CHECKING:
    from pydantic import SecretStr

    from pytest_prodbench.settings.types import ModelSpec

VISION = "vision"
"""The identifier of Azure Vision; every other one is a deployment in Foundry."""

VISION_LIMITS = Limits(images_per_request=1, image_bytes=20_000_000, longest_edge=15_999)

FOUNDRY = {
    "embed-v-4-0": ((1536, 1024, 512, 256), cohere.V4),
    "Cohere-embed-v3-english": ((1024,), cohere.V3),
    "Cohere-embed-v3-multilingual": ((1024,), cohere.V3),
}
"""Model, which is the deployment's name unless its owner chose another → dimensions, and limits."""

DIMENSIONS = {VISION: (1024,), **{name: known for name, (known, _) in FOUNDRY.items()}}

VISION_EXAMPLE = "https://RESOURCE.cognitiveservices.azure.com"
FOUNDRY_EXAMPLE = "https://RESOURCE.services.ai.azure.com/models"

ApiVersion = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(-preview)?$")]


class AzureOptions(RemoteOptions):
    """How Azure is asked.

    Attributes:
        api_version: of the REST interface; None: the one in this module's documentation.
        model_version: of Azure Vision's model: 2022-04-11 is the older one. Foundry has none.
    """

    api_version: ApiVersion | None = None
    model_version: Literal["2023-04-15", "2022-04-11"] | None = None


class AzureLibrary(RemoteLibrary[AzureOptions]):
    """``azure:vision`` and ``azure:DEPLOYMENT``; both need ``endpoint``.

    The key of the former is in ``VISION_KEY`` or ``AZURE_AI_VISION_KEY``, that of the latter in
    ``AZURE_INFERENCE_CREDENTIAL`` or ``AZURE_AI_API_KEY``.
    """

    provider = "azure"
    extra = "azure"
    distributions = ("httpx2",)
    options = AzureOptions

    def facts(self, spec: ModelSpec) -> Facts:
        """Return dimension and limits.

        Raises:
            ModelError: as ``dimension``; no endpoint; an option that the other of the two has.
        """
        options = self.given(spec)
        dimension = self.dimension(spec, DIMENSIONS)
        if spec.identifier == VISION:
            address_of(spec, options, VISION_EXAMPLE)
            refuse_input_type(spec, options)
            return Facts(
                dimension,
                VISION_LIMITS,
                {
                    "api-version": options.api_version or "2024-02-01",
                    "model-version": options.model_version or "2023-04-15",
                },
            )
        address_of(spec, options, FOUNDRY_EXAMPLE)
        if options.model_version is not None:
            raise model_error(
                spec,
                found="model_version",
                expected=f"none: it is a key of {self.provider}:{VISION}",
                next_step="take it out; the version is that of the deployment",
            )
        known, limits = FOUNDRY.get(spec.identifier, ((), Limits()))
        parameters: dict[str, Any] = {
            "api-version": options.api_version or "2024-05-01-preview",
            "encoding_format": "float",
        }
        if known != (dimension,):
            parameters["dimensions"] = dimension
        if options.input_type is not None:
            parameters["input_type"] = options.input_type
        return Facts(dimension, limits, parameters)

    def connect(self, spec: ModelSpec) -> VisionService | ListedService:
        """Make the client; it sends nothing yet.

        Raises:
            ModelError: httpx2 or the key is not there.
        """
        self.sdk(spec, "httpx2")
        facts, options = self.facts(spec), self.given(spec)
        if spec.identifier == VISION:
            return VisionService(
                facts, options, self.key(spec, "VISION_KEY", "AZURE_AI_VISION_KEY")
            )
        key = self.key(spec, "AZURE_INFERENCE_CREDENTIAL", "AZURE_AI_API_KEY")
        asked = dict(facts.parameters)
        address = f"{options.endpoint}/images/embeddings?api-version={asked.pop('api-version')}"
        rest = Rest(address, options, key, {"api-key": "", "Authorization": "Bearer "})
        return ListedService(
            rest,
            "input",
            lambda image: {"image": image.data_uri()},
            {"model": spec.identifier, **asked},
        )


class VisionService:
    """Azure Vision."""

    def __init__(self, facts: Facts, options: AzureOptions, key: SecretStr) -> None:
        query = "&".join(f"{name}={value}" for name, value in facts.parameters.items())
        address = f"{options.endpoint}/computervision/retrieval:vectorizeImage?{query}"
        self._rest = Rest(address, options, key, {"Ocp-Apim-Subscription-Key": ""})
        self.secrets = self._rest.secrets

    def embed(self, images: Sequence[Payload]) -> Reply:
        """Send one request of one image.

        Raises:
            ServiceError: nothing usable came back.
        """
        (image,) = images
        reply = self._rest.post(image.data, "application/octet-stream")
        return Reply(stacked([listed(reply, "vector")], 1))
