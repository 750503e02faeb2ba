"""Arguments that several commands share: where a suite lies, and every option of a run."""

from __future__ import annotations

import argparse

from pytest_prodbench.settings.options import OPTIONS


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the folders of a suite, and the options."""
    parser.add_argument(
        "places",
        nargs="*",
        default=[],
        help="suite folders, or one TOML file with [models] and [sectors.NAME] (default: suites, else .)",
    )
    add_options(parser)


def add_options(parser: argparse.ArgumentParser, *, without: tuple[str, ...] = ()) -> None:
    """Add the options of a run; ``without``: keys of those that mean something else here."""
    parser.set_defaults(**dict.fromkeys(without))
    for option in OPTIONS:
        if option.key in without:
            continue
        parser.add_argument(
            f"--{option.name}",
            dest=option.key,
            **option.arguments,
            help=option.help,
        )
