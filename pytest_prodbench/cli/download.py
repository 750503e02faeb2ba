"""``prodbench download NAME``: the one command that may use the network."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING

from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.files import unknown_name
from pytest_prodbench.settings.sources import parse_source
from pytest_prodbench.settings.types import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

WHERE = "prodbench download"

SET = "dataset:"
"""Before a name: the published set, and no model of that name."""


def download(given: argparse.Namespace) -> int:
    """Fetch published sets, weights of models of the suite, or of ``library:identifier``.

    Without a name all models of the suite.

    Returns:
        0 done; 2 something has to be done by hand, or was not agreed to.
    """
    from pytest_prodbench.cli.download_sets import fetch_sets, list_sets

    if given.list:
        return list_sets()
    sets, models = _told_apart(given)
    if not sets and (given.out is not None or given.yes or given.remove_archives):
        raise SettingsError(
            WHERE,
            found="--out, --yes or --remove-archives, and no published set",
            expected="a published set with them: models go where their libraries keep them",
            next_step="'prodbench download --list' names the sets",
        )
    for spec in models:
        # Loaded for models alone: a set needs no model library.
        from pytest_prodbench.models import library_for

        for path in library_for(spec).download(spec):
            print(f"{spec.name}: {path}")
    if not sets:
        return 0
    return fetch_sets(sets, given.out or "data", agreed=given.yes, remove=given.remove_archives)


def _told_apart(given: argparse.Namespace) -> tuple[list[str], list[ModelSpec]]:
    """Return the published sets and the models that were named."""
    from pytest_prodbench.datasets.published import published, published_keys

    given.places = []
    keys = published_keys()
    names: Sequence[str] = given.names
    plain = [name for name in names if ":" not in name]
    models = _models(given, plain, keys)
    sets, specs = [], []
    for name in names or models:
        if name.startswith(SET):
            key = name.removeprefix(SET)
            published(key)  # says what is known if it is none
            sets.append(key)
        elif ":" in name:
            library, identifier = parse_source(name, where=WHERE)
            specs.append(ModelSpec(name=name, library=library, identifier=identifier))
        elif name in models and name in keys and names:
            raise SettingsError(
                WHERE,
                found=f"{name!r}, which is a model of the suite and a published set",
                expected="one of them",
                next_step=f"write {SET}{name} for the set, {models[name].source} for the model",
            )
        elif name in models:
            specs.append(models[name])
        elif name in keys:
            sets.append(name)
        else:
            raise unknown_name("model or published set", name, [*models, *keys], WHERE)
    return list(dict.fromkeys(sets)), specs


def _models(
    given: argparse.Namespace, plain: Sequence[str], keys: Sequence[str]
) -> dict[str, ModelSpec]:
    """Return the models of the suite; none where there is no suite and nothing but sets is asked for."""
    if given.names and not plain:
        return {}
    try:
        return dict(open_suite(given).suite.models)
    except SettingsError:
        unknown = [name for name in plain if name not in keys]
        if not given.names:
            raise
        for name in unknown:
            # Not "no suite here" to whoever has mistyped the name of a set.
            if difflib.get_close_matches(name, keys, n=1):
                raise unknown_name("published set", name, list(keys), WHERE) from None
            raise
        return {}
