"""What a model has cost so far, on disk before the money is spent.

One file a model and its parameters, beside its vectors: an image is paid for once, so what all of them may
cost together is a sum over all runs.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.models.checkpoints import model_error

if TYPE_CHECKING:
    from pytest_prodbench.models.remote.options import RemoteOptions
    from pytest_prodbench.settings.types import ModelSpec

LEDGER = "ledger.json"

REMEMBERED = 1000
"""Times of requests that are kept, the newest: enough for the 95th of a hundredth parts."""


@dataclass(slots=True)
class Account:
    """Sums over all requests of a model, or over those of one pair.

    Attributes:
        requests: that brought vectors.
        images: whose vectors they brought.
        usd: what they cost at the prices configured at the time; 0 where none is.
        unanswered_usd: of ``usd``: requests that were not answered, or whose process died, so that they may
            have been billed.
        usage: what the provider said that it counted, summed.
        seconds: times of single requests that were answered, the newest ``REMEMBERED``.
        seconds_open: in which at least one request was under way.
    """

    requests: int = 0
    images: int = 0
    usd: float = 0.0
    unanswered_usd: float = 0.0
    usage: dict[str, float] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    seconds_open: float = 0.0

    def __add__(self, other: Account) -> Account:
        """Return the account of both; of the times of requests the other's are the newer ones."""
        usage = {
            name: self.usage.get(name, 0.0) + other.usage.get(name, 0.0)
            for name in {**self.usage, **other.usage}
        }
        return Account(
            self.requests + other.requests,
            self.images + other.images,
            self.usd + other.usd,
            self.unanswered_usd + other.unanswered_usd,
            usage,
            [*self.seconds, *other.seconds],
            self.seconds_open + other.seconds_open,
        )

    def latency_p95_ms(self) -> float | None:
        """95th percentile (nearest rank) of the times of requests; None before the first."""
        if not self.seconds:
            return None
        times = sorted(self.seconds)
        return round(1000.0 * times[math.ceil(0.95 * len(times)) - 1], 3)

    def images_per_s(self) -> float | None:
        """Images over the time in which requests were under way; None before the first."""
        if not self.images or self.seconds_open <= 0:
            return None
        return round(self.images / self.seconds_open, 3)


class BudgetSpentError(Exception):
    """The next request would cost more than is left."""


class Ledger:
    """The account of one model on disk; one process writes it at a time, as ``RemoteJob`` sees to."""

    def __init__(
        self, path: Path, *, price_per_1000: float | None = None, budget_usd: float | None = None
    ) -> None:
        """``price_per_1000``: US dollars of 1,000 images. ``budget_usd``: for all images together."""
        self._path = path
        self._price = price_per_1000 or 0.0
        self._budget = budget_usd
        self._lock = threading.Lock()
        self._reserved = 0.0
        self._under_way = 0
        self.total, dead = read(path)
        if dead:
            # A process died with requests under way; nobody knows whether they were billed.
            self.total.usd += dead
            self.total.unanswered_usd += dead
        self.here = Account()

    def reserve(self, images: int) -> None:
        """Set the price of a request aside, on disk, before it is sent.

        Raises:
            BudgetSpentError: it would exceed the budget; nothing was set aside.
        """
        price = self._price * images / 1000
        with self._lock:
            after = self.total.usd + self._reserved + price
            # A billionth part: sums of prices are not exact, and the last image of a budget may be sent.
            if self._budget is not None and after > self._budget * (1 + 1e-9):
                raise BudgetSpentError(
                    f"US$ {self.total.usd + self._reserved:.6g} of US$ {self._budget:.6g} are spent, and a "
                    f"request of {images} {'image' if images == 1 else 'images'} costs US$ {price:.6g}"
                )
            self._reserved += price
            self._write()

    def answered(
        self, images: int, seconds: float, usage: Mapping[str, float], *, usable: bool = True
    ) -> None:
        """Turn what was set aside into what was spent. ``usable``: the reply brought vectors."""
        price = self._price * images / 1000
        with self._lock:
            self._reserved -= price
            for account in (self.total, self.here):
                account.usd += price
                if usable:
                    account.requests += 1
                    account.images += images
                    account.seconds = [*account.seconds, round(seconds, 6)][-REMEMBERED:]
                for name, value in usage.items():
                    account.usage[name] = account.usage.get(name, 0.0) + value
            self._write()

    def unanswered(self, images: int) -> None:
        """Count as spent what nobody can tell: the request may have been billed."""
        price = self._price * images / 1000
        with self._lock:
            self._reserved -= price
            for account in (self.total, self.here):
                account.usd += price
                account.unanswered_usd += price
            self._write()

    def released(self, images: int) -> None:
        """Take back what was set aside: the provider answered that it did nothing."""
        with self._lock:
            self._reserved -= self._price * images / 1000
            self._write()

    def was_open(self, seconds: float) -> None:
        """Add the time in which requests were under way."""
        with self._lock:
            for account in (self.total, self.here):
                account.seconds_open += seconds
            self._write()

    def _write(self) -> None:
        state = {"account": asdict(self.total), "reserved": max(0.0, self._reserved)}
        atomic_write_text(self._path, json.dumps(state, sort_keys=True))


def read(path: Path) -> tuple[Account, float]:
    """Return the account in a file, and what was set aside in it; an empty one where there is none.

    Raises:
        ValueError: the file is damaged. It is not taken for empty: a budget would begin anew.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Account(), 0.0
    try:
        state = json.loads(text)
        return Account(**state["account"]), float(state["reserved"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error})") from error


def open_ledger(spec: ModelSpec, options: RemoteOptions, folder: Path) -> Ledger:
    """Open the account of a model's vectors in their folder.

    Raises:
        ModelError: it is damaged.
    """
    try:
        return Ledger(
            folder / LEDGER, price_per_1000=spec.price_per_1000, budget_usd=options.budget_usd
        )
    except ValueError as error:
        raise model_error(
            spec,
            found=f"{error}: nobody knows what was spent",
            expected="the account of what this model has cost",
            next_step="look at the provider's bill, set budget_usd to what is left, and delete the file",
        ) from error
