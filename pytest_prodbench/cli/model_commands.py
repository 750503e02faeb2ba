"""Commands on one model: models show, doctor (of a dataset, too), download."""

from __future__ import annotations

import argparse

from pytest_prodbench.cli.dataset_commands import add_examination
from pytest_prodbench.cli.option_arguments import add_options


def add_models(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add them to the command line; each is imported when it is used."""
    models = commands.add_parser("models", help="what a model is")
    kinds = models.add_subparsers(metavar="KIND", required=True)
    shown = kinds.add_parser("show", help="load a model and print all that decides its numbers")
    shown.add_argument("model_name", metavar="MODEL", help="of the suite, or library:identifier")
    add_options(shown)
    shown.set_defaults(command=_models_show)

    doctor = commands.add_parser(
        "doctor",
        help="does a model do what an embedding must, does a dataset lie? exits with 1 if so",
    )
    doctor.add_argument(
        "model_name",
        metavar="NAME",
        help="model or dataset of the suite, library:identifier, or path of a manifest or folder",
    )
    doctor.add_argument(
        "--as", dest="kind", choices=("model", "dataset"), help="what NAME is, where both have it"
    )
    doctor.add_argument("--images", metavar="DIR", help="of a model: photos to look at")
    doctor.add_argument(
        "--html",
        metavar="FILE",
        help="of a dataset: page (default: doctor/NAME/doctor.html in reports)",
    )
    add_examination(doctor)
    doctor.set_defaults(command=_doctor)

    download = commands.add_parser("download", help="fetch weights of models, or published sets")
    download.add_argument(
        "names",
        nargs="*",
        help="models of the suite, library:identifier, or published sets (default: all models of the suite)",
    )
    download.add_argument(
        "--list", action="store_true", help="name the published sets, with their terms"
    )
    download.add_argument(
        "--out", metavar="DIR", help="folder for sets, each in one of its own below (default: data)"
    )
    download.add_argument(
        "--yes", action="store_true", help="do not ask whether licence and size are all right"
    )
    download.add_argument(
        "--remove-archives", action="store_true", help="keep what is unpacked, not the archives"
    )
    add_options(download)
    download.set_defaults(command=_download)


def _models_show(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.models import show

    return show(given)


def _doctor(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli import dataset_doctor
    from pytest_prodbench.cli.models import doctor

    return dataset_doctor.doctor(given) if dataset_doctor.is_dataset(given) else doctor(given)


def _download(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.download import download

    return download(given)
