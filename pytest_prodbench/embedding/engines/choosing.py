"""Which engine runs a model: the one that its entry names, or the fastest that has proven itself."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_prodbench.embedding.batches import collated
from pytest_prodbench.embedding.engines.keeping import NETWORK, kept
from pytest_prodbench.embedding.engines.passes import in_batches, passes_of, refusing
from pytest_prodbench.embedding.engines.proof import (
    BOUND,
    BOUND_REDUCED,
    Proof,
    agrees,
    prove,
    sample_shapes,
    samples,
    samples_digest,
)
from pytest_prodbench.embedding.engines.quantizing import quantize
from pytest_prodbench.embedding.engines.refusal import EngineRefusedError, with_reason
from pytest_prodbench.embedding.engines.running import EngineEmbedder, engine_version, session
from pytest_prodbench.embedding.engines.without_network import without_network
from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.identity import library_versions
from pytest_prodbench.models.protocol import Engine, Exportable, SelfRun, TorchAlone

if TYPE_CHECKING:
    from pytest_prodbench.embedding.engines.running import Run
    from pytest_prodbench.models import Embedder
    from pytest_prodbench.settings.types import ModelSpec

    Whole = Callable[[Embedder], Embedder]

FASTEST = "onnxruntime"
"""What ``auto`` tries on a CPU in float32 (docs/benchmarks.md)."""

HELD_AGAINST = 2
"""Sample images on which a kept export must still be the network that was loaded."""

EXPORT_VERSION = 2
"""Of what is done to a network before and beside its exporter: what was refused by another is tried again."""

EXPORTERS = ("pytest-prodbench", "torch", "onnx", "onnxscript", "onnx-ir")
"""Distributions that decide how an export is written, beside those of the model's identity."""


class Chosen(NamedTuple):
    """What ``choose_engine`` found.

    Attributes:
        embedder: the model as it will run.
        engine: what runs it.
        lasting: whether the next run would choose the same; not so where a full disk kept an engine away.
    """

    embedder: Embedder
    engine: Engine
    lasting: bool = True


def choose_engine(
    spec: ModelSpec,
    embedder: Embedder,
    whole: Whole,
    *,
    device: str,
    precision: str,
    cache_dir: Path,
    lanes: int,
    batch_size: int,
) -> Chosen:
    """Return the model as it will run, and what runs it.

    Args:
        spec: the model; ``engine`` and ``engine_precision`` say what is asked for.
        embedder: as its library loaded it.
        whole: puts on what comes after the network (a head); the proof is of the vectors behind it.
        device: of the run.
        precision: of the run, for torch.
        cache_dir: where exports are kept.
        lanes: how many passes of another engine may run side by side.
        batch_size: of the run.

    Raises:
        ModelError: an engine that was asked for by name does not run this model; says why.
    """
    if isinstance(embedder, SelfRun):
        if spec.engine not in {"auto", embedder.engine.name} or spec.engine_precision != "float32":
            raise model_error(
                spec,
                found=f"engine {spec.engine} in {spec.engine_precision}: {spec.library} has its own",
                expected=f"engine = 'auto': {embedder.engine.name}, in the precision of the file",
            )
        return Chosen(whole(embedder), embedder.engine)
    reduced = spec.engine_precision != "float32"
    torch_itself = Engine(
        "torch",
        library_versions("torch")["torch"],
        spec.engine_precision if reduced else precision,
    )
    alike = device == "cpu" and torch_itself.precision == "float32"
    if spec.engine_precision == "int8" and spec.engine != "onnxruntime":
        raise model_error(
            spec,
            found=f"engine_precision 'int8' with engine {spec.engine!r}",
            expected='engine = "onnxruntime", which is where int8 runs',
        )
    name = FASTEST if spec.engine == "auto" and alike else spec.engine
    if name in {"auto", "torch"}:
        if not reduced:
            return Chosen(whole(embedder), torch_itself)
        proof = _compared(spec, embedder, whole, torch_itself, cache_dir, device)
        return Chosen(whole(embedder), _proven(torch_itself, proof))
    try:
        _require_cpu(name, device)
        engine = Engine(name, engine_version(name), spec.engine_precision)

        def start(path: Path, inputs: Collection[str]) -> Run:
            sizes = {"lanes": lanes, "batch_size": batch_size}
            return session(engine.name, path, engine.precision, inputs, **sizes)

        return Chosen(*_other(spec, embedder, whole, engine, cache_dir, start, batch_size))
    except EngineRefusedError as error:
        if spec.engine == "auto":
            instead = replace(torch_itself, reason=f"{name}: {error}")
            return Chosen(whole(embedder), instead, lasting=not error.passing)
        details = f" ({error.details})" if error.details else ""
        raise model_error(
            spec,
            found=f"engine {name}: {error}{details}",
            expected="an engine that runs this model as torch does",
            next_step=error.next_step or 'write engine = "torch", or take the key out',
        ) from error


def _require_cpu(name: str, device: str) -> None:
    if device != "cpu":
        raise EngineRefusedError(
            f"{name} runs on a CPU here, and this run is on {device}",
            next_step="run with --prodbench-device cpu",
        )


def _other(
    spec: ModelSpec,
    embedder: Embedder,
    whole: Whole,
    engine: Engine,
    cache_dir: Path,
    start: Callable[[Path, Collection[str]], Run],
    batch_size: int,
) -> tuple[Embedder, Engine]:
    """Return the model run by another engine, from a proven export; ``start`` runs a file of such inputs."""
    if isinstance(embedder, TorchAlone) and embedder.torch_alone:
        raise EngineRefusedError(embedder.torch_alone)
    network = embedder.network if isinstance(embedder, Exportable) else None
    if network is None:
        raise EngineRefusedError(f"{spec.library} has no network that could be exported")
    shapes = sample_shapes(embedder)
    # With the embedder the network would stay in memory beside the engine's own.
    alone = without_network(embedder, network)
    ready: list[Embedder] = []

    def running(folder: Path) -> Embedder:
        return whole(EngineEmbedder(alone, start(folder / NETWORK, shapes), shapes))

    def holds(folder: Path, proof: Proof) -> bool:
        # The key sees files and versions. What the code imports may have changed beside them, and the
        # network as it is now is at hand.
        if proof.refused:
            return True
        try:
            found = running(folder)
            images = samples(embedder, HELD_AGAINST)
            reduced = engine.precision != "float32"
            tried = in_batches(found, batch_size)
            torchs = refusing(passes_of(whole(embedder), "cpu"))
            alike = agrees(images, torchs, tried, reduced=reduced)
        except EngineRefusedError:
            return False  # made anew, it says what is the matter
        if alike:
            ready.append(found)
        return alike

    def make(folder: Path) -> Proof:
        # Imports torch's exporters, which take a second.
        from pytest_prodbench.embedding.engines.exporting import export

        images = samples(embedder)
        try:
            export(network, embedder.embed, collated(embedder, images[:2]), folder / NETWORK)
            if engine.precision == "int8":
                quantize(folder / NETWORK)
            return prove(
                images,
                refusing(passes_of(whole(embedder), "cpu")),
                passes_of(running(folder), "cpu"),
                reduced=engine.precision != "float32",
            )
        except EngineRefusedError as error:
            if error.next_step or error.passing:
                raise  # something is missing on this machine, or its disk is full: that can change
            return Proof(None, None, str(error))

    key = _key(spec, whole(embedder), engine, "cpu")
    try:
        folder, proof = kept(cache_dir / "engines", key, make, holds)
    except OSError as error:
        raise EngineRefusedError(
            with_reason("its export cannot be kept", error), passing=True
        ) from error
    if proof.refused:
        raise EngineRefusedError(proof.refused, details=_numbers(proof))
    return ready[0] if ready else running(folder), _proven(engine, proof)


def _compared(
    spec: ModelSpec, embedder: Embedder, whole: Whole, engine: Engine, cache_dir: Path, device: str
) -> Proof:
    """Compare torch in a reduced precision with torch in float32; nothing is exported."""
    tried = whole(embedder)

    def make(_: Path) -> Proof:
        return prove(
            samples(embedder),
            passes_of(tried, device),
            passes_of(tried, device, engine.precision),
            reduced=True,
        )

    try:
        _, proof = kept(
            cache_dir / "engines", _key(spec, tried, engine, device.partition(":")[0]), make
        )
    except EngineRefusedError:
        return Proof(None, None)  # no fixed input size: samples of several shapes are not compared
    if proof.refused:
        raise model_error(
            spec,
            found=f"torch in {engine.precision}: {proof.refused} ({_numbers(proof)})",
            expected=f"1 − cosine to float32 of {BOUND_REDUCED:g} at most",
            next_step="take engine_precision out",
        )
    return proof


def _key(spec: ModelSpec, embedder: Embedder, engine: Engine, device: str) -> dict[str, object]:
    return {
        "model": [spec.library, spec.identifier, asdict(embedder.identity)],
        # An engine has other kernels for another processor: a cache that moved there is proven anew.
        "engine": [engine.name, engine.version, engine.precision, device, _processor()],
        "exporters": [library_versions(*EXPORTERS), EXPORT_VERSION],
        "proof": [samples_digest(), BOUND, BOUND_REDUCED],
    }


def _processor() -> str:
    import torch

    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def _proven(engine: Engine, proof: Proof) -> Engine:
    return replace(engine, worst_cosine=proof.worst_cosine, changed_ranks=proof.changed_ranks)


def _numbers(proof: Proof) -> str:
    if proof.worst_cosine is None:
        return ""
    return f"worst cosine {proof.worst_cosine:.7f}, {proof.changed_ranks} changed ranks"
