"""A model under test that is loaded only when an image really has to be embedded.

What a model *is* (its identity: weights digest, preprocessing, versions; and the engine that runs it) is
needed to look into the cache, and is known for certain only after loading it. So it is remembered: beside
the identity stand the files that decided it with their size and times; while those are unchanged, it holds.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.embedding.device import (
    autocast,
    choose_batch_size,
    choose_device,
    choose_lanes,
    choose_precision,
    prepare_process,
)
from pytest_prodbench.embedding.engines import choose_engine
from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder, Engine, ModelIdentity, library_for
from pytest_prodbench.models.head import HeadedEmbedder
from pytest_prodbench.models.identity import verify_weights
from pytest_prodbench.models.remote import RemoteLibrary

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec, RunSettings

MEMO_VERSION = 4
PROJECT_DISTRIBUTION = "pytest-prodbench"


class ModelHandle:
    """One model on the device of this process.

    Attributes:
        spec: what it was configured as.
        device: ``cpu``, ``cuda`` or ``cuda:N``; of a remote model that on which its vectors are ranked.
        remote: the library of a model that a provider runs; None for a model on this machine.
    """

    def __init__(self, spec: ModelSpec, settings: RunSettings) -> None:
        self.spec = spec
        self._settings = settings
        self._library = library_for(spec)
        self.remote = self._library if isinstance(self._library, RemoteLibrary) else None
        self.device = choose_device(settings.device)
        self._precision = choose_precision(settings.precision, self.device)
        self._embedder: Embedder | None = None
        self._found: tuple[ModelIdentity, Engine] | None = None

    @property
    def loaded(self) -> bool:
        """Whether the weights are in memory."""
        return self._embedder is not None

    @property
    def identity(self) -> ModelIdentity:
        """What decides the model's numbers; loads the model only if that is not remembered.

        Raises:
            ModelError: the weights are not on this machine.
        """
        return self._known[0]

    @property
    def engine(self) -> Engine:
        """What runs the model; as ``identity``.

        Raises:
            ModelError: the weights are not on this machine, or the engine that was asked for cannot run it.
        """
        return self._known[1]

    @property
    def precision(self) -> str:
        """Of the forward pass; as ``identity``."""
        return self.engine.precision

    def autocast(self) -> AbstractContextManager[Any]:
        """Context in which the forward pass runs: other engines than torch have a precision of their own."""
        if self.engine.name != "torch":
            return nullcontext()
        return autocast(self.device, self.engine.precision)

    @cached_property
    def _known(self) -> tuple[ModelIdentity, Engine]:
        if self.remote is not None:
            return self.remote.identity(self.spec), self.remote.engine()
        remembered = self._remembered()
        if remembered is None:
            self.load()
            assert self._found is not None  # noqa: S101 - set by load
            remembered = self._found
        return remembered

    def load(self) -> Embedder:
        """Return the loaded model; loads it at the first call.

        Raises:
            ModelError: the weights are not on this machine, damaged, or of another architecture.
        """
        if self._embedder is None:
            prepare_process(self._settings, self.device)
            import torch

            # Before loading: an edit of the weights meanwhile must not be remembered as the old ones.
            stamps = self._stamps()
            device = torch.device(self.device)
            verify_weights(self.spec, self._library)

            def whole(embedder: Embedder) -> Embedder:
                return (
                    embedder
                    if self.spec.head is None
                    else HeadedEmbedder(embedder, self.spec, device)
                )

            embedder, engine, lasting = choose_engine(
                self.spec,
                self._library.load(self.spec, device),
                whole,
                device=self.device,
                precision=self._precision,
                cache_dir=self._settings.cache_dir,
                lanes=choose_lanes(self._settings),
                batch_size=choose_batch_size(self._settings.batch_size, self.device),
            )
            known = self.__dict__.get("_known")
            if known is not None and _deciding(*known) != _deciding(embedder.identity, engine):
                # Its vectors would be kept under the key of the model that it was.
                self._memo.unlink(missing_ok=True)
                raise ModelError(
                    f"model {self.spec.name!r}",
                    found="other weights, preprocessing or engine than a moment ago",
                    expected="a model that stays as it is throughout a run",
                    next_step="run again",
                )
            self._embedder, self._found = embedder, (embedder.identity, engine)
            if stamps is not None and known is None and lasting:
                self._remember(embedder.identity, engine, stamps)
        return self._embedder

    def cache_key(self) -> dict[str, Any]:
        """Return all that decides a vector besides the image."""
        identity = self.identity
        if self.remote is not None:
            # No versions: what was paid for is not paid for again because a client was brought up to date.
            return {
                "library": self.spec.library,
                "identifier": self.spec.identifier,
                "weights": identity.weights_digest,
                "preprocessing": identity.preprocessing,
                "dimension": identity.dimension,
            }
        return {
            "library": self.spec.library,
            "identifier": self.spec.identifier,
            "weights": identity.weights_digest,
            "preprocessing": identity.preprocessing,
            "pooling": identity.pooling,
            "dimension": identity.dimension,
            "versions": identity.versions,
            "precision": self.engine.precision,
            "engine": [self.engine.name, self.engine.version],
            "device": self.device.partition(":")[0],
        }

    @cached_property
    def _memo(self) -> Path:
        spec = self.spec.model_dump(
            mode="json",
            exclude={"name", "family", "by_default", "where", "price_per_1000", "price_date"},
        )
        run = [self.device.partition(":")[0], self._precision]
        known = json.dumps([MEMO_VERSION, spec, run, _installed()], sort_keys=True)
        name = hashlib.sha256(known.encode()).hexdigest()[:32]
        return self._settings.cache_dir / "models" / f"{name}.json"

    def _stamps(self) -> list[list[Any]] | None:
        """Path, size and times of each deciding file; None where the library cannot tell them."""
        files = self._library.files(self.spec)
        if files is None:
            return None
        stamps = []
        # A library of somebody else has no version that we know of; its own file tells when it changes.
        try:
            code = Path(inspect.getfile(type(self._library)))
        except (OSError, TypeError):
            return None  # written at a prompt or in a notebook
        head = [] if self.spec.head is None else [self.spec.head.weights]
        if not all(path.exists() for path in head):
            return None
        for path in sorted({*files, *head, code}):
            stat = path.stat()
            # The change time cannot be set back by copying tools, unlike the modification time.
            stamps.append([str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns])
        return stamps

    def _remembered(self) -> tuple[ModelIdentity, Engine] | None:
        stamps = self._stamps()
        try:
            memo = json.loads(self._memo.read_text(encoding="utf-8"))
            if stamps is not None and memo["files"] == stamps:
                return ModelIdentity(**memo["identity"]), Engine(**memo["engine"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # not there, or damaged: it is only a shortcut, the model itself is asked
        return None

    def _remember(self, identity: ModelIdentity, engine: Engine, stamps: list[list[Any]]) -> None:
        memo = {"files": stamps, "identity": asdict(identity), "engine": asdict(engine)}
        atomic_write_text(self._memo, json.dumps(memo, sort_keys=True, indent=1))


def _deciding(identity: ModelIdentity, engine: Engine) -> tuple[object, ...]:
    """Return what decides vectors; of a proof made twice the last digits may differ."""
    return identity, engine.name, engine.version, engine.precision


def _installed() -> dict[str, str]:
    """Versions that may change an identity or an engine, read without importing anything."""
    found = {}
    for name in (
        PROJECT_DISTRIBUTION,
        "torch",
        "torchvision",
        "timm",
        "open_clip_torch",
        "transformers",
        "peft",
        "sentence-transformers",
        "pillow",
        "numpy",
        "onnxruntime",
        "onnxruntime-gpu",
        "openvino",
        "onnx",
        "onnxscript",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
