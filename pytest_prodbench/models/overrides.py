"""What the configuration replaces of a model's own, in words: it stands in the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec


def overrides(spec: ModelSpec, adapter: str = "") -> list[str]:
    """Return one line a key, as it could stand in TOML; empty for a model as its library has it.

    Args:
        spec: the model.
        adapter: kind and base of an adapter that lies over its weights.
    """
    found: dict[str, Any] = {"adapter": adapter} if adapter else {}
    if spec.pooling != "default":
        found["pooling"] = f"gem({spec.gem_power:g})" if spec.pooling == "gem" else spec.pooling
    found |= {f"preprocess.{key}": value for key, value in spec.preprocess.stated().items()}
    if spec.head is not None:
        # The name alone: a path would say where somebody's home is, and the digest says what it is.
        found["head"] = spec.head.weights.name
        if spec.head.normalise:
            found["head.normalise"] = True
    if spec.trust_remote_code:
        found["trust_remote_code"] = True
    found |= spec.options
    if isinstance(base := found.get("base"), str) and Path(base).is_absolute():
        found["base"] = Path(base).name  # as of head
    return [f"{key} = {_toml(value)}" for key, value in found.items()]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else f"{value}"
