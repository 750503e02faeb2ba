"""What a run will cost in money before anything is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.embedding.remote.roles import account_of, lacking
from pytest_prodbench.errors import ProdbenchError
from pytest_prodbench.evaluation.estimate import OpenedDatasets
from pytest_prodbench.models.checkpoints import first_line

if TYPE_CHECKING:
    from pytest_prodbench.evaluation.bench import PairPlan
    from pytest_prodbench.settings.types import RunSettings


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """What one model will cost.

    Attributes:
        model: its name.
        remote: whether a provider runs it.
        images: distinct images (bytes and box) of its datasets.
        missing: those of them that the cache does not have, and that are to be paid for. Two files with the
            same pixels are paid for once, so it may be fewer.
        price_per_1000, price_date: as configured.
        price: of what is missing; None if the model's entry has no price.
        spent: on this model and its parameters so far, over all runs.
        budget: for all of it; None if there is none.
        problem: why nothing can be said; empty: it can.
    """

    model: str
    remote: bool = False
    images: int = 0
    missing: int = 0
    price_per_1000: float | None = None
    price_date: dt.date | None = None
    price: float | None = None
    spent: float = 0.0
    budget: float | None = None
    problem: str = ""

    @property
    def needed(self) -> float | None:
        """The smallest budget that suffices; None without a price."""
        return None if self.price is None else self.spent + self.price

    @property
    def exceeds(self) -> bool:
        """Whether the budget ends before the images do."""
        needed = self.needed
        return self.budget is not None and needed is not None and needed > self.budget * (1 + 1e-9)


def prices(plans: Sequence[PairPlan], settings: RunSettings) -> Iterator[ModelPrice]:
    """Look what the cache lacks of each model that costs money: those of providers, and those with a price.

    Nothing is sent, and no key is needed. A model on this machine without a price is passed over.
    """
    datasets = OpenedDatasets(settings)
    by_model: dict[str, list[PairPlan]] = {}
    for plan in plans:
        by_model.setdefault(plan.model.name, []).append(plan)
    for name, its in by_model.items():
        try:
            spec = its[0].model
            handle = ModelHandle(spec, settings)
            if handle.remote is None and spec.price_per_1000 is None:
                continue
            queries, gallery, _ = datasets.together(its)
            images, lack = lacking(queries, gallery, handle, settings)
            remote, missing = handle.remote, len(lack)
            yield ModelPrice(
                model=name,
                remote=remote is not None,
                images=images,
                missing=missing,
                price_per_1000=spec.price_per_1000,
                price_date=spec.price_date,
                price=None if spec.price_per_1000 is None else spec.price_per_1000 * missing / 1000,
                spent=0.0 if remote is None else account_of(handle, settings).usd,
                budget=None if remote is None else remote.given(spec).budget_usd,
            )
        except ProdbenchError as error:
            yield ModelPrice(name, problem=str(error))
        except Exception as error:  # a user's own code: it costs its model, never the others
            yield ModelPrice(name, problem=f"{type(error).__name__}: {first_line(error)}")
