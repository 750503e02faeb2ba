"""A run on disk: a folder with the journal, the queries of each pair, and ``evidence.json``.

The journal takes each pair when it is reported, one JSON line, flushed to disk: after ``kill -9`` of
everything it still says what was measured.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import from_json

from pytest_prodbench.atomic import atomic_write_bytes, atomic_write_text
from pytest_prodbench.errors import EvidenceError
from pytest_prodbench.evidence.queries import read_parquet
from pytest_prodbench.evidence.types import SCHEMA_VERSION, PairRecord, RunRecord
from pytest_prodbench.settings.tables import check_name

if TYPE_CHECKING:
    import pyarrow as pa

EVIDENCE = "evidence.json"
JOURNAL = "journal.jsonl"

LEVELS = 5
"""Of the evidence that are indented: down to the metrics of a pair, and the values of its conditions."""

SCHEMA_FILE = Path(__file__).with_name("evidence.schema.json")


def new_run_name() -> str:
    """Name of a run: UTC date and time, and four characters that keep two of one second apart."""
    now = datetime.now(UTC)
    return f"{now:%Y-%m-%dT%H-%M-%SZ}-{secrets.token_hex(2)}"


class RunFolder:
    """One run being written."""

    def __init__(self, report_dir: Path, run: str) -> None:
        """Make the folder.

        Raises:
            SettingsError: the name cannot be that of a folder.
            EvidenceError: a run of that name is there already, or the folder cannot be made.
        """
        check_name("run", run, "--prodbench-run")
        self.path = report_dir / run
        try:
            self.path.mkdir(parents=True)
        except FileExistsError as error:
            raise EvidenceError(
                str(self.path),
                found="a run of this name",
                expected="a new name",
                next_step="choose another with --prodbench-run, or remove the folder",
            ) from error
        except OSError as error:
            raise EvidenceError(
                str(self.path),
                found=f"cannot be made ({error.strerror})",
                expected="a folder that this process may write",
                next_step="choose another with --prodbench-report-dir",
            ) from error

    def note(self, kind: str, content: Mapping[str, Any]) -> None:
        """Append one line to the journal and wait until it is on disk."""
        line = json.dumps({"kind": kind, **content}, sort_keys=True, allow_nan=False) + "\n"
        with (self.path / JOURNAL).open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def write_queries(self, pair: PairRecord, data: bytes) -> None:
        """Write the Parquet file that a pair names, if it is what the pair says.

        Raises:
            EvidenceError: the bytes are not those that were measured.
        """
        if pair.queries_file is None or hashlib.sha256(data).hexdigest() != pair.queries_digest:
            raise EvidenceError(
                f"pair {pair.name}",
                found="queries that do not have the digest in its record",
                next_step="run the pair again; its embeddings are in the cache",
            )
        atomic_write_bytes(self.path / pair.queries_file, data)

    def write_evidence(self, record: RunRecord) -> Path:
        """Write ``evidence.json``."""
        path = self.path / EVIDENCE
        atomic_write_text(path, evidence_json(record))
        return path


def queries_file(model: str, dataset: str) -> str:
    """Name of a pair's Parquet file, relative to the run; no name may hold the ``@``."""
    return f"queries/{model}@{dataset}.parquet"


def evidence_json(record: RunRecord) -> str:
    """Canonical text: sorted keys, one space of indentation, what lies deeper on one line, UTF-8."""
    return _lines(record.model_dump(mode="json"), LEVELS) + "\n"


_on_one_line = json.JSONEncoder(sort_keys=True, ensure_ascii=False, allow_nan=False).encode


def _lines(data: Any, levels: int, margin: str = "") -> str:
    """JSON with so many levels indented; the encoder of ``json`` is several times slower with any."""
    if levels == 0 or not data or not isinstance(data, dict | list):
        return _on_one_line(data)
    inner = margin + " "
    if isinstance(data, dict):
        opening, closing = "{}"
        parts = [
            f"{_on_one_line(key)}: {_lines(data[key], levels - 1, inner)}" for key in sorted(data)
        ]
    else:
        opening, closing = "[]"
        parts = [_lines(item, levels - 1, inner) for item in data]
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{margin}{closing}"


def schema_json() -> str:
    """JSON Schema of ``evidence.json``; published as ``evidence.schema.json``."""
    schema = RunRecord.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"pytest-prodbench evidence, schema version {SCHEMA_VERSION}"
    return json.dumps(schema, sort_keys=True, indent=1) + "\n"


def read_evidence(run: Path) -> RunRecord:
    """Read ``evidence.json`` of a run's folder.

    Raises:
        EvidenceError: missing, damaged, or of another schema version; names the file.
    """
    path = run / EVIDENCE
    try:
        data = from_json(path.read_bytes())
        version = data["schema_version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise EvidenceError(
            str(path), found=f"no readable evidence ({error})", expected="the record of a run"
        ) from error
    if version != SCHEMA_VERSION:
        raise EvidenceError(
            str(path),
            found=f"schema version {version}",
            expected=str(SCHEMA_VERSION),
            next_step="read it with the release that wrote it, or run again",
        )
    try:
        return RunRecord.model_validate(data)
    except ValidationError as error:
        raise EvidenceError(str(path), found=f"a record that breaks the schema: {error}") from error


def read_queries(run: Path, record: RunRecord) -> dict[str, pa.Table]:
    """Read the queries of every pair that has them.

    Raises:
        EvidenceError: a file is missing, damaged, or not the one that was measured.
    """
    tables: dict[str, pa.Table] = {}
    for pair in record.pairs:
        if pair.queries_file is None:
            continue
        if pair.queries_file != queries_file(pair.model, pair.dataset) or "/" in pair.name:
            # Evidence may come from a stranger: it must not say what else is read here.
            raise EvidenceError(
                f"pair {pair.name}",
                found=f"queries in {pair.queries_file!r}",
                expected=queries_file("MODEL", "DATASET"),
            )
        path = run / pair.queries_file
        tables[pair.name] = read_parquet(path)
        if hashlib.sha256(path.read_bytes()).hexdigest() != pair.queries_digest:
            raise EvidenceError(
                str(path),
                found="a file that is not the one that was measured (its digest differs)",
                next_step="run the pair again",
            )
    return tables


def read_journal(run: Path) -> list[dict[str, Any]]:
    """Read the journal of a run; a last line cut off by a crash is left out.

    Raises:
        EvidenceError: there is no journal, or a line before the last is damaged.
    """
    path = run / JOURNAL
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise EvidenceError(
            str(path),
            found=f"no journal ({error.strerror})",
            expected="the folder of a run",
            next_step="name a folder below the report directory",
        ) from error
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(_entry(line))
        except (ValueError, RecursionError) as error:
            if number < len(lines):
                raise EvidenceError(
                    f"{path}, line {number}",
                    found=f"damaged ({error})",
                    expected="one JSON object a line",
                    next_step="run again; embeddings are in the cache",
                ) from error
    return entries


def _entry(line: bytes) -> dict[str, Any]:
    entry = json.loads(line)
    if not isinstance(entry, dict) or "kind" not in entry:
        raise ValueError("no object that says of which kind it is")
    return entry
