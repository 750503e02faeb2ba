"""``prodbench download MODEL``: the one command that may use the network."""

from __future__ import annotations

import argparse

from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.models import library_for
from pytest_prodbench.settings.files import unknown_name
from pytest_prodbench.settings.sources import parse_source
from pytest_prodbench.settings.types import ModelSpec


def download(given: argparse.Namespace) -> int:
    """Fetch the weights of models of the suite, or of ``library:identifier``; of all if none is named."""
    given.places = []
    named = [name for name in given.names if ":" not in name]
    specs = [_direct(name) for name in given.names if ":" in name]
    if named or not given.names:
        models = open_suite(given).suite.models
        for name in named:
            if name not in models:
                raise unknown_name("model", name, list(models), "prodbench download")
        specs += [models[name] for name in named or models]
    for spec in specs:
        for path in library_for(spec).download(spec):
            print(f"{spec.name}: {path}")
    return 0


def _direct(name: str) -> ModelSpec:
    library, identifier = parse_source(name, where="prodbench download")
    return ModelSpec(name=name, library=library, identifier=identifier)
