"""Keys that every model of a provider has in ``[models.NAME]``."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from pytest_prodbench.settings.frozen import Frozen

Encoding = Literal["auto", "png", "jpeg"]
Role = Literal["query", "document"]
InputType = Role | Literal["by_role"]
BY_ROLE: InputType = "by_role"


def _plain_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("an address such as https://host/path")
    if parts.username or parts.password or parts.query or parts.fragment:
        # It stands in the evidence.
        raise ValueError(
            "an address without user, password and query; keys come from the environment"
        )
    return value.rstrip("/")


class RemoteOptions(Frozen):
    """How a provider is asked; a provider's own options are a subclass.

    Attributes:
        dimension: length of the vectors to ask for; None: the model's own.
        endpoint: another address than the provider's own: a region, a resource, a proxy.
        input_type: what all images, queries and gallery, are said to be; ``by_role``: queries are said to be
            queries, and the gallery documents; None: what the provider says of images by default.
        encoding: of the images that are sent: ``auto`` is PNG, or JPEG of quality 95 without chroma
            subsampling where the PNG would be larger than the provider takes.
        max_edge: images with a longer edge are scaled down to it; None: to what the provider takes.
        requests_per_minute: pace of all processes on this machine together; None: no limit of our own.
        burst: requests that may go out at once after a pause.
        concurrency: requests under way at once.
        images_per_request: fewer than the provider takes; None: as many as it takes.
        timeout_s: longest silence of one request: before a connection, between two pieces of an answer.
        retries: attempts after the first.
        backoff_s: longest wait before the first of them, doubled for each further one, unless the provider
            says how long.
        budget_usd: what all images of this model and these parameters may cost together, over all runs.
    """

    dimension: int | None = Field(default=None, ge=1, le=65536)
    endpoint: Annotated[str, AfterValidator(_plain_address)] | None = None
    input_type: InputType | None = None
    encoding: Encoding = "auto"
    max_edge: int | None = Field(default=None, ge=32, le=16384)
    requests_per_minute: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    burst: int = Field(default=1, ge=1, le=1000)
    concurrency: int = Field(default=4, ge=1, le=64)
    images_per_request: int | None = Field(default=None, ge=1, le=1000)
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    retries: int = Field(default=5, ge=0, le=20)
    backoff_s: float = Field(default=1.0, gt=0, le=60)
    budget_usd: float | None = Field(default=None, ge=0, allow_inf_nan=False)
