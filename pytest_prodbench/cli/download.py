"""``prodbench download MODEL``: the one command that may use the network."""

from __future__ import annotations

import argparse

from pytest_prodbench.cli.suite import open_suite
from pytest_prodbench.models import library_for
from pytest_prodbench.settings.files import unknown_name
from pytest_prodbench.settings.sources import parse_source
from pytest_prodbench.settings.types import ModelSpec


def download(given: argparse.Namespace) -> int:
    """Fetch the weights of a model of the suite, or of ``library:identifier``."""
    if ":" in given.name:
        library, identifier = parse_source(given.name, where="prodbench download")
        spec = ModelSpec(name=given.name, library=library, identifier=identifier)
    else:
        models = open_suite(given).suite.models
        if given.name not in models:
            raise unknown_name("model", given.name, list(models), "prodbench download")
        spec = models[given.name]
    for path in library_for(spec).download(spec):
        print(path)
    return 0
