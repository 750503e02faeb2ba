"""Find what is registered under an entry-point group: libraries, layouts, metrics, reports.

``prodbench.models``     name → class with the ``ModelLibrary`` protocol
``prodbench.datasets``   name → ``Layout``
``prodbench.metrics``    name → ``Metric``
``prodbench.reporters``  name → function that writes one kind of report
``prodbench.displays``   name → function that returns what a notebook shows of an object, as HTML

Only names are read here; the module behind a name is imported when that name is used.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from pytest_prodbench.errors import SettingsError, did_you_mean

Group = Literal[
    "prodbench.models",
    "prodbench.datasets",
    "prodbench.metrics",
    "prodbench.reporters",
    "prodbench.displays",
]


_added: dict[str, dict[str, Any]] = {}


def add(group: Group, name: str, registrable: Any) -> None:
    """Register an object for this process, as a conftest.py does; beside the entry points.

    Raises:
        SettingsError: the name is taken.
    """
    taken = _added.get(group, {}).get(name, registrable)
    if name in _found(group) or taken is not registrable:
        raise SettingsError(
            f"{group}:{name}", found="a name that is registered already", expected="a new name"
        )
    _added.setdefault(group, {})[name] = registrable


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
    return tuple(sorted({*_found(group), *_added.get(group, {})}))


def load(group: Group, name: str, *, where: str) -> Any:
    """Import and return what is registered under a name.

    Raises:
        SettingsError: nothing has that name; ``where`` says who asked.
    """
    if name in _added.get(group, {}):
        return _added[group][name]
    entry = _found(group).get(name)
    if entry is None:
        raise SettingsError(
            where,
            found=f"{name!r}, which nothing registers under {group}",
            expected="a registered name",
            next_step=did_you_mean(name, registered(group)),
        )
    return entry.load()


def place(group: Group, name: str) -> str:
    """Say where a name is registered, for messages."""
    entry = None if name in _added.get(group, {}) else _found(group).get(name)
    if entry is None:
        return f"registry.add({group!r}, {name!r}, …)"
    return f"entry point {group}:{name} ({entry.value})"


def display(name: str, shown: object) -> str:
    """Return what a notebook shows of an object: it lies in a low room, and what draws it in a high one.

    Args:
        name: of the display that is registered under ``prodbench.displays``.
        shown: the object.
    """
    return str(load("prodbench.displays", name, where=f"showing a {name} in a notebook")(shown))
