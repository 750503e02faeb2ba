"""``prodbench gate RUN`` and ``prodbench merge RUN…``: verdicts from evidence alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.cli.run import exit_code
from pytest_prodbench.cli.runs import open_run, show, write_run
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.evaluation.judging import Policy, judge_again, planned_of
from pytest_prodbench.evaluation.merging import merge
from pytest_prodbench.evaluation.opponent import BASELINES, Opponent
from pytest_prodbench.evidence.baseline import BASELINE, read_baseline
from pytest_prodbench.evidence.store import new_run_name
from pytest_prodbench.gate import check_policy
from pytest_prodbench.settings.files import load_suite, policy_digest, shown_path

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import RunRecord


def judge_run(
    run: str,
    *,
    baseline: str | None = None,
    policy: list[str] | None = None,
    rebase: bool = False,
    out: str | None = None,
) -> int:
    """Judge a run again, by other rules or against another baseline; returns as ``prodbench run``.

    Args:
        run: folder of the run.
        baseline: name of a role or folder of a baseline; None: comparisons stand as they are recorded.
        policy: suite folders; None: the rules that the run was made with.
        rebase: compare although a dataset changed.
        out: new folder for evidence and reports; None: nothing is written.
    """
    opened = open_run(run)
    record = opened.record
    project = Path.cwd()
    other = None if not policy else _policy(policy, record, project)
    datasets = _datasets(record) if other is None else _suite_datasets(other)
    opponent = None
    if baseline is not None:
        folder = named_baseline(baseline, project)
        models = sorted({name.partition(":")[0] for name in record.planned})
        found = read_baseline(folder, shown_path(folder, project))
        opponent = Opponent(found, datasets, models, rebase)
    judged = judge_again(record, opened.tables, policy=other, opponent=opponent)
    show(judged, project)
    if out is not None:
        named = judged.model_copy(update={"run": Path(out).name})
        sources = {pair.name: opened for pair in judged.pairs}
        print(
            *(f"  {path}" for path in write_run(named, sources, project / out, project)), sep="\n"
        )
    return exit_code(judged)


def merge_runs(runs: list[str], out: str | None = None) -> int:
    """Join the shards of several jobs into one run and judge the whole; returns as ``prodbench run``."""
    opened = [open_run(folder) for folder in runs]
    project = Path.cwd()
    place = project / "reports" / f"merged-{new_run_name()}" if out is None else project / out
    tables = {}
    for name in {name for run in opened for name in run.tables}:
        having = [run for run in opened if name in run.tables]
        # Of two that differ nobody knows which is meant: then no lead is proven with either.
        if len({run.record.pair(name).queries_digest for run in having}) == 1:
            tables[name] = having[0].tables[name]
    record = merge([run.record for run in opened], place.name, tables)
    sources = {}
    for pair in record.pairs:
        for run in opened:
            theirs = next((p for p in run.record.pairs if p.name == pair.name), None)
            if theirs is not None and theirs.queries_digest == pair.queries_digest:
                sources[pair.name] = run
    files = write_run(record, sources, place, project)
    show(record, project)
    print(*(f"  {path}" for path in files), sep="\n")
    return exit_code(record)


def _policy(places: list[str], record: RunRecord, project: Path) -> Policy:
    for place in places:
        if not Path(place).exists():
            raise SettingsError(place, found="nothing", expected="a suite folder")
    suite = load_suite([Path(place) for place in places], project)
    if not suite.sectors:
        raise SettingsError(
            ", ".join(places),
            found="no sector.toml in it, above it, or up to two folders below it",
            expected="the rules to judge by",
        )
    models = sorted({name.partition(":")[0] for name in record.planned})
    families = {name: model.family for name, model in record.models.items()}
    check_policy(suite.sectors.values(), models, datetime.now(UTC).date(), families)
    files = [shown_path(path, project) for path in suite.files]
    return Policy(suite, policy_digest(suite), files)


def _datasets(record: RunRecord) -> dict[str, str]:
    return {name.partition(":")[2]: sector for name, sector in planned_of(record).items()}


def _suite_datasets(policy: Policy) -> dict[str, str]:
    sectors = policy.suite.sectors.values()
    return {name: sector.name for sector in sectors for name in sector.datasets}


def named_baseline(text: str, project: Path) -> Path:
    """Return a folder that holds a baseline, else that of the role of this name."""
    folder = Path(text).expanduser()
    if (folder / BASELINE).exists():
        return folder.resolve()
    return project / BASELINES / text if folder.name == text else folder.resolve()
