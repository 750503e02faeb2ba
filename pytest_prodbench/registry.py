"""Find what is registered under an entry-point group: libraries, layouts, metrics, reporters.

``prodbench.models``     name → class with the ``ModelLibrary`` protocol
``prodbench.datasets``   name → function that opens a layout
``prodbench.metrics``    name → ``Metric``
``prodbench.reporters``  name → function that writes one kind of report

Only names are read here; the module behind a name is imported when that name is used.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from pytest_prodbench.errors import SettingsError, did_you_mean

Group = Literal[
    "prodbench.models", "prodbench.datasets", "prodbench.metrics", "prodbench.reporters"
]


@cache
def _found(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        other = found.get(entry.name)
        # The same distribution can be listed twice (an editable install beside a wheel): not an error.
        if other is not None and other.value != entry.value:
            raise SettingsError(
                f"entry point {group}:{entry.name}",
                found=f"two packages register it: {other.value} and {entry.value}",
                expected="one",
                next_step="uninstall one of them",
            )
        found[entry.name] = entry
    return found


def registered(group: Group) -> tuple[str, ...]:
    """Return the sorted names registered under a group; imports nothing behind them."""
    return tuple(sorted(_found(group)))


def load(group: Group, name: str, *, where: str) -> Any:
    """Import and return what is registered under a name.

    Raises:
        SettingsError: nothing has that name; ``where`` says who asked.
    """
    entry = _found(group).get(name)
    if entry is None:
        raise SettingsError(
            where,
            found=f"{name!r}, which nothing registers under {group}",
            expected="a registered name",
            next_step=did_you_mean(name, registered(group)),
        )
    return entry.load()
