"""The baseline: accepted evidence of the model in production, a folder that is meant to be committed.

``baselines/<role>/baseline.json`` (sorted keys, floats with ten decimals, so that a diff shows what changed
and nothing else) and beside it the queries of each dataset as Parquet, each with its digest in the JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from pytest_prodbench.atomic import atomic_write_bytes, atomic_write_text
from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evidence.judgement import Record, Verdict
from pytest_prodbench.evidence.queries import COMPARED_COLUMNS, read_parquet
from pytest_prodbench.evidence.store import queries_file
from pytest_prodbench.evidence.types import BaselineFacts, DatasetRecord, ModelRecord
from pytest_prodbench.evidence.values import MetricValue

if TYPE_CHECKING:
    import pyarrow as pa

BASELINE = "baseline.json"
BASELINE_SCHEMA: Literal[1] = 1


class BaselineDataset(Record):
    """What the model in production reached on one dataset."""

    dataset: DatasetRecord
    verdict: Verdict
    metrics: dict[str, MetricValue] = Field(
        description="for people; drops are made from the queries"
    )
    queries_file: str
    queries_digest: str


class BaselineRecord(Record):
    """``baseline.json``."""

    schema_version: Literal[1] = BASELINE_SCHEMA
    role: str
    model: ModelRecord
    run: str = Field(description="the run that was accepted")
    accepted: str = Field(description="day, ISO 8601")
    commit: str = Field(description="of the git tree that the run was made of")
    reason: str
    despite: str | None = Field(description="why it was accepted although it failed")
    verdict: Verdict = Field(description="of the model in that run")
    prodbench_version: str
    protocol_version: int
    policy_digest: str
    metric_versions: dict[str, int]
    datasets: dict[str, BaselineDataset]


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A baseline as it was read, every file of it checked.

    Attributes:
        record: ``baseline.json``.
        digest: sha256 (hex) of that file; through the digests in it, of all.
        tables: dataset → its queries (columns: ``evidence/queries.py``).
    """

    record: BaselineRecord
    digest: str
    tables: Mapping[str, pa.Table]

    def facts(self, stale: list[str]) -> BaselineFacts:
        """Return what a run says of it."""
        record = self.record
        return BaselineFacts(
            role=record.role,
            model=record.model.name,
            digest=self.digest,
            run=record.run,
            accepted=record.accepted,
            reason=record.reason,
            despite=record.despite,
            stale=stale,
        )


def read_baseline(folder: Path, shown: str) -> Baseline:
    """Read a baseline, whole: one that cannot be trusted must be seen before anything is embedded.

    Raises:
        EvidenceError: a file is missing, damaged, of another schema, or not the one that was accepted.
    """
    path = folder / BASELINE
    next_step = "restore it from version control, or accept a run anew with 'prodbench accept'"
    try:
        data = path.read_bytes()
        parsed = json.loads(data)
        version = parsed["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        what = f"no readable baseline ({getattr(error, 'strerror', None) or error})"
        left = [] if folder.exists() else interrupted(folder)
        if left:
            names = " and ".join(f"{Path(shown).parent}/{path.name}" for path in left)
            what = f"no baseline, but {names}: 'prodbench accept' was interrupted"
            next_step = (
                f"give one of them the name {folder.name}, or restore it from version control"
            )
        raise EvidenceError(
            f"{shown}/{BASELINE}",
            found=what,
            expected="what 'prodbench accept' wrote",
            next_step=next_step,
        ) from error
    if version != BASELINE_SCHEMA:
        raise EvidenceError(
            f"{shown}/{BASELINE}",
            found=f"schema version {version}",
            expected=str(BASELINE_SCHEMA),
            next_step="read it with the release that wrote it, or accept a run anew",
        )
    try:
        record = BaselineRecord.model_validate(parsed)
    except ValidationError as error:
        raise EvidenceError(
            f"{shown}/{BASELINE}",
            found=f"a record that breaks the schema: {error}",
            next_step=next_step,
        ) from error
    tables = {}
    for name, entry in record.datasets.items():
        # A name that leads elsewhere must not be followed.
        named = queries_file(record.model.name, name)
        if entry.queries_file != named or "/" in f"{record.model.name}{name}":
            raise EvidenceError(
                f"{shown}/{BASELINE}, dataset {name!r}",
                found=f"queries in {entry.queries_file!r}",
                expected=queries_file("MODEL", "DATASET"),
                next_step=next_step,
            )
        place = folder / entry.queries_file
        tables[name] = read_parquet(place)
        absent = sorted(COMPARED_COLUMNS - set(tables[name].column_names))
        if absent:
            raise EvidenceError(
                f"{shown}/{entry.queries_file}",
                found=f"no column {', '.join(absent)}",
                expected="the queries of one pair",
                next_step=next_step,
            )
        if hashlib.sha256(place.read_bytes()).hexdigest() != entry.queries_digest:
            raise EvidenceError(
                f"{shown}/{entry.queries_file}",
                found="a file that is not the one that was accepted (its digest differs)",
                next_step=next_step,
            )
    return Baseline(record, hashlib.sha256(data).hexdigest(), tables)


def write_baseline(folder: Path, record: BaselineRecord, queries: Mapping[str, bytes]) -> None:
    """Replace a baseline by another; ``queries``: dataset → Parquet bytes.

    The new one is written beside the old one, then both are renamed. A crash between the two renames leaves
    both whole under their other names, which ``read_baseline`` tells and does not take for a first run.

    Raises:
        EvidenceError: it cannot be written.
    """
    fresh, old = _beside(folder)
    try:
        if fresh.exists():
            shutil.rmtree(fresh)
        for name, data in queries.items():
            atomic_write_bytes(fresh / record.datasets[name].queries_file, data)
        atomic_write_text(fresh / BASELINE, baseline_json(record))
        if folder.exists():
            # Only now: where a crash left no other, it was the last whole one.
            if old.exists():
                shutil.rmtree(old)
            folder.rename(old)
        fresh.rename(folder)
    except OSError as error:
        raise EvidenceError(
            str(folder),
            found=f"cannot be written ({error.strerror})",
            expected="a folder that this process may write",
        ) from error
    shutil.rmtree(old, ignore_errors=True)


def interrupted(folder: Path) -> list[Path]:
    """Return what a crash of ``write_baseline`` left beside a baseline."""
    return [path for path in _beside(folder) if path.exists()]


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")


def baseline_json(record: BaselineRecord) -> str:
    """Canonical text: sorted keys, one space of indentation, floats with ten decimals."""
    return _text(record.model_dump(mode="json"), 0) + "\n"


def _text(value: object, depth: int) -> str:
    inner, outer = "\n" + " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict) and value:
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {_text(value[key], depth + 1)}"
            for key in sorted(value)
        ]
        return "{" + inner + ("," + inner).join(parts) + outer + "}"
    if isinstance(value, list) and value:
        return (
            "[" + inner + ("," + inner).join(_text(part, depth + 1) for part in value) + outer + "]"
        )
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not JSON")
        return f"{value:.10f}"
    return json.dumps(value, ensure_ascii=False)
