"""Why an embedding ended, as an error that a user can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_prodbench.embedding.remote.ledger import BudgetSpentError
from pytest_prodbench.errors import EmbeddingError, ProdbenchError
from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.remote.protocol import BrokenReplyError, DeniedError, ServiceError

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec


def named(
    error: ServiceError | BudgetSpentError | ProdbenchError,
    spec: ModelSpec,
    provider: str,
    *,
    image: str,
    missing: int,
    kept: int,
) -> ProdbenchError:
    """Return the error that ends a model's embedding.

    Args:
        error: what happened; one that a user can act on as it is, is returned as it is.
        spec: the model.
        provider: its name.
        image: the first that has no vector for it.
        missing: images that were to be embedded.
        kept: images whose vectors are in the cache now.
    """
    if isinstance(error, ProdbenchError):
        return error
    at_hand = f"{kept:,} {'image is' if kept == 1 else 'images are'} in the cache"
    if isinstance(error, BudgetSpentError):
        return model_error(
            spec,
            found=f"its budget does not suffice: {error}",
            expected=f"a budget for the {missing:,} images that the cache lacked",
            next_step=f"raise budget_usd (`prodbench cost` says to what) and run again; {at_hand}",
        )
    if isinstance(error, BrokenReplyError):
        return EmbeddingError(
            f"model {spec.name!r}, image {image}",
            found=f"{provider} sent {error.reason}",
            expected="what it documents",
            next_step=f"run again; if it stays so, its format has changed; {at_hand}",
        )
    if isinstance(error, DeniedError):
        return model_error(
            spec,
            found=f"{provider} denied the request: {error.reason}",
            expected="a key, an account, a model and an address that it knows",
            next_step=f"check the key, the identifier and the endpoint, and run again; {at_hand}",
        )
    return model_error(
        spec,
        found=f"{provider} is not to be had: {error.reason}",
        expected="an answer",
        next_step=f"run again later, it goes on from here; {at_hand}",
    )
