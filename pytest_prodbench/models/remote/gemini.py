"""Gemini: embedding models that take images, through the vendor's SDK (``google-genai``).

Two services run them: the Gemini API, with a key, and Vertex AI, with credentials of Google Cloud, which is
asked where the key ``project`` is stated.

Wire format: ``POST /v1beta/models/MODEL:batchEmbedContents`` of ``https://generativelanguage.googleapis.com``
with one entry of ``requests`` an image (``model``, ``content.parts[].inline_data``,
``outputDimensionality``); the reply has ``embeddings[].values`` in their order. On Vertex AI,
``POST /v1beta1/projects/PROJECT/locations/LOCATION/publishers/google/models/MODEL:embedContent`` with one
``content`` and ``embedContentConfig``, and ``embedding.values``. Images of one content become one vector, and
there is no word in that service's documentation on several contents in one request, which the SDK (3.6) has
begun to send: it is one image a request there.

Limits, from "Embeddings" of the Gemini API documentation and "Gemini Embedding 2" of that of Vertex AI: PNG
or JPEG, six images a request, 8,192 tokens; dimensions from 128 to 3072, of which 768, 1536 and 3072 are
recommended. What an input is for is told in a text before it, and types of tasks are not taken: images alone
have none. No size of a file is documented there; a request is kept below 20 MB, which was the limit of inline
data of the Gemini API for years.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from pydantic import SecretStr, model_validator

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.remote.google_account import (
    Account,
    Location,
    Project,
    address_of,
    refused_token,
)
from pytest_prodbench.models.remote.http import error_of, no_answer
from pytest_prodbench.models.remote.library import Facts, RemoteLibrary
from pytest_prodbench.models.remote.options import RemoteOptions
from pytest_prodbench.models.remote.protocol import (
    BrokenReplyError,
    DeniedError,
    Limits,
    Payload,
    Reply,
    ServiceError,
)
from pytest_prodbench.models.remote.rest import LOOPBACK, refuse_input_type
from pytest_prodbench.models.remote.vectors import stacked, usage_of

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

ADDRESS = "https://generativelanguage.googleapis.com"

DIMENSIONS = {"gemini-embedding-2": (3072,), "gemini-embedding-2-preview": (3072,)}
SMALLEST, LARGEST = 128, 3072

IMAGES = 6
BYTES = 20_000_000


class GeminiOptions(RemoteOptions):
    """Keys of a model of Gemini.

    Attributes:
        project: of Google Cloud: Vertex AI is asked; None: the Gemini API is.
        location: of Vertex AI; None: ``global``.
    """

    project: Project | None = None
    location: Location | None = None

    @model_validator(mode="after")
    def _location_of_a_project(self) -> Self:
        if self.location is not None and self.project is None:
            raise ValueError("location without project: the Gemini API has no locations")
        return self


class GeminiLibrary(RemoteLibrary[GeminiOptions]):
    """``gemini:MODEL``; the key is in ``GEMINI_API_KEY`` or ``GOOGLE_API_KEY``."""

    provider = "gemini"
    extra = "google"
    distributions = ("google-genai",)
    options = GeminiOptions

    def facts(self, spec: ModelSpec) -> Facts:
        """Return dimension and limits.

        Raises:
            ModelError: a dimension that is not given, a type of input, or a model that the SDK would send no
                images to.
        """
        options = self.given(spec)
        refuse_input_type(spec, options)
        if options.project is not None and "gemini" not in spec.identifier:
            # The SDK sends others to :predict, their texts alone (Models.embed_content).
            raise model_error(
                spec,
                found=f"{spec.identifier!r} on Vertex AI",
                expected="a model with gemini in its name",
                next_step="use the library vertex for multimodalembedding@001",
            )
        dimension = self._dimension(spec)
        parameters: dict[str, Any] = {"output_dimensionality": dimension}
        if options.project is not None:
            parameters["service"] = "Vertex AI"
        limits = Limits(
            images_per_request=IMAGES if options.project is None else 1,
            image_bytes=BYTES * 3 // 4,
            request_bytes=BYTES,
        )
        return Facts(dimension, limits, parameters)

    def connect(self, spec: ModelSpec) -> GeminiService:
        """Make the SDK's client; it sends nothing yet.

        Raises:
            ModelError: SDK, key or credentials are not there.
        """
        self.sdk(spec, "google.genai")
        options = self.given(spec)
        who: SecretStr | Account
        if options.project is None:
            who = self.key(spec, "GEMINI_API_KEY", "GOOGLE_API_KEY")
        else:
            who = Account.found(self, spec, options.project)
        return GeminiService(spec.identifier, self.facts(spec), options, who)

    def _dimension(self, spec: ModelSpec) -> int:
        asked = self.given(spec).dimension
        if asked is None or spec.identifier not in DIMENSIONS:
            return self.dimension(spec, DIMENSIONS)
        if not SMALLEST <= asked <= LARGEST:
            raise model_error(
                spec,
                found=f"dimension {asked}",
                expected=f"{SMALLEST} to {LARGEST}; 768, 1536 and 3072 are recommended",
            )
        return asked


class GeminiService:
    """One model of Gemini, on one of the two services."""

    def __init__(
        self, model: str, facts: Facts, options: GeminiOptions, who: SecretStr | Account
    ) -> None:
        import httpx2
        from google import genai
        from google.genai import types

        self._model, self._types = model, types
        self._account = who if isinstance(who, Account) else None
        self.secrets: tuple[SecretStr, ...] = who.secrets if isinstance(who, Account) else (who,)
        self._config = types.EmbedContentConfig(output_dimensionality=facts.dimension)
        location = options.location or "global"
        # Address, version and client are stated, or the environment would decide them; the SDK's own client
        # would follow a redirection, with the key.
        http = types.HttpOptions(
            base_url=options.endpoint or (address_of(location) if self._account else ADDRESS),
            api_version="v1beta1" if self._account else "v1beta",
            timeout=max(1, round(options.timeout_s * 1000)),
            retry_options=types.HttpRetryOptions(attempts=1),
            httpx_client=httpx2.Client(
                follow_redirects=False, mounts={f"all://{host}": None for host in LOOPBACK}
            ),
        )
        if isinstance(who, Account):
            self._client = genai.Client(
                vertexai=True,
                credentials=who.credentials,
                project=who.project,
                location=location,
                http_options=http,
            )
        else:
            self._client = genai.Client(
                vertexai=False, api_key=who.get_secret_value(), http_options=http
            )

    def embed(self, images: Sequence[Payload]) -> Reply:
        """Send one request.

        Raises:
            ServiceError: nothing usable came back.
        """
        import httpx2
        from google.auth.exceptions import GoogleAuthError
        from google.genai.errors import APIError

        if self._account is not None:
            self._account.headers()  # one thread fetches a token, and the SDK finds it
            self.secrets = self._account.secrets
        # One content an image: the parts of one content become one vector.
        contents: list[Any] = [
            self._types.Content(
                role="user",
                parts=[self._types.Part.from_bytes(data=image.data, mime_type=image.media_type)],
            )
            for image in images
        ]
        try:
            answer = self._client.models.embed_content(
                model=self._model, contents=contents, config=self._config
            )
        except APIError as error:
            raise _translated(error) from None
        except GoogleAuthError as error:
            raise refused_token(error) from None
        except httpx2.TransportError as error:
            raise no_answer(error) from None
        except ValueError:  # no JSON, or JSON of another form
            raise BrokenReplyError("a reply that the SDK does not understand") from None
        rows = [entry.values for entry in answer.embeddings or ()]
        usage = answer.usage_metadata
        return Reply(
            stacked(rows, len(images)),
            usage_of(usage.model_dump(exclude_none=True) if usage is not None else None),
        )


def _translated(error: Any) -> ServiceError:
    message = str(error.message or "")
    if not isinstance(error.code, int) or error.code < 300:
        return BrokenReplyError(f"no answer of the API: {message}")
    if (
        error.status == "FAILED_PRECONDITION"
    ):  # 400 too: the country, or an account that pays for nothing
        return DeniedError(f"HTTP {error.code}: {message}")
    return error_of(error.code, getattr(error.response, "headers", None) or {}, message)
