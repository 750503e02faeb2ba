"""Keys of a model's table that belong to its library, and those that not every library can follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.tables import ModelTable, validate


def check_options(library: str, options: Mapping[str, Any], where: str, prefix: str) -> None:
    """Refuse a key that the library of a model does not have, or a value that it does not take.

    A library says what it has in its attribute ``options``, a pydantic model. One that nothing registers
    yet (a conftest.py may) is not asked; it is when the model is loaded.

    Args:
        library: name of the library.
        options: keys and values.
        where: file and key of the model, for messages.
        prefix: of the keys, for messages: ``models.NAME``.

    Raises:
        SettingsError: names the key and the nearest known one, or what was expected.
    """
    if not options or library not in registry.registered("prodbench.models"):
        return
    table = getattr(registry.load("prodbench.models", library, where=where), "options", None)
    # Together with the keys that every model has: the nearest known one is found among all.
    bases = (ModelTable,) if table is None else (table, ModelTable)
    closed = {"model_config": ConfigDict(extra="forbid"), "__module__": __name__}
    validate(
        type("Keys", bases, closed), {"source": "library:identifier", **options}, where, prefix
    )


def check_remote_code(library: str, where: str, prefix: str) -> None:
    """Refuse ``trust_remote_code = true`` for a library that runs no code that came with weights.

    A library that can says so in its attribute ``remote_code``. One that nothing registers yet is not asked.

    Args:
        library: name of the library.
        where: file and key of the model, for messages.
        prefix: of the key, for messages: ``models.NAME``.

    Raises:
        SettingsError: names the key and the libraries that can.
    """
    registered = registry.registered("prodbench.models")
    if library not in registered or _runs_code(library, where):
        return
    able = [name for name in registered if _runs_code(name, where)]
    raise SettingsError(
        where,
        found=f"key '{prefix}.trust_remote_code' is true for a model of {library}, which runs no such code",
        expected=f"one of {', '.join(able)}",
        next_step="take it out",
    )


def _runs_code(library: str, where: str) -> bool:
    loaded = registry.load("prodbench.models", library, where=where)
    return bool(getattr(loaded, "remote_code", False))
