"""Commands on one dataset: dataset init, dataset show, dataset fix; what an examination is told."""

from __future__ import annotations

import argparse

from pytest_prodbench.cli.option_arguments import add_options, add_places


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
    _add_path_options(shown)
    add_places(shown)
    shown.set_defaults(command=_show)
    add_fix(kinds)


def add_fix(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``dataset fix``."""
    fix = kinds.add_parser(
        "fix", help="write a new manifest without what the doctor can mend; touches no image"
    )
    fix.add_argument("dataset_name", metavar="DATASET", help="of the suite, or path of a manifest")
    fix.add_argument("--out", metavar="FILE", help="new manifest (default: NAME-fixed beside it)")
    fix.add_argument(
        "--confirm",
        action="append",
        default=[],
        metavar="ID",
        help="apply the fix of this finding too, which a person has looked at (repeatable)",
    )
    add_examination(fix)
    fix.set_defaults(command=_fix)


def add_examination(parser: argparse.ArgumentParser) -> None:
    """Add what an examination needs, and the options of a run."""
    _add_path_options(parser)
    parser.add_argument(
        "--open-set",
        action="store_true",
        help="of a dataset given as a path: queries of absent products are meant",
    )
    parser.add_argument(
        "--run",
        dest="evidence",
        metavar="RUN",
        help="folder of a run of several models: where all agree on another product, labels are suspected",
    )
    parser.add_argument(
        "--waivers",
        metavar="FILE",
        help="findings that stay (default: doctor.toml beside the manifest)",
    )
    add_options(parser, without=("run",))


def _add_path_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layout", help="of a PATH (default: manifest for a file, folder for a folder)"
    )
    parser.add_argument(
        "--set", dest="option", action="append", default=[], metavar="KEY=VALUE",
        help="option of the layout of a PATH, as in sector.toml: as_of=2026-11-01 (repeatable)",
    )  # fmt: skip


def _init(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.dataset_init import init

    return init(given.folder, given.name)


def _show(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.dataset_show import show

    return show(given)


def _fix(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.dataset_fix import fix

    return fix(given)
