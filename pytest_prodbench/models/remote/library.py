"""What the library of every provider is made of: the subclass says what is asked, and how."""

from __future__ import annotations

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from pydantic import SecretStr

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.identity import library_versions
from pytest_prodbench.models.protocol import Engine, ModelIdentity
from pytest_prodbench.models.remote.encoding import Encoder
from pytest_prodbench.models.remote.options import BY_ROLE, RemoteOptions, Role
from pytest_prodbench.models.remote.protocol import Limits, RemoteService

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from pytest_prodbench.models.protocol import Embedder
    from pytest_prodbench.settings.types import ModelSpec

Options = TypeVar("Options", bound=RemoteOptions)

EXTRA = "remote"
"""What brings the client for providers without an SDK: ``pip install "pytest-prodbench[remote]"``."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a provider's model before anything is sent.

    Attributes:
        dimension: length of a vector.
        limits: of a request.
        parameters: what decides the vectors besides the model's name, as it is sent; JSON-like.
    """

    dimension: int
    limits: Limits
    parameters: Mapping[str, Any] = field(default_factory=dict)


class RemoteLibrary(ABC, Generic[Options]):
    """Models of one provider: a subclass has ``facts`` and ``connect``, and class attributes say whose.

    Attributes:
        provider: name in messages, in the evidence and of the pace that all its models share.
        extra: of this distribution that brings its SDK.
        distributions: whose versions stand in the evidence.
        options: keys of its models.
    """

    provider: ClassVar[str]
    extra: ClassVar[str] = EXTRA
    distributions: ClassVar[tuple[str, ...]]
    options: ClassVar[type[RemoteOptions]] = RemoteOptions

    @abstractmethod
    def facts(self, spec: ModelSpec) -> Facts:
        """Return what is known without a key and without the SDK; ``input_type`` is not ``by_role`` here.

        Raises:
            ModelError: no such model, or an option that it does not have.
        """

    @abstractmethod
    def connect(self, spec: ModelSpec) -> RemoteService:
        """Return a connection; nothing is sent yet, and nothing may be sent twice by the SDK itself.

        Raises:
            ModelError: the SDK or the key is not there.
        """

    def given(self, spec: ModelSpec) -> Options:
        """Return the options of a model, which were checked when the suite was read."""
        return self.options.model_validate(spec.options)  # type: ignore[return-value]

    def identity(self, spec: ModelSpec) -> ModelIdentity:
        """Say what decides the numbers of a model, as far as one can know of somebody else's machine.

        Its weights are known by their name only: if the provider puts others behind it, nobody is told.

        Raises:
            ModelError: as ``facts``, or a key that only a model on this machine can have.
        """
        self._check_keys(spec)
        if self.given(spec).input_type == BY_ROLE:
            return _of_both(*(self.identity(self.as_role(spec, role)) for role in get_args(Role)))
        options, facts = self.given(spec), self.facts(spec)
        known = [self.provider, spec.identifier, options.endpoint, dict(facts.parameters)]
        asked = ", ".join(f"{key} {value}" for key, value in sorted(facts.parameters.items()))
        encoder = self.encoder(spec)
        return ModelIdentity(
            weights_digest=hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest(),
            preprocessing="; ".join(filter(None, (encoder.description, asked))),
            pooling="the provider's",
            dimension=facts.dimension,
            versions=library_versions(*self.distributions, "pillow"),
        )

    def as_role(self, spec: ModelSpec, role: Role) -> ModelSpec:
        """Return the model that says of each image what one role's images are said to be."""
        return spec.model_copy(update={"options": {**spec.options, "input_type": role}})

    def limits(self, spec: ModelSpec) -> Limits:
        """Return what the provider takes, which is the same for both roles.

        Raises:
            ModelError: as ``facts``.
        """
        by_role = self.given(spec).input_type == BY_ROLE
        return self.facts(self.as_role(spec, "document") if by_role else spec).limits

    def encoder(self, spec: ModelSpec) -> Encoder:
        """Return what makes the file that is sent of an image."""
        options = self.given(spec)
        return Encoder.of(options.encoding, options.max_edge, self.limits(spec))

    def engine(self) -> Engine:
        """Say who runs the model."""
        versions = library_versions(*self.distributions[:1])
        return Engine(self.provider, next(iter(versions.values()), ""), "float32")

    def files(self, spec: ModelSpec) -> list[Path]:
        """Return ``[]``: no file of this machine decides the numbers.

        Raises:
            ModelError: as ``identity``.
        """
        self.identity(spec)
        return []

    def load(self, spec: ModelSpec, device: torch.device) -> Embedder:  # noqa: ARG002
        """Refuse: there is nothing to load.

        Raises:
            ModelError: always.
        """
        raise model_error(
            spec,
            found=f"a model that {self.provider} runs",
            expected="a model on this machine",
            next_step="this command looks into a network; a remote model has none to look into",
        )

    def download(self, spec: ModelSpec) -> list[Path]:
        """Nothing to fetch; see ``files``."""
        return self.files(spec)

    def sdk(self, spec: ModelSpec, module: str) -> Any:
        """Import a module of the SDK.

        Raises:
            ModelError: it is not installed.
        """
        try:
            return import_module(module)
        except ImportError:
            raise model_error(
                spec,
                found=f"{module}, through which {self.provider} is asked, is not installed",
                next_step=f'pip install "pytest-prodbench[{self.extra}]"',
            ) from None

    def key(self, spec: ModelSpec, *variables: str) -> SecretStr:
        """Return the key of the first of some environment variables that is set.

        Raises:
            ModelError: none is.
        """
        for variable in variables:
            if found := os.environ.get(variable, "").strip():
                return SecretStr(found)
        raise model_error(
            spec,
            found=f"no key for {self.provider}: the environment has no {' or '.join(variables)}",
            expected="the key in the environment, and nowhere else",
            next_step=f"set {variables[0]}; vectors that are in the cache need no key",
        )

    def dimension(
        self, spec: ModelSpec, known: Mapping[str, tuple[int, ...]], *, key: str | None = None
    ) -> int:
        """Return the dimension that is asked for, or the model's own, which is the first of those known.

        Args:
            spec: the model.
            known: dimensions that each model can give, by identifier.
            key: of ``known``, where it is not the identifier.

        Raises:
            ModelError: a dimension that the model does not give; a model that nobody here knows and that
                has no ``dimension``.
        """
        key = spec.identifier if key is None else key
        asked = self.given(spec).dimension
        if key not in known:
            if asked is None:
                raise model_error(
                    spec,
                    found=f"{key!r}, which is not among the known models of {self.provider}",
                    expected=f"one of {', '.join(known)}, or the key dimension beside a newer one",
                )
            return asked
        if asked is not None and asked not in known[key]:
            raise model_error(
                spec,
                found=f"dimension {asked}",
                expected=f"one of {', '.join(map(str, known[key]))}",
            )
        return known[key][0] if asked is None else asked

    def _check_keys(self, spec: ModelSpec) -> None:
        for name, stated in (
            ("checkpoint", spec.checkpoint is not None),
            ("revision", spec.revision is not None),
            ("weights_sha256", spec.weights_sha256 is not None),
            ("head", spec.head is not None),
            ("preprocess", bool(spec.preprocess.stated())),
            ("pooling", spec.pooling != "default"),
            ("engine", spec.engine != "auto"),
            ("engine_precision", spec.engine_precision != "float32"),
        ):
            if stated:
                raise model_error(
                    spec,
                    found=f"key {name}",
                    expected=f"none: {self.provider} runs the model, and does what it does",
                    next_step="take it out",
                )
        if spec.price_per_1000 is not None and spec.price_date is None:
            raise model_error(
                spec,
                found="price_per_1000 without price_date",
                expected="the day on which the price was looked up, such as price_date = 2026-11-28",
                next_step="write it beside the price: a provider changes it without telling the report",
            )
        if self.given(spec).budget_usd is not None and spec.price_per_1000 is None:
            raise model_error(
                spec,
                found="budget_usd without price_per_1000",
                expected="the price of 1,000 images in US dollars, with its date in price_date",
                next_step="look the price up and write it beside the budget",
            )


def _of_both(queries: ModelIdentity, gallery: ModelIdentity) -> ModelIdentity:
    """Say what decides the numbers of a model that is told which images are queries."""
    digests = f"{queries.weights_digest} {gallery.weights_digest}"
    return replace(
        gallery,
        weights_digest=hashlib.sha256(digests.encode()).hexdigest(),
        preprocessing=f"queries: {queries.preprocessing}; gallery: {gallery.preprocessing}",
    )
