"""What passes between us and a provider: files of images, vectors, and four kinds of trouble."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Payload:
    """One image as it is sent: upright, RGB, cut to its box.

    Attributes:
        data: bytes of the file.
        media_type: ``image/png`` or ``image/jpeg``.
        width, height: in pixels.
    """

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int

    def base64(self) -> str:
        """Return the bytes in base64 (RFC 4648, section 4)."""
        return base64.b64encode(self.data).decode("ascii")

    def data_uri(self) -> str:
        """Return the file as a data URI (RFC 2397)."""
        return f"data:{self.media_type};base64,{self.base64()}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a provider takes, as it documents it; None where it says nothing.

    Attributes:
        images_per_request: at most.
        image_bytes: of one image's file.
        request_bytes: of all images of one request, in base64.
        longest_edge: in pixels; larger images are scaled down before they are sent.
        pixels: width × height; likewise.
        media_types: of the files that it takes, of those that we send.
    """

    images_per_request: int = 1
    image_bytes: int | None = None
    request_bytes: int | None = None
    longest_edge: int | None = None
    pixels: int | None = None
    media_types: tuple[str, ...] = ("image/png", "image/jpeg")


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What came back.

    Attributes:
        vectors: float32 (b, d), in the order of the images that were sent.
        usage: what the provider says that it counted, such as ``{"image_tokens": 1640}``.
    """

    vectors: NDArray[np.float32]
    usage: Mapping[str, float] = field(default_factory=dict)


class ServiceError(Exception):
    """A request that brought no vectors; raised ``from None``, as an SDK's own errors may hold the key.

    ``reason`` has what the provider said, whole and as it said it: keys are taken out of it, and it is cut,
    where it is shown. A key of which a part was cut off would not be found.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TransientError(ServiceError):
    """It may go well if it is sent again: too many requests, trouble of the server, a broken connection.

    ``retry_after``: seconds that the provider asks us to wait. ``perhaps_paid``: it was sent, and nobody
    can tell whether the provider did the work and asks its price.
    """

    def __init__(
        self, reason: str, *, retry_after: float | None = None, perhaps_paid: bool = False
    ) -> None:
        super().__init__(reason)
        self.retry_after, self.perhaps_paid = retry_after, perhaps_paid


class RefusedError(ServiceError):
    """These images were refused; fewer of them, or others, may be taken."""


class DeniedError(ServiceError):
    """Nothing will be taken from us: the key, the account, the model's name or the address is wrong."""


class BrokenReplyError(ServiceError):
    """The reply is not what the provider documents; it was answered, and will have its price."""


class RemoteService(Protocol):
    """A connection to a provider's model. Called from several threads at once.

    Attributes:
        secrets: what must stand in no message.
    """

    secrets: tuple[SecretStr, ...]

    def embed(self, images: Sequence[Payload]) -> Reply:
        """Send one request of at most ``Limits.images_per_request`` images; no retry, one attempt.

        Raises:
            ServiceError: one of its four kinds.
        """
        ...
