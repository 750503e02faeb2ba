"""Putting an adapter over a network of transformers; imported when a model is loaded."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

from pytest_prodbench.models.adapters import adapter_files
from pytest_prodbench.models.checkpoints import first_line, model_error
from pytest_prodbench.models.hub import offline
from pytest_prodbench.models.transformers_files import ADAPTER
from pytest_prodbench.models.transformers_reading import quiet, readable

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import torch

    from pytest_prodbench.settings.types import ModelSpec

# DoRA's vector of magnitudes is a bare name in the file and a module in the network.
_MAGNITUDE = ".lora_magnitude_vector"
_INSTALL = 'pip install -U "pytest-prodbench[adapters]"'


def attach(spec: ModelSpec, folder: Path, model: Any, unused: Collection[str] = ()) -> None:
    """Put an adapter over a model by ``load_adapter`` of transformers: active, not merged.

    Args:
        spec: the model.
        folder: where ``save_pretrained`` of peft wrote the adapter.
        model: its base, from ``from_pretrained``.
        unused: names of modules that no image passes through: an adapter need not have weights for them.

    Raises:
        ModelError: peft is not installed; unreadable; tensors that found no place, or places without tensors.
    """
    _require_peft(spec)
    weights = adapter_files(spec, folder)[0]
    with quiet(), offline(), readable(spec, folder), warnings.catch_warnings():
        # Advice; but peft leaves out settings that it does not know, and says so in passing.
        warnings.simplefilter("ignore", UserWarning)
        warnings.filterwarnings("error", message="Unexpected keyword arguments")
        try:
            report = model.load_adapter(
                str(folder),
                adapter_state_dict=_renamed(folder, weights),
                adapter_kwargs={"local_files_only": True},
                use_safetensors=weights.suffix == ".safetensors",
                # Reported and refused below, by name.
                ignore_mismatched_sizes=True,
            )
        except UserWarning as warning:
            raise model_error(
                spec,
                found=f"{folder / ADAPTER}: {first_line(warning)[:300]}",
                expected="settings that the installed peft knows",
                next_step=_INSTALL,
            ) from warning
    if report is None:
        raise model_error(
            spec,
            found="a transformers that does not say which tensors of an adapter it took",
            expected="transformers 5.7 or newer",
            next_step=_INSTALL,
        )
    _refuse_partial(spec, weights, model, report, unused)


def _refuse_partial(
    spec: ModelSpec, weights: Path, model: torch.nn.Module, report: Any, unused: Collection[str]
) -> None:
    missing = [key for key in report.missing_keys if not set(unused) & set(key.split("."))]
    told = {
        "no weights for": sorted(missing),
        "weights that have no place:": sorted(report.unexpected_keys),
        "weights of another shape:": sorted(str(key) for key in report.mismatched_keys),
        "unreadable weights:": [str(text) for text in report.error_msgs],
    }
    wrong = [
        f"{what} {', '.join(keys[:3])}" + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
        for what, keys in told.items()
        if keys
    ]
    if wrong:
        raise model_error(
            spec,
            found=f"{weights} has {'; '.join(wrong)}",
            expected=f"an adapter of {type(model).__name__}, by the names that its modules have now",
            next_step="it was made for another architecture, with a head that embeds nothing, or by a "
            "transformers with other names: merge it there and save the result, or train it anew",
        )


def _renamed(folder: Path, weights: Path) -> dict[str, torch.Tensor] | None:
    """Tensors by the names under which transformers finds their places; None: as they are in the file."""
    settings = json.loads((folder / ADAPTER).read_text(encoding="utf-8"))
    if not settings.get("use_dora") or weights.suffix != ".safetensors":
        return None
    from safetensors.torch import load_file

    return {
        f"{key}.weight" if key.endswith(_MAGNITUDE) else key: tensor
        for key, tensor in load_file(weights).items()
    }


def _require_peft(spec: ModelSpec) -> None:
    try:
        import peft  # noqa: F401 - transformers imports it in its own way, and says less
    except ImportError as error:
        raise model_error(
            spec,
            found=f"an adapter, but peft cannot be imported ({first_line(error)})",
            next_step='pip install "pytest-prodbench[adapters]"',
        ) from error
