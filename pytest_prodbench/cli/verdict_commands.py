"""Commands on evidence alone: accept, gate, compare, merge, thresholds."""

from __future__ import annotations

import argparse


def add_verdicts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add them to the command line; each is imported when it is used."""
    accept = commands.add_parser("accept", help="make a run the one that others are compared with")
    accept.add_argument("run", help="folder of the run")
    accept.add_argument(
        "--as", dest="role", default="production", help="role (default: production)"
    )
    accept.add_argument("--reason", required=True, help="why, for those who come after")
    accept.add_argument("--model", help="which of several models in the run")
    accept.add_argument(
        "--despite", help="why, although it failed; recorded, and shown with every run"
    )
    accept.set_defaults(command=_accept)

    gate = commands.add_parser(
        "gate", help="judge a run again, without models, images or GPU; exits as run does"
    )
    gate.add_argument("run", help="folder of the run")
    gate.add_argument("--baseline", help="role or folder (default: comparisons as recorded)")
    gate.add_argument(
        "--policy", action="append", help="suite folder with the rules (default: those of the run)"
    )
    gate.add_argument("--rebase", action="store_true", help="compare although a dataset changed")
    gate.add_argument("--out", help="new folder for evidence and reports")
    gate.set_defaults(command=_gate)

    compare = commands.add_parser("compare", help="how one run or baseline differs from another")
    compare.add_argument("first", metavar="A", help="folder of a run, or a baseline")
    compare.add_argument("second", metavar="B", help="likewise, the later one")
    compare.add_argument("--before", help="model of A (default: all, by name)")
    compare.add_argument("--after", help="model of B")
    compare.add_argument("--rebase", action="store_true", help="compare although a dataset changed")
    compare.add_argument("--html", help="write a page with the photos that changed sides")
    compare.set_defaults(command=_compare)

    merge = commands.add_parser("merge", help="join the shards of several jobs and judge the whole")
    merge.add_argument("runs", nargs="+", help="folders of the runs")
    merge.add_argument("--out", help="new folder (default: reports/merged-…)")
    merge.set_defaults(command=_merge)

    thresholds = commands.add_parser("thresholds", help="suggest thresholds from a run")
    kinds = thresholds.add_subparsers(metavar="KIND", required=True)
    suggest = kinds.add_parser("suggest", help="what a run has shown to reach, as TOML")
    suggest.add_argument("run", help="folder of the run")
    suggest.add_argument("--model", help="this model (default: the best on each dataset)")
    suggest.add_argument("--metric", action="append", help="this metric (repeatable)")
    suggest.set_defaults(command=_suggest)


def _accept(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.accept import accept

    return accept(given.run, given.role, given.reason, model=given.model, despite=given.despite)


def _gate(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.gate import judge_run

    return judge_run(
        given.run,
        baseline=given.baseline,
        policy=given.policy,
        rebase=given.rebase,
        out=given.out,
    )


def _compare(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.compare import compare

    return compare(
        given.first,
        given.second,
        before_model=given.before,
        after_model=given.after,
        rebase=given.rebase,
        html=given.html,
    )


def _merge(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.gate import merge_runs

    return merge_runs(given.runs, given.out)


def _suggest(given: argparse.Namespace) -> int:
    from pytest_prodbench.cli.suggest import suggest

    return suggest(given.run, given.model, given.metric)
