"""Whoever asks Google Cloud: its Application Default Credentials, through the vendor's SDK (``google-auth``).

The chain is the SDK's own (AIP-4110; "How Application Default Credentials works" in the Google Cloud
documentation): the file that ``GOOGLE_APPLICATION_CREDENTIALS`` names, the login of ``gcloud``, the account
of the machine.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, SecretStr

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.remote.protocol import DeniedError, ServiceError, TransientError

if TYPE_CHECKING:
    from pytest_prodbench.models.remote.library import RemoteLibrary
    from pytest_prodbench.settings.types import ModelSpec

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

# They become parts of an address.
Project = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.:-]*$")]
Location = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]

MULTI_REGIONS = frozenset(("us", "eu"))


def address_of(location: str) -> str:
    """Return where Vertex AI is asked for a location ("Locations" in its documentation)."""
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in MULTI_REGIONS:
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


class Account:
    """Credentials of Google Cloud; their tokens are fetched when they are needed, and last an hour."""

    def __init__(self, credentials: Any, project: str) -> None:
        self.credentials, self.project = credentials, project
        self._lock = threading.Lock()

    @classmethod
    def found(cls, library: RemoteLibrary[Any], spec: ModelSpec, project: str | None) -> Account:
        """Return what the SDK's chain finds; a project that is not stated is that of the credentials.

        Raises:
            ModelError: no SDK, no credentials, no project.
        """
        auth = library.sdk(spec, "google.auth")
        library.sdk(spec, "google.auth.transport.requests")
        try:
            credentials, known = auth.default(scopes=[SCOPE])
        except Exception as error:  # of a file that is none of its kinds, whatever it meets
            raise model_error(
                spec,
                found=f"no credentials of Google Cloud ({type(error).__name__})",
                expected="Application Default Credentials",
                next_step="set GOOGLE_APPLICATION_CREDENTIALS to the file of an account, or log in with"
                " gcloud auth application-default login; vectors that are in the cache need neither",
            ) from None
        if not (project := project or known):
            raise model_error(
                spec,
                found="no project of Google Cloud: neither the model nor the credentials name one",
                next_step="set the key project, or GOOGLE_CLOUD_PROJECT",
            )
        return cls(credentials, project)

    @property
    def secrets(self) -> tuple[SecretStr, ...]:
        """What is known of them now: there is no token before the first request."""
        known = (
            getattr(self.credentials, name, None)
            for name in ("token", "refresh_token", "client_secret")
        )
        return tuple(SecretStr(value) for value in known if isinstance(value, str) and value)

    def headers(self) -> dict[str, str]:
        """Return the headers that say who asks, with a token that is valid.

        Raises:
            ServiceError: no token was given.
        """
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        found: dict[str, str] = {}
        try:
            with self._lock:  # one fetches it, the others wait
                if not self.credentials.valid:
                    self.credentials.refresh(Request())
                self.credentials.apply(found)
        except GoogleAuthError as error:
            raise refused_token(error) from None
        return found


def refused_token(error: Any) -> ServiceError:
    """Return what an error of google-auth means to us; nothing was sent to the model, and nothing is paid."""
    from google.auth.exceptions import TransportError

    if isinstance(error, TransportError) or getattr(error, "retryable", False):
        return TransientError(f"no token of Google Cloud ({type(error).__name__})")
    return DeniedError(f"no token of Google Cloud: {error}")
