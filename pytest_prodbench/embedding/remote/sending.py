"""One request until it is answered for good: pace, money, retries, and halves of what was refused."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from pytest_prodbench.embedding.remote.ledger import BudgetSpentError, Ledger
from pytest_prodbench.errors import printable, unturned
from pytest_prodbench.models.remote.protocol import (
    BrokenReplyError,
    Payload,
    RefusedError,
    RemoteService,
    Reply,
    ServiceError,
    TransientError,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.embedding.remote.pace import Pace
    from pytest_prodbench.models.remote.options import RemoteOptions

    Settled = Callable[[int, Sequence[NDArray[np.float32] | "Refusal"]], None]
    """Takes what came of some images, and the number of the first of them."""

LONGEST_WAIT = 300.0
"""Seconds. A provider that says to wait longer (a quota of the day) is not waited for."""

LONGEST_BACKOFF = 60.0

SPREAD = 0.5
"""Of the first wait: so far apart are those that were told to wait equally long."""

SHOWN = 300
"""Characters of a provider's message that are shown."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a provider did not take an image."""

    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """Why some images have no answer: ``error``, and the number of the ``first`` of them."""

    first: int
    error: ServiceError | BudgetSpentError


class Sender:
    """Sends requests of one model; called from several threads."""

    def __init__(
        self, service: RemoteService, pace: Pace, ledger: Ledger, options: RemoteOptions
    ) -> None:
        self._service, self._pace, self._ledger, self._options = service, pace, ledger, options
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Let nothing more be sent; who waits to send something again gives up at once."""
        self._stopped.set()

    def send(self, images: Sequence[Payload], settled: Settled, first: int = 0) -> Ending | None:
        """Send images, tell ``settled`` what came of them, and return what ended it before all had an answer.

        A request that is refused is halved until it is known which of its images is meant; each reply is
        settled before the next part is sent. The reasons of errors have no secrets in them. ``first`` is the
        number of the first image.
        """
        try:
            reply = self._until_answered(images)
        except RefusedError as error:
            if len(images) == 1:
                settled(first, [Refusal(error.reason)])
                return None
            middle = len(images) // 2
            return self.send(images[:middle], settled, first) or self.send(
                images[middle:], settled, first + middle
            )
        except (ServiceError, BudgetSpentError) as error:
            return Ending(first, error)
        settled(first, list(reply.vectors))
        return None

    def _until_answered(self, images: Sequence[Payload]) -> Reply:
        import tenacity

        backoff = tenacity.wait_random_exponential(
            multiplier=self._options.backoff_s, max=LONGEST_BACKOFF
        )

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            asked = error.retry_after if isinstance(error, TransientError) else None
            if asked is None:
                return float(backoff(state))
            # All of this provider's requests wait, on this machine; those that waited do not come at once.
            self._pace.pause(asked)
            return asked + random.uniform(0, SPREAD * self._options.backoff_s)  # noqa: S311

        def again(error: BaseException) -> bool:
            return isinstance(error, TransientError) and (error.retry_after or 0.0) <= LONGEST_WAIT

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(again),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self._options.retries + 1),
                tenacity.stop_when_event_set(self._stopped),
            ),
            wait=wait,
            sleep=tenacity.sleep_using_event(self._stopped),
            reraise=True,
        )
        attempts = 0

        def once() -> Reply:
            nonlocal attempts
            attempts += 1
            return self._once(images)

        try:
            return retrying(once)
        except TransientError as error:
            raise TransientError(
                f"{error.reason}, after {attempts} {'attempt' if attempts == 1 else 'attempts'}",
                retry_after=error.retry_after,
                perhaps_paid=error.perhaps_paid,
            ) from None

    def _once(self, images: Sequence[Payload]) -> Reply:
        count = len(images)
        self._pace.wait(self._stopped)
        if self._stopped.is_set():
            raise TransientError("not sent, as another request had failed")
        self._ledger.reserve(count)
        started = time.perf_counter()
        try:
            reply = self._service.embed(images)
        except TransientError as error:
            (self._ledger.unanswered if error.perhaps_paid else self._ledger.released)(count)
            raise self._clean(error) from None
        except BrokenReplyError as error:
            self._ledger.answered(count, time.perf_counter() - started, {}, usable=False)
            raise self._clean(error) from None
        except ServiceError as error:
            self._ledger.released(count)
            raise self._clean(error) from None
        except Exception as error:
            # An SDK's own error may hold the request with its headers.
            self._ledger.unanswered(count)
            shown = self._shown(f"nobody expected {type(error).__name__}: {error}")
            raise BrokenReplyError(shown) from None
        self._ledger.answered(count, time.perf_counter() - started, reply.usage)
        return reply

    def _clean(self, error: ServiceError) -> ServiceError:
        reason = self._shown(error.reason)
        if isinstance(error, TransientError):
            return TransientError(
                reason, retry_after=error.retry_after, perhaps_paid=error.perhaps_paid
            )
        return type(error)(reason)

    def _shown(self, text: str) -> str:
        """Return what may be shown of a provider's message: no key, nothing that is not to be printed."""
        for secret in self._service.secrets:
            value = secret.get_secret_value()
            for written in (
                value,
                json.dumps(value)[1:-1],
                value.replace("/", r"\/"),
                quote(value, ""),
            ):
                if written:
                    text = text.replace(written, "(key)")
        # Cut only now: a part of a key would not have been found.
        return unturned(printable(" ".join(text.split())[:SHOWN]))
