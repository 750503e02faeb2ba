"""Commands on one dataset: dataset init, dataset show."""

from __future__ import annotations

import argparse

from pytest_prodbench.cli.option_arguments import add_places


def add_datasets(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add them to the command line; each is imported when it is used."""
    datasets = commands.add_parser(
        "dataset", help="what a dataset is, and a first one from a folder"
    )
    kinds = datasets.add_subparsers(metavar="KIND", required=True)

    init = kinds.add_parser("init", help="write a first manifest.csv and sector.toml into a folder")
    init.add_argument("folder", metavar="DIR", help="folder of photos")
    init.add_argument("--name", help="of the dataset (default: that of the folder)")
    init.set_defaults(command=_init)

    shown = kinds.add_parser("show", help="print counts, conditions, formats and examples")
    shown.add_argument(
        "dataset_name", metavar="NAME|PATH", help="of the suite, or a manifest or folder"
    )
    shown.add_argument(
        "--layout", help="of a PATH (default: manifest for a file, folder for a folder)"
    )
    shown.add_argument(
        "--set", dest="option", action="append", default=[], metavar="KEY=VALUE",
        help="option of the layout of a PATH, as in sector.toml: as_of=2026-11-01 (repeatable)",
    )  # fmt: skip
    add_places(shown)
    shown.set_defaults(command=_show)


def _init(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.dataset_init import init

    return init(given.folder, given.name)


def _show(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.dataset_show import show

    return show(given)
