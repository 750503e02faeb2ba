"""``prodbench accept RUN --as production --reason "…"``: a run becomes what others are compared with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.cli.runs import open_run
from pytest_prodbench.errors import EvidenceError, SettingsError, did_you_mean
from pytest_prodbench.evaluation.opponent import BASELINES
from pytest_prodbench.evidence.baseline import (
    BASELINE,
    BaselineDataset,
    BaselineRecord,
    read_baseline,
    write_baseline,
)
from pytest_prodbench.evidence.store import queries_file
from pytest_prodbench.report.standing import candidate_reasons
from pytest_prodbench.report.wording import count
from pytest_prodbench.settings.tables import check_name

if TYPE_CHECKING:
    from pytest_prodbench.evidence.types import PairRecord, RunRecord


def accept(
    run: str, role: str, reason: str, *, model: str | None = None, despite: str | None = None
) -> int:
    """Write ``baselines/<role>/`` of one model's results in a run.

    Raises:
        SettingsError: a name or a reason that is none.
        EvidenceError: the run is partial, was not made of a clean git tree, was not judged, or failed.
    """
    check_name("role", role, "--as")
    for option, text in (("--reason", reason), ("--despite", despite)):
        if text is not None and not text.strip():
            raise SettingsError(option, found="no words", expected="why, for those who come after")
    opened = open_run(run)
    record = opened.record
    name = _model(record, model)
    _require_complete(record)
    pairs = [pair for pair in record.pairs if pair.model == name]
    verdict = record.candidates.get(name, "incomplete")
    _require_measured(record, pairs)
    if verdict != "accept" and despite is None:
        raise EvidenceError(
            f"run {record.run}",
            found=f"{name} is not accepted: {verdict} ({'; '.join(candidate_reasons(record, name))})",
            expected="a run in which every rule holds",
            next_step="mend the model, or say --despite 'why'; it is recorded and shown with every run",
        )
    data = {pair.dataset: opened.parquet(pair) for pair in pairs}
    folder = Path.cwd() / BASELINES / role
    _require_no_sector_less(folder, f"{BASELINES}/{role}", record, pairs)
    write_baseline(
        folder,
        BaselineRecord(
            role=role,
            model=record.models[name],
            run=record.run,
            accepted=datetime.now(UTC).date().isoformat(),
            commit=record.host.commit or "",
            reason=reason,
            despite=None if verdict == "accept" else despite,
            verdict=verdict,
            prodbench_version=record.prodbench_version,
            protocol_version=record.protocol_version,
            policy_digest=record.policy_digest,
            metric_versions=record.metric_versions,
            datasets={pair.dataset: _entry(record, pair) for pair in pairs},
        ),
        data,
    )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(
        f"{role}: {name}, {count(len(pairs), 'dataset')}, run {record.run} "
        f"({BASELINES}/{role}, {size:,} bytes)"
    )
    print(f"commit it:  git add {BASELINES}/{role} && git commit")
    return 0


def _entry(record: RunRecord, pair: PairRecord) -> BaselineDataset:
    assert pair.measurement is not None  # noqa: S101 - _require_measured
    assert pair.queries_digest is not None  # noqa: S101 - likewise
    return BaselineDataset(
        dataset=record.datasets[pair.dataset],
        verdict=pair.verdict,
        metrics=pair.measurement.metrics,
        queries_file=queries_file(pair.model, pair.dataset),
        queries_digest=pair.queries_digest,
    )


def _model(record: RunRecord, asked: str | None) -> str:
    known = sorted(record.candidates)
    if asked is None and len(known) == 1:
        return known[0]
    if asked in known:
        return asked
    raise SettingsError(
        "--model",
        found=f"{asked!r}" if asked else f"none named, and {count(len(known), 'model')} in the run",
        expected=f"one of {', '.join(known)}",
        next_step=did_you_mean(asked, known) if asked else "name the one that goes into production",
    )


def _require_complete(record: RunRecord) -> None:
    found = expected = next_step = ""
    if record.partial or record.selection:
        how = (
            ", ".join(record.selection) or f"{len(record.selected)} of {len(record.planned)} pairs"
        )
        found, expected = f"a partial run ({how})", "one that nothing narrowed"
        next_step = "run the whole suite, or join its shards with 'prodbench merge'"
    elif record.gate != "enforce":
        found, expected = f"a run whose gate was set to {record.gate}", "one that was judged"
        next_step = "run it again without --prodbench-gate"
    elif record.overridden:
        found = (
            "a run with overridden thresholds: it was judged by other rules than it was made with"
        )
        expected, next_step = "one judged by its own", "commit the rules, and run again"
    elif record.host.commit is None or record.host.dirty is None:
        found, expected = "a run of files that no git commit holds", "one of a clean git tree"
        next_step = "commit suites/ and run again"
    elif record.host.dirty:
        found = f"a run of a git tree that differed from its commit {record.host.commit[:12]}"
        expected = "one of a clean git tree"
        next_step = "commit what 'git status' lists, or let git ignore it, and run again"
    if found:
        raise EvidenceError(
            f"run {record.run}", found=found, expected=expected, next_step=next_step
        )


def _require_no_sector_less(
    folder: Path, shown: str, record: RunRecord, pairs: list[PairRecord]
) -> None:
    """A run of one sector's folder must not take the others' results from the baseline."""
    if not (folder / BASELINE).exists():
        return
    before = read_baseline(folder, shown).record.datasets.values()
    gone = {entry.dataset.sector for entry in before} - {pair.sector for pair in pairs}
    if gone:
        raise EvidenceError(
            f"run {record.run}",
            found=f"nothing of {', '.join(sorted(gone))}, which {shown} has results of",
            expected="a run of the whole suite",
            next_step=f"run it, or join its shards with 'prodbench merge'; where a sector is no more, "
            f"remove {shown} first",
        )


def _require_measured(record: RunRecord, pairs: list[PairRecord]) -> None:
    lost = [pair.name for pair in pairs if pair.status != "evaluated"]
    if lost or not pairs:
        raise EvidenceError(
            f"run {record.run}",
            found=f"no result of {', '.join(lost) or 'this model'}",
            expected="every pair of the model, measured",
            next_step="run again; what was embedded is in the cache",
        )
