"""What ``package.module:name`` names: found, imported, and made where it is a class or a function."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models.checkpoints import first_line, model_error

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def split(spec: ModelSpec) -> tuple[str, str]:
    """Return the module's path and the name in it.

    Raises:
        ModelError: the identifier is not of this form.
    """
    if not _PATH.fullmatch(spec.identifier):
        raise model_error(
            spec,
            found=f"{spec.identifier!r}",
            expected="package.module:name, as in module:ours.models:Encoder",
        )
    module, _, name = spec.identifier.partition(":")
    return module, name


def no_module(spec: ModelSpec, module: str, error: BaseException | None) -> ModelError:
    """Build the error for a module that Python does not find."""
    why = "" if error is None else f": {first_line(error)}"
    return model_error(
        spec,
        found=f"no module {module!r}{why}",
        expected="a module that Python finds",
        next_step="install its package, or set pythonpath in the configuration of pytest, which the "
        "command prodbench follows too",
    )


def imported(spec: ModelSpec) -> Any:
    """Return the object.

    Raises:
        ModelError: its module cannot be imported, or has no such name.
    """
    module, name = split(spec)
    try:
        thing: Any = importlib.import_module(module)
        for part in name.split("."):
            thing = getattr(thing, part)
    except Exception as error:  # the user's module may raise anything
        raise not_imported(spec, error) from error
    return thing


def not_imported(spec: ModelSpec, error: Exception) -> ModelError:
    """Build the error for a module whose import raises."""
    module, name = split(spec)
    return model_error(
        spec,
        found=f"{type(error).__name__} at import: {first_line(error)}",
        expected=f"{name!r} in {module}",
        next_step=f"mend it until `python -c 'import {module}'` says nothing",
    )


def made(spec: ModelSpec, thing: Any) -> Any:
    """Return the network: what is named, or what it returns if it can be called without arguments.

    Raises:
        ModelError: it raises, or is neither a network nor a callable.
    """
    import torch

    network = thing
    if callable(thing) and not isinstance(thing, torch.nn.Module):
        needed, taken = _parameters(thing)
        if inspect.isclass(thing) or not taken:
            network = _called(spec, thing)
        elif not needed:
            network = _of_defaults(spec, thing)
    if not callable(network):
        raise model_error(
            spec,
            found=f"an object of type {type(network).__name__}",
            expected="an nn.Module, or a callable of a batch",
        )
    return network


def _parameters(thing: Any) -> tuple[bool, bool]:
    """Whether an argument must be given, and whether one can be."""
    try:
        found = inspect.signature(thing).parameters.values()
    except (ValueError, TypeError):  # some functions in C have none
        return True, True
    optional = [one.default is not one.empty or one.kind is one.VAR_KEYWORD for one in found]
    return not all(optional), bool(optional)


def _called(spec: ModelSpec, thing: Any) -> Any:
    try:
        return thing()
    except Exception as error:  # the user's code may raise anything
        raise model_error(
            spec,
            found=f"{type(error).__name__} when it is called: {first_line(error)}",
            expected="a class or function that needs no arguments",
        ) from error


def _of_defaults(spec: ModelSpec, thing: Any) -> Any:
    """What a function makes of its defaults, if that is a network; else it is a callable of a batch.

    The builders of torchvision are of this kind: ``resnet50(*, weights=None, progress=True, **kwargs)``.
    """
    import torch

    try:
        network = _called(spec, thing)
    except ModelError:
        if spec.options.get("version") is None:
            raise
        return thing  # a version is what a callable of a batch states
    return network if isinstance(network, torch.nn.Module) else thing
