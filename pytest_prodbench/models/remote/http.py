"""Requests to a provider without an SDK, and what a status of HTTP means to us (RFC 9110, section 15)."""

from __future__ import annotations

import email.utils
import json
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

TRANSIENT = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
"""Answers after which the same request may go well; 529 is what some say when they are overloaded."""

REFUSED = frozenset((400, 413, 415, 422))
"""Answers to what was sent; all others are answers to who sent it, or where."""

SHOWN = 300
"""Characters of a provider's message that are shown."""


def error_of(status: int, headers: Mapping[str, str], message: str) -> ServiceError:
    """Return the error that a status stands for.

    Args:
        status: 400 or above.
        headers: of the answer, names in any case.
        message: of the provider.
    """
    reason = f"HTTP {status}: {' '.join(message.split())[:SHOWN]}".rstrip(": ")
    if status in TRANSIENT:
        return TransientError(reason, retry_after=retry_after(headers))
    return (RefusedError if status in REFUSED else DeniedError)(reason)


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


def no_answer(error: BaseException) -> TransientError:
    """Return the error for a request that was not answered: its name, as its text may hold the address."""
    return TransientError(f"no answer ({type(error).__name__})", answered=False)


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
    except httpx2.HTTPError as error:
        raise DeniedError(f"the request could not be made ({type(error).__name__})") from None
    if answer.status_code != 200:
        raise error_of(answer.status_code, answer.headers, _message(answer.text))
    try:
        found = answer.json()
    except ValueError:
        raise BrokenReplyError(f"no JSON: {answer.text[:SHOWN]!r}") from None
    if not isinstance(found, Mapping):
        raise BrokenReplyError(f"JSON that is no object: {answer.text[:SHOWN]!r}")
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
