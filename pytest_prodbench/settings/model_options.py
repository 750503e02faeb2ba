"""Keys of a model's table that belong to its library: the library says which, and they are checked by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict

from pytest_prodbench import registry
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
