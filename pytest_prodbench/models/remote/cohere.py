"""Cohere: embed v4 and v3, through the vendor's SDK (``cohere``, client of its v2 API).

Wire format: ``POST /v2/embed`` of ``https://api.cohere.com`` with ``model``, ``input_type``, ``images``
(data URIs), ``embedding_types`` and ``output_dimension``; the reply has ``embeddings.float`` in the order of
the images, and ``meta.billed_units``.

Limits, from the SDK's documentation of ``V2Client.embed`` (7.3): PNG, JPEG, WebP or GIF; embed v4 and newer:
any number of images, 20 MB together; embed v3: one image of 5 MB. From the parameters of Embed v4 in the
Amazon Bedrock user guide: dimensions 256, 512, 1024 and 1536; 96 images a call, which is kept to here too;
images of more than 2,458,624 pixels are scaled down to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.remote.http import error_of, no_answer
from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import (
    BrokenReplyError,
    DeniedError,
    Limits,
    Payload,
    Reply,
)
from pytest_prodbench.models.remote.rest import LOOPBACK
from pytest_prodbench.models.remote.vectors import stacked, usage_of

if TYPE_CHECKING:
    from pydantic import SecretStr

    from pytest_prodbench.settings.types import ModelSpec

ADDRESS = "https://api.cohere.com"

DIMENSIONS = {
    "embed-v4.0": (1536, 1024, 512, 256),
    "embed-english-v3.0": (1024,),
    "embed-multilingual-v3.0": (1024,),
    "embed-english-light-v3.0": (384,),
    "embed-multilingual-light-v3.0": (384,),
}
"""Identifier → dimensions, the model's own first."""

INPUT_TYPES = {None: "image", "query": "search_query", "document": "search_document"}

V3 = Limits(images_per_request=1, image_bytes=5_000_000)
V4 = Limits(
    images_per_request=96, image_bytes=20_000_000, request_bytes=20_000_000, pixels=2_458_624
)


class CohereLibrary(RemoteLibrary[RemoteOptions]):
    """``cohere:MODEL``; the key is in ``COHERE_API_KEY`` or ``CO_API_KEY``."""

    provider = "cohere"
    extra = "cohere"
    distributions = ("cohere",)

    def facts(self, spec: ModelSpec) -> Facts:
        """Return dimension and limits; of an identifier that is not known those of v4."""
        dimension = self.dimension(spec, DIMENSIONS)
        old = "-v3.0" in spec.identifier
        parameters: dict[str, Any] = {"input_type": INPUT_TYPES[self.given(spec).input_type]}
        if not old:
            parameters["output_dimension"] = dimension
        return Facts(dimension, V3 if old else V4, parameters)

    def connect(self, spec: ModelSpec) -> CohereService:
        """Make the SDK's client; it sends nothing yet.

        Raises:
            ModelError: SDK or key are not there.
        """
        self.sdk(spec, "cohere")
        key = self.key(spec, "COHERE_API_KEY", "CO_API_KEY")
        return CohereService(spec.identifier, self.facts(spec), self.given(spec), key)


class CohereService:
    """One model of Cohere."""

    def __init__(self, model: str, facts: Facts, options: RemoteOptions, key: SecretStr) -> None:
        import cohere
        import httpx

        self.secrets: tuple[SecretStr, ...] = (key,)
        self._model, self._facts = model, facts
        # Asked to retry nothing: how often something is sent, and paid for, is decided in one place.
        self._request: Any = {"max_retries": 0, "timeout": options.timeout_s}
        self._client = cohere.ClientV2(
            key.get_secret_value(),
            base_url=options.endpoint or ADDRESS,
            timeout=options.timeout_s,
            # The SDK's own client would follow a redirection, with the images.
            httpx_client=httpx.Client(
                follow_redirects=False,
                timeout=options.timeout_s,
                mounts={f"all://{host}": None for host in LOOPBACK},
            ),
            log_warning_experimental_features=False,
        )

    def embed(self, images: Sequence[Payload]) -> Reply:
        """Send one request.

        Raises:
            ServiceError: nothing usable came back.
        """
        import httpx
        from cohere.core import ApiError

        try:
            answer = self._client.embed(
                model=self._model,
                images=[image.data_uri() for image in images],
                embedding_types=["float"],
                request_options=self._request,
                **self._facts.parameters,
            )
        except ApiError as error:
            raise _translated(error) from None
        except httpx.TransportError as error:
            raise no_answer(error) from None
        rows = getattr(answer.embeddings, "float_", None)
        if rows is None:
            raise BrokenReplyError("a reply without embeddings of type float")
        units = getattr(answer.meta, "billed_units", None)
        return Reply(
            stacked(rows, len(images)),
            usage_of(units.model_dump(exclude_none=True) if units is not None else None),
        )


def _translated(error: Any) -> Exception:
    body = error.body
    message = body.get("message", body) if isinstance(body, dict) else body
    if error.status_code is None:
        return DeniedError(f"no status: {message}")
    if error.status_code < 300:
        return BrokenReplyError(f"no JSON: {message}")
    return error_of(error.status_code, error.headers or {}, str(message))
