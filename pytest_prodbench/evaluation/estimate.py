"""What a run will take before it starts: images, time, memory, money."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_prodbench.datasets.content import open_with_content
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.embedding.costs import measure_costs, recorded_costs
from pytest_prodbench.embedding.remote.roles import lacking
from pytest_prodbench.errors import ProdbenchError
from pytest_prodbench.evaluation.apart import apart
from pytest_prodbench.evaluation.images import gallery_requests, query_requests
from pytest_prodbench.models.checkpoints import first_line

if TYPE_CHECKING:
    from pytest_prodbench.embedding import ImageRequest
    from pytest_prodbench.evaluation.bench import PairPlan
    from pytest_prodbench.settings.types import DatasetSpec, RunSettings

FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class ModelEstimate:
    """What one model will take, in one process.

    Attributes:
        model: its name.
        pairs: how many of it will run.
        images: distinct images (bytes and box) of its datasets.
        missing: those of them that the cache does not have; None where that cannot be told.
        images_per_s: measured on some of the missing images; of a remote model, of which nothing is asked
            for an estimate, that of its requests so far; None if none is missing, or none was made.
        seconds: to embed what is missing; None where that cannot be told.
        peak_memory_mib: measured meanwhile: of the GPU's allocator; on the CPU of a process that has no other
            model, where one could be forked.
        vector_mib: all vectors of its largest dataset, in float32.
        price: of what is missing, in the currency of the policy; None if the model's entry has no price.
        problem: why it cannot run, or one of its datasets cannot; empty: it can.
    """

    model: str
    pairs: int
    images: int = 0
    missing: int | None = None
    images_per_s: float | None = None
    seconds: float | None = None
    peak_memory_mib: float | None = None
    vector_mib: float | None = None
    price: float | None = None
    problem: str = ""


def estimate(
    plans: Sequence[PairPlan],
    settings: RunSettings,
    *,
    on_model: Callable[[str], None] = lambda _: None,
) -> Iterator[ModelEstimate]:
    """Estimate each model of some pairs in turn; loads those of which the cache lacks something.

    Nothing is kept of what is embedded to measure the rate.

    Args:
        plans: the pairs that will run.
        settings: how to run.
        on_model: told the name of each model before it is looked at.
    """
    datasets = OpenedDatasets(settings)
    by_model: dict[str, list[PairPlan]] = {}
    for plan in plans:
        by_model.setdefault(plan.model.name, []).append(plan)
    for name, its in by_model.items():
        on_model(name)
        yield apart(partial(_estimated, its, datasets, settings), partial(_ended, its))


def _estimated(
    plans: Sequence[PairPlan], datasets: OpenedDatasets, settings: RunSettings
) -> ModelEstimate:
    name = plans[0].model.name
    try:
        return _of_model(plans, datasets, settings)
    except ProdbenchError as error:
        return ModelEstimate(name, len(plans), problem=str(error))
    except Exception as error:  # a user's own code: it costs its model, never the plan
        told = f"{type(error).__name__}: {first_line(error)}"
        return ModelEstimate(name, len(plans), problem=told)


def _ended(plans: Sequence[PairPlan], code: int | None) -> ModelEstimate:
    """What is said of a model whose process was killed, or ended itself."""
    told = f"the process that measured it ended with {code}, as when there is too little memory"
    return ModelEstimate(plans[0].model.name, len(plans), problem=told)


class OpenedDatasets:
    """Opens each dataset once."""

    def __init__(self, settings: RunSettings) -> None:
        """``settings``: how many pixels an image may have."""
        self._settings = settings
        self._opened: dict[str, tuple[list[ImageRequest], list[ImageRequest]]] = {}

    def requests(self, spec: DatasetSpec) -> tuple[list[ImageRequest], list[ImageRequest]]:
        """Return the queries and the gallery of a dataset as images to embed.

        Raises:
            DatasetError: it cannot be opened.
        """
        if spec.name not in self._opened:
            dataset, digests = open_with_content(
                spec, max_pixels=self._settings.max_pixels, cache_dir=self._settings.cache_dir
            )
            self._opened[spec.name] = (
                query_requests(dataset, digests),
                gallery_requests(dataset, digests),
            )
        return self._opened[spec.name]

    def together(
        self, plans: Sequence[PairPlan]
    ) -> tuple[list[ImageRequest], list[ImageRequest], int]:
        """Return queries and galleries of the datasets of some pairs, and the images of the largest.

        Raises:
            DatasetError: as ``requests``.
        """
        opened = [self.requests(plan.dataset) for plan in plans]
        return (
            [request for queries, _ in opened for request in queries],
            [request for _, gallery in opened for request in gallery],
            max(len(queries) + len(gallery) for queries, gallery in opened),
        )


def _of_model(
    plans: Sequence[PairPlan], datasets: OpenedDatasets, settings: RunSettings
) -> ModelEstimate:
    spec = plans[0].model
    handle = ModelHandle(spec, settings)
    queries, gallery, longest = datasets.together(plans)
    images, missing = lacking(queries, gallery, handle, settings)
    if handle.remote is not None:
        costs = recorded_costs(handle, settings) if missing else {}
    else:
        costs = measure_costs(missing, handle, settings) if missing else {}
    rate = costs.get("images_per_s")
    return ModelEstimate(
        model=spec.name,
        pairs=len(plans),
        images=images,
        missing=len(missing),
        images_per_s=rate,
        seconds=len(missing) / rate if rate else None if missing else 0.0,
        peak_memory_mib=costs.get("peak_memory_mib"),
        vector_mib=longest * handle.identity.dimension * FLOAT32_BYTES / 2**20,
        price=None if spec.price_per_1000 is None else spec.price_per_1000 * len(missing) / 1000,
    )
