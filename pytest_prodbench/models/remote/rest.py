"""A provider without an SDK: one client, one key, and one attempt a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.remote.http import post
from pytest_prodbench.models.remote.protocol import BrokenReplyError, Payload, Reply
from pytest_prodbench.models.remote.vectors import by_index, usage_of

if TYPE_CHECKING:
    from pydantic import SecretStr

    from pytest_prodbench.models.remote.options import RemoteOptions
    from pytest_prodbench.settings.types import ModelSpec

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Rest:
    """Sends to one address with one key; several threads may use it at once."""

    def __init__(
        self,
        address: str,
        options: RemoteOptions,
        key: SecretStr | None,
        headers: Mapping[str, str],
    ) -> None:
        """``headers``: name → what stands before the key there, such as ``{"Authorization": "Bearer "}``."""
        import httpx2

        def signed(request: httpx2.Request) -> httpx2.Request:
            # Only now, so that the key is no local variable of a frame that a traceback may show.
            if key is not None:
                for name, prefix in headers.items():
                    request.headers[name] = f"{prefix}{key.get_secret_value()}"
            return request

        self.secrets: tuple[SecretStr, ...] = () if key is None else (key,)
        self._address = address
        # It follows no redirect, which would take the key elsewhere, and tries nothing twice. A proxy of the
        # environment is for addresses beyond this machine.
        self._client = httpx2.Client(
            auth=signed,
            timeout=options.timeout_s,
            mounts={f"all://{host}": None for host in LOOPBACK},
        )

    def post(self, body: Any, media_type: str = "application/json") -> Mapping[str, Any]:
        """Send JSON, or bytes as they are, once, and return the JSON object that came back.

        Raises:
            ServiceError: as ``http.post``.
        """
        headers = {"Content-Type": media_type, "Accept": "application/json"}
        return post(self._client, self._address, headers=headers, body=body)


class ListedService:
    """A model that takes a list of images and answers with ``data``, each with ``index`` and ``embedding``.

    OpenAI's form of a reply, which several providers have.
    """

    def __init__(
        self, rest: Rest, name: str, wrap: Callable[[Payload], Any], asked: Mapping[str, Any]
    ) -> None:
        """``name``: of the list in a request. ``wrap``: an image as an item of it. ``asked``: the rest."""
        self._rest, self._name, self._wrap, self._asked = rest, name, wrap, dict(asked)
        self.secrets = rest.secrets

    def embed(self, images: Sequence[Payload]) -> Reply:
        """Send one request.

        Raises:
            ServiceError: nothing usable came back.
        """
        reply = self._rest.post(
            {self._name: [self._wrap(image) for image in images], **self._asked}
        )
        vectors = by_index(listed(reply, "data"), len(images))
        return Reply(vectors, usage_of(reply.get("usage")))


def listed(reply: Mapping[str, Any], name: str) -> Sequence[Any]:
    """Return a list of a reply.

    Raises:
        BrokenReplyError: it has none of this name.
    """
    found = reply.get(name)
    if not isinstance(found, list):
        raise BrokenReplyError(f"a reply without a list {name!r}")
    return found


def address_of(spec: ModelSpec, options: RemoteOptions, example: str) -> str:
    """Return the endpoint of a model whose provider has no address that is the same for all.

    Raises:
        ModelError: it has none.
    """
    if options.endpoint is None:
        raise model_error(
            spec,
            found="no endpoint",
            expected="the key endpoint, as this provider has no address that is the same for all",
            next_step=f'write endpoint = "{example}" in its table',
        )
    return options.endpoint


def refuse_input_type(spec: ModelSpec, options: RemoteOptions) -> None:
    """Refuse to say what images are to a model that cannot be told.

    Raises:
        ModelError: the model has the key.
    """
    if options.input_type is not None:
        raise model_error(
            spec,
            found=f"input_type {options.input_type!r}",
            expected="none: this model cannot be told what an image is",
            next_step="take it out",
        )
