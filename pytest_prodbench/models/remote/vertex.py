"""Vertex AI: ``multimodalembedding@001``, over its REST API with a token of google-auth.

The class for it in ``google-cloud-aiplatform`` (``vertexai.vision_models``) is deprecated, and
``google-genai`` sends no images to ``:predict`` (its issue 2262 asks for it). The model itself is to retire
on 1 April 2027 (there, after "Model versions and lifecycle" of the documentation).

Wire format, from "Multimodal embeddings API" of the Vertex AI documentation:
``POST /v1/projects/PROJECT/locations/LOCATION/publishers/google/models/MODEL:predict`` of
``https://LOCATION-aiplatform.googleapis.com`` with ``instances[].image.bytesBase64Encoded`` and ``mimeType``,
and ``parameters.dimension``; the reply has ``predictions[].imageEmbedding``. It knows no types of input, and
counts nothing.

Limits, from "Get multimodal embeddings": dimensions 128, 256, 512 and 1408; BMP, GIF, JPEG or PNG; 20 MB as
base64; images are scaled to 512 × 512 pixels there; 120 requests a minute of a project; one image a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_prodbench.models.remote.google_account import Account, Location, Project, address_of
from pytest_prodbench.models.remote.http import post
from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import BrokenReplyError, Limits, Payload, Reply
from pytest_prodbench.models.remote.rest import LOOPBACK, listed, refuse_input_type
from pytest_prodbench.models.remote.vectors import stacked

if TYPE_CHECKING:
    from pydantic import SecretStr

    from pytest_prodbench.settings.types import ModelSpec

DIMENSIONS = {"multimodalembedding@001": (1408, 512, 256, 128)}

LIMITS = Limits(images_per_request=1, image_bytes=15_000_000, request_bytes=20_000_000)


class VertexOptions(RemoteOptions):
    """Keys of a model of Vertex AI.

    Attributes:
        project: who pays; None: the project of the credentials.
        location: where the model runs. Not a part of its identity, as the same model runs everywhere.
    """

    project: Project | None = None
    location: Location = "us-central1"


class VertexLibrary(RemoteLibrary[VertexOptions]):
    """``vertex:MODEL``; credentials are those that google-auth finds."""

    provider = "vertex"
    extra = "google"
    distributions = ("google-auth", "httpx2")
    options = VertexOptions

    def facts(self, spec: ModelSpec) -> Facts:
        """Return dimension and limits.

        Raises:
            ModelError: as ``RemoteLibrary.dimension``, or a type of input is stated.
        """
        refuse_input_type(spec, self.given(spec))
        dimension = self.dimension(spec, DIMENSIONS)
        return Facts(dimension, LIMITS, {"dimension": dimension})

    def connect(self, spec: ModelSpec) -> VertexService:
        """Look for credentials; nothing is sent to Vertex AI yet.

        Raises:
            ModelError: a client, credentials or a project are not there.
        """
        self.sdk(spec, "httpx2")
        options = self.given(spec)
        account = Account.found(self, spec, options.project)
        return VertexService(spec.identifier, self.facts(spec), options, account)


class VertexService:
    """One model of Vertex AI."""

    def __init__(self, model: str, facts: Facts, options: VertexOptions, account: Account) -> None:
        import httpx2

        self._parameters = dict(facts.parameters)
        self._address = (
            f"{options.endpoint or address_of(options.location)}/v1/projects/{account.project}"
            f"/locations/{options.location}/publishers/google/models/{quote(model, safe='@')}:predict"
        )
        self.secrets: tuple[SecretStr, ...] = account.secrets

        def signed(request: httpx2.Request) -> httpx2.Request:
            # Only now, so that the token is no local variable of a frame that a traceback may show.
            request.headers.update(account.headers())
            self.secrets = account.secrets
            return request

        # It follows no redirect. A proxy of the environment is for addresses beyond this machine.
        self._client = httpx2.Client(
            auth=signed,
            timeout=options.timeout_s,
            mounts={f"all://{host}": None for host in LOOPBACK},
        )

    def embed(self, images: Sequence[Payload]) -> Reply:
        """Send one request.

        Raises:
            ServiceError: nothing usable came back.
        """
        instances = [
            {"image": {"bytesBase64Encoded": image.base64(), "mimeType": image.media_type}}
            for image in images
        ]
        found = post(
            self._client,
            self._address,
            headers={"Content-Type": "application/json"},
            body={"instances": instances, "parameters": self._parameters},
        )
        try:
            rows = [prediction["imageEmbedding"] for prediction in listed(found, "predictions")]
        except (KeyError, TypeError):
            raise BrokenReplyError("a prediction without imageEmbedding") from None
        return Reply(stacked(rows, len(images)))
