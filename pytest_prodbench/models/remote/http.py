"""Requests to a provider without an SDK, and what a status of HTTP means to us (RFC 9110, section 15)."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.remote.protocol import (
    BrokenReplyError,
    DeniedError,
    RefusedError,
    ServiceError,
    TransientError,
)

if TYPE_CHECKING:
    import httpx2

TRANSIENT = frozenset((408, 409, 425, 429))
"""Answers after which the same request may go well, and so it may after all from 500 on."""

PERHAPS_DONE = frozenset((504, 520, 524))
"""Answers of a gateway that has lost sight of who does the work; the last two are Cloudflare's."""

REFUSED = frozenset((400, 413, 415, 422))
"""Answers to what was sent; all others are answers to who sent it, or where …"""

ABOUT_THE_KEY = re.compile(r"\bapi[ _-]?key", re.IGNORECASE)
"""… and so is one of these that speaks of the key, as Google's does with status 400."""

NEVER_SENT = frozenset(
    (
        *("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"),  # httpx, httpx2
        *("ConnectTimeoutError", "EndpointConnectionError", "ProxyConnectionError"),  # botocore
    )
)
"""Errors of a connection that was not made."""

NEVER_TO_BE_SENT = frozenset(("LocalProtocolError", "UnsupportedProtocol"))
"""Errors of a request that no connection can carry, such as one with a key of two lines."""


def error_of(status: int, headers: Mapping[str, str], message: str) -> ServiceError:
    """Return the error that a status stands for.

    Args:
        status: any but 200.
        headers: of the answer, names in any case.
        message: of the provider.
    """
    reason = f"HTTP {status}: {message}".rstrip(": ")
    if status < 300:
        return BrokenReplyError(reason)
    if status < 400:
        return DeniedError(f"HTTP {status}: the address has moved")
    if status >= 500 or status in TRANSIENT:
        return TransientError(
            reason, retry_after=retry_after(headers), perhaps_paid=status in PERHAPS_DONE
        )
    refused = status in REFUSED and not ABOUT_THE_KEY.search(message)
    return (RefusedError if refused else DeniedError)(reason)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of ``Retry-After`` (RFC 9110, section 10.2.3: seconds, or a date), None without."""
    for name, value in headers.items():
        if name.lower() != "retry-after":
            continue
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            return None  # neither: our own wait will do
    return None


def no_answer(error: BaseException) -> ServiceError:
    """Return the error for a request that was not answered: its name, as its text may hold the address."""
    name = type(error).__name__
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & NEVER_TO_BE_SENT:
        return DeniedError(f"the request could not be made ({name})")
    if kinds & NEVER_SENT:
        return TransientError(f"no connection ({name})")
    return TransientError(f"no answer ({name})", perhaps_paid=True)


def post(
    client: httpx2.Client, address: str, *, headers: Mapping[str, str], body: Any
) -> Mapping[str, Any]:
    """Send JSON (or bytes, as they are), once, and return the JSON object that came back.

    Raises:
        ServiceError: nothing came back, or another status than 200, or no JSON object.
    """
    import httpx2

    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        answer = client.post(address, headers=dict(headers), content=content)
    except httpx2.TransportError as error:
        raise no_answer(error) from None
    except httpx2.DecodingError:
        raise BrokenReplyError("a body that is not compressed as it says") from None
    except httpx2.HTTPError as error:
        raise DeniedError(f"the request could not be made ({type(error).__name__})") from None
    if answer.status_code != 200:
        raise error_of(answer.status_code, answer.headers, _message(answer.text))
    try:
        found = answer.json()
    except ValueError:
        raise BrokenReplyError(f"no JSON: {answer.text}") from None
    if not isinstance(found, Mapping):
        raise BrokenReplyError(f"JSON that is no object: {answer.text}")
    return found


def _message(text: str) -> str:
    """Return what an answer in JSON says in words, or all of it where that is not where it usually is."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    if isinstance(found, Mapping) and isinstance(found.get("error"), Mapping):
        found = found["error"]
    if isinstance(found, Mapping):
        for name in ("message", "detail", "error"):
            if isinstance(found.get(name), str):
                return str(found[name])
    return text
