"""The ``prodbench`` command; each of its commands is a module of this room."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pytest_prodbench import __version__
from pytest_prodbench.cli.dataset_commands import add_datasets
from pytest_prodbench.cli.model_commands import add_models
from pytest_prodbench.cli.option_arguments import add_places
from pytest_prodbench.cli.verdict_commands import add_verdicts
from pytest_prodbench.errors import ProdbenchError

USAGE_ERROR = 4
"""Exit code for a mistake in configuration or arguments, as pytest has it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns:
        0 accept (or done), 1 reject, 2 incomplete, 4 a mistake in configuration or arguments, 141 nobody
        reads what is printed any more.
    """
    given = _parser().parse_args(arguments)
    try:
        code: int = given.command(given)
        sys.stdout.flush()
    except ProdbenchError as error:
        sys.stderr.write(f"prodbench: {error}\n")
        return USAGE_ERROR
    except BrokenPipeError:
        # Whoever read it (head, less) has seen enough; at its end Python would write into it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        sys.stderr.write("\nprodbench: interrupted; what was embedded is in the cache\n")
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prodbench",
        description="Decide whether a visual product-search model may ship: the identical SKU.",
    )
    parser.add_argument("--version", action="version", version=f"prodbench {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    init = commands.add_parser("init", help="write a first suites/ into your own repository")
    init.add_argument("folder", nargs="?", default="suites", help="where (default: suites)")
    init.add_argument("--sector", action="append", help="name of a sector (repeatable)")
    init.set_defaults(command=_init)

    for name, command, text in (
        ("list", _list, "show models, datasets, thresholds and pairs"),
        ("plan", _plan, "print images, time, memory and price of a run before it starts"),
        ("cost", _cost, "print what a run will cost in money, before anything is sent"),
    ):
        of_places = commands.add_parser(name, help=text)
        add_places(of_places)
        of_places.set_defaults(command=command)

    explain = commands.add_parser(
        "explain", help="print the rules that hold for one pair, with file and line"
    )
    # Not "model" and "dataset": those are the options' own.
    explain.add_argument("model_name", metavar="MODEL", help="name of a model")
    explain.add_argument("dataset_name", metavar="DATASET", help="name of a dataset")
    add_places(explain)
    explain.set_defaults(command=_explain)

    run = commands.add_parser("run", help="evaluate and judge, without pytest, one after the other")
    add_places(run)
    run.set_defaults(command=_run)

    report = commands.add_parser(
        "report", help="make the reports of a run again, from its evidence"
    )
    report.add_argument("run", help="folder of the run")
    report.add_argument(
        "--kind",
        action="append",
        default=[],
        metavar="KIND[:DEST]",
        help="only this kind of report, with :DEST a copy there too (repeatable): html, junit, markdown",
    )
    report.set_defaults(command=_report)

    show = commands.add_parser("show", help="show in the terminal what a run found")
    show.add_argument("run", help="folder of the run")
    show.add_argument("--metric", help="of the table (default: recall@1)")
    show.add_argument(
        "--pair", action="append", default=[], metavar="MODEL:DATASET",
        help="this pair with its rules, metrics and conditions instead (repeatable)",
    )  # fmt: skip
    show.set_defaults(command=_show)

    site = commands.add_parser(
        "site", help="write a site over many runs: leaderboard, trends, comparisons"
    )
    site.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, or of several")
    site.add_argument("--out", default="site", help="folder of the site (default: site)")
    site.add_argument(
        "--compare", type=int, metavar="N",
        help="compare the newest N runs, each with each (default: 6)",
    )  # fmt: skip
    site.set_defaults(command=_site)

    export = commands.add_parser(
        "export", help="write everything that the page of a run shows as tables"
    )
    export.add_argument("run", help="folder of the run")
    export.add_argument("--out", metavar="DIR", help="folder to write into (default: RUN/export)")
    export.add_argument(
        "--format",
        action="append",
        default=[],
        choices=("csv", "parquet"),
        help="this format only (repeatable; default: both)",
    )
    export.add_argument(
        "--safe",
        action="store_true",
        help="for spreadsheets: an apostrophe before every text in CSV that one would execute",
    )
    export.set_defaults(command=_export)

    add_models(commands)
    add_datasets(commands)
    add_verdicts(commands)

    render = commands.add_parser(
        "render", help="make a catalog and photo-like queries from STEP or STL files"
    )
    render.add_argument("--cad", nargs="+", default=[], metavar="FILE", help="the parts")
    render.add_argument(
        "--plan", help="TOML file: families, materials, views (default: one family)"
    )
    render.add_argument("--out", default="rendered", help="folder (default: rendered)")
    render.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    render.add_argument(
        "--check",
        action="store_true",
        help="prove that manifest and images of --out belong together",
    )
    render.set_defaults(command=_render)

    return parser


# The commands are imported when they are used: ``prodbench --help`` answers at once.


def _init(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.init import init

    return init(given.folder, given.sector)


def _plan(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.plan import plan

    return plan(given)


def _list(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.listing import list_suite

    return list_suite(given)


def _cost(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.cost import cost

    return cost(given)


def _explain(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.explain import explain

    return explain(given)


def _run(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.run import run_suite

    return run_suite(given)


def _report(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.report import remake

    return remake(given.run, given.kind)


def _show(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.show import show

    return show(given.run, given.metric, given.pair)


def _site(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.site import site

    return site(given.runs, given.out, given.compare)


def _export(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.export import export

    return export(given.run, given.out, given.format, safe=given.safe)


def _render(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.render import render_cad

    return render_cad(given.cad, given.plan, given.out, given.jobs, check=given.check)
