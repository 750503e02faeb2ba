"""Queries and gallery of a dataset, embedded alike, or by a model that is told which images are queries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, get_args

from pytest_prodbench.embedding.cache import VectorCache
from pytest_prodbench.embedding.embed import EmbeddedImages, embed_images
from pytest_prodbench.embedding.model import ModelHandle
from pytest_prodbench.embedding.remote.job import LOCK
from pytest_prodbench.embedding.remote.ledger import Account, open_ledger
from pytest_prodbench.models.remote.options import BY_ROLE, RemoteOptions, Role

if TYPE_CHECKING:
    from pytest_prodbench.embedding.progress import OnProgress
    from pytest_prodbench.embedding.request import ImageRequest
    from pytest_prodbench.settings.types import RunSettings


def by_role(model: ModelHandle) -> bool:
    """Whether a model is told which images are queries."""
    return model.remote is not None and model.remote.given(model.spec).input_type == BY_ROLE


def embed_both(
    queries: Sequence[ImageRequest],
    gallery: Sequence[ImageRequest],
    model: ModelHandle,
    settings: RunSettings,
    *,
    dataset: str,
    on_progress: OnProgress | None = None,
) -> EmbeddedImages:
    """Embed the queries and the gallery of a dataset; their vectors are in that order.

    Args and errors as of ``embed_images``.
    """
    if not by_role(model):
        requests = [*queries, *gallery]
        return embed_images(requests, model, settings, dataset=dataset, on_progress=on_progress)
    import numpy as np

    # Each role has an account of its own, and the budget is of both. A cache that has everything may lie on
    # a read-only disk: no lock, then.
    _, missing = lacking(queries, gallery, model, settings)
    lock = (
        VectorCache(settings.cache_dir, model.cache_key()).lock(LOCK) if missing else nullcontext()
    )
    with lock:
        one, two = (
            embed_images(
                requests,
                of_role(model, role, settings),
                settings,
                dataset=dataset,
                on_progress=on_progress,
            )
            for role, requests in _roles(queries, gallery)
        )
    return EmbeddedImages(
        np.concatenate([one.vectors, two.vectors]),
        (*one.pixels, *two.pixels),
        one.embedded + two.embedded,
        one.cached + two.cached,
        (one.paid or Account()) + (two.paid or Account()),
    )


def lacking(
    queries: Sequence[ImageRequest],
    gallery: Sequence[ImageRequest],
    model: ModelHandle,
    settings: RunSettings,
) -> tuple[int, list[ImageRequest]]:
    """Return how many distinct images there are (bytes, box and role), and those that the cache lacks.

    Raises:
        ModelError: the weights are not on this machine.
    """
    parts = [(model, [*queries, *gallery])]
    if by_role(model):
        parts = [
            (of_role(model, role, settings), list(requests))
            for role, requests in _roles(queries, gallery)
        ]
    count, missing = 0, []
    for handle, requests in parts:
        distinct = {request.key: request for request in requests}
        found = VectorCache(settings.cache_dir, handle.cache_key()).find(list(distinct))
        count += len(distinct)
        missing += [request for key, request in distinct.items() if key not in found]
    return count, missing


def of_role(model: ModelHandle, role: Role, settings: RunSettings) -> ModelHandle:
    """Return the model as it embeds the images of one role, with what the other one leaves of the budget.

    Whoever is about to spend it holds the lock of the model itself: the other role spends nothing meanwhile.

    Raises:
        ModelError: the account of the other role is damaged.
    """
    assert model.remote is not None  # noqa: S101 - by_role
    spec = model.remote.as_role(model.spec, role)
    budget = model.remote.given(model.spec).budget_usd
    if budget is not None:
        (other,) = set(get_args(Role)) - {role}
        spent = _account(ModelHandle(model.remote.as_role(model.spec, other), settings), settings)
        left = max(0.0, budget - spent.usd)
        spec = spec.model_copy(update={"options": {**spec.options, "budget_usd": left}})
    return ModelHandle(spec, settings)


def account_of(model: ModelHandle, settings: RunSettings) -> Account:
    """Return what a remote model has cost so far, in both roles if it has them; only looks.

    Raises:
        ModelError: an account is damaged.
    """
    if not by_role(model):
        return _account(model, settings)
    assert model.remote is not None  # noqa: S101 - by_role
    both = [
        _account(ModelHandle(model.remote.as_role(model.spec, role), settings), settings)
        for role in get_args(Role)
    ]
    return both[0] + both[1]


def _account(model: ModelHandle, settings: RunSettings) -> Account:
    folder = VectorCache(settings.cache_dir, model.cache_key()).folder
    return open_ledger(model.spec, RemoteOptions(), folder).total


def _roles(
    queries: Sequence[ImageRequest], gallery: Sequence[ImageRequest]
) -> tuple[tuple[Role, Sequence[ImageRequest]], ...]:
    return ("query", queries), ("document", gallery)
