"""Starting a session of ONNX Runtime by the providers that were asked for, and by no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.checkpoints import first_line, model_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_prodbench.settings.types import ModelSpec

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

# ONNX Runtime's default is TF32 for matrix products and convolutions on a GPU: ten bits of mantissa.
_SETTINGS = {CUDA: {"use_tf32": "0"}}


def started(
    spec: ModelSpec, runtime: Any, path: Path, options: Any, providers: Sequence[str]
) -> Any:
    """Return a session on a file, by all of the named providers in their order.

    Args:
        spec: the model, for messages.
        runtime: the module.
        path: the file.
        options: of the session.
        providers: names, the preferred one first.

    Raises:
        ModelError: a provider is not in this ONNX Runtime, or does not start; the file is damaged.
    """
    there = runtime.get_available_providers()
    for name in providers:
        if name not in there:
            # ONNX Runtime would take the CPU instead, and say so in a log that nobody reads.
            raise model_error(
                spec,
                found=f"provider {name}, which this ONNX Runtime does not have",
                expected=f"one of {', '.join(there)}",
                next_step="install the build of ONNX Runtime that has it, or correct providers",
            )
    try:
        session = runtime.InferenceSession(
            str(path),
            options,
            providers=[(name, _SETTINGS.get(name, {})) for name in providers],
        )
    except Exception as error:  # ONNX Runtime raises classes of its own for each kind of damage
        raise model_error(
            spec,
            found=f"{path} cannot be loaded: {first_line(error)[:500]}",
            expected="a whole ONNX file of operators that this ONNX Runtime has",
            next_step="open it by itself with onnxruntime.InferenceSession, or export it anew",
        ) from error
    _refuse_fallback(spec, session.get_providers(), providers)
    return session


def version_of(runtime: Any, session: Any) -> str:
    """Return the runtime's version, with the providers of a session that is not the CPU's alone.

    They change digits as another version does.
    """
    names = [name for name in session.get_providers() if name != CPU]
    if not names:
        return str(runtime.__version__)
    return f"{runtime.__version__} ({', '.join(names)}{', TF32 off' if CUDA in names else ''})"


def _refuse_fallback(spec: ModelSpec, found: Sequence[str], asked: Sequence[str]) -> None:
    """Refuse a session by other providers: what is compiled in may still lack its libraries."""
    missing = [name for name in asked if name not in found]
    if not missing and list(found[:1]) == list(asked[:1]):
        return
    raise model_error(
        spec,
        found=f"a session by {', '.join(found)}: {', '.join(missing or asked[:1])} did not start",
        expected=f"{', '.join(asked)}, as providers (or the default for this device) ask",
        next_step="install the libraries that the provider needs (for CUDA: the CUDA and cuDNN that this "
        f"onnxruntime-gpu was built for), or write providers = ['{CPU}'] in [models.{spec.name}]",
    )
