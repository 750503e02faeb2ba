"""Layout ``m_beir``: the image-to-image tasks of M-BEIR.

Wei et al., "UniIR: Training and Benchmarking Universal Multimodal Information Retrievers", ECCV 2024,
https://huggingface.co/datasets/TIGER-Lab/M-BEIR (MIT for the benchmark; images under their sets' licences).
Read in TIGER-AI-Lab/UniIR at 98dc570: ``src/common/mbeir_retriever.py`` (five fields a line of qrels, a score
above 0 is a positive, recall@k is a hit rate), ``src/common/mbeir_embedder.py`` (file names),
``src/data/preprocessing/utils.py`` (task ids), ``nights_data_preprocessor.py`` (fields of a line),
``configs_scripts/large/eval/inbatch/retrieval.yaml`` (k of each task); in the data set's card: folders.
Counts of ``nights_task4`` are those that mteb computed for its copy of it (``descriptive_stats``).

- ``query/<split>/mbeir_<task>_<split>.jsonl``: qid, query_img_path, query_txt, query_modality …
- ``cand_pool/local/mbeir_<task>_cand_pool.jsonl`` or ``cand_pool/global/mbeir_union_test_cand_pool.jsonl``:
  did, img_path, txt, modality …
- ``qrels/<split>/mbeir_<task>_<split>_qrels.txt``: ``qid 0 did score task``

A query with a text asks another question without it: it is left out and counted. A candidate without an image
is left out and counted; if it is a positive, that is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.datasets.release import json_object, numbered_lines, release_file
from pytest_prodbench.errors import DatasetError, ProblemList
from pytest_prodbench.protocol import ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

TASKS = {
    "0": "text -> image",
    "1": "text -> text",
    "2": "text -> image,text",
    "3": "image -> text",
    "4": "image -> image",
    "6": "image,text -> text",
    "7": "image,text -> image",
    "8": "image,text -> image,text",
}
IMAGE_TO_IMAGE = "4"

COUNTS = {
    ("nights_task4", "test", "local"): {"queries": 2_120, "candidates": 40_038, "relations": 2_120}
}


class MBeirOptions(Frozen):
    """Options of the layout ``m_beir``.

    Attributes:
        task: data set and number of the task, as in the names of the files.
        split: whose queries.
        pool: candidates of the task's own data set, or those of all data sets.
        expected_counts: of ``queries``, ``candidates`` and ``relations``, instead of the published ones.
    """

    task: str = "nights_task4"
    split: Literal["test", "val"] = "test"
    pool: Literal["local", "global"] = "local"
    expected_counts: dict[str, int] | None = None


@dataclass(slots=True)
class _Rows:
    """Images of one role; ``without`` holds the ids of those that are left out, ``texts`` counts texts."""

    ids: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    without: set[str] = field(default_factory=set)
    texts: int = 0


def open_m_beir(spec: DatasetSpec, options: MBeirOptions) -> Tables:
    """Read one task into tables; see ``Layout.open``.

    Raises:
        DatasetError: a file is missing, the task is none of images to images, or counts differ.
        ProblemList: lines are wrong.
    """
    root, task, split = spec.path.resolve(), options.task, options.split
    pool = f"local/mbeir_{task}" if options.pool == "local" else "global/mbeir_union_test"
    query_file = _file(root, f"query/{split}/mbeir_{task}_{split}.jsonl")
    pool_file = _file(root, f"cand_pool/{pool}_cand_pool.jsonl")
    qrels_file = _file(root, f"qrels/{split}/mbeir_{task}_{split}_qrels.txt")
    problems: list[str] = []
    queries = _read_rows(query_file, "qid", "query_img_path", _is_image_query, problems)
    candidates = _read_rows(pool_file, "did", "img_path", _has_image, problems)
    positives = _read_qrels(qrels_file, queries, candidates, problems)
    if problems:
        # A line that cannot be read would also be missing in what refers to it.
        raise ProblemList(shown(root), problems)
    relations = sum(map(len, positives.values()))
    verify_counts(
        root,
        {"queries": len(queries.ids), "candidates": len(candidates.ids), "relations": relations},
        _published(options) or {},
        options.expected_counts,
    )
    return Tables(
        root=root,
        queries=_table(queries, "query"),
        gallery=_table(candidates, "candidate"),
        protocol_note=_note(options, queries, candidates),
        query_origin=Origin(query_file.name, "line", queries.lines),
        gallery_origin=Origin(pool_file.name, "line", candidates.lines),
        answers={
            f"query:{qid}": tuple(f"candidate:{did}" for did in dids)
            for qid, dids in positives.items()
        },
        official_metrics=("recall@1", "recall@5", "recall@10"),
        published="m_beir",
    )


def _file(root: Path, name: str) -> Path:
    return release_file(
        root,
        name,
        expected="the folder of M-BEIR, with query, cand_pool, qrels and mbeir_images",
        next_step="correct path, or the options task, split and pool, of which the name is made",
    )


def _is_image_query(row: dict[str, Any]) -> bool:
    return row.get("query_modality") == "image" and not row.get("query_txt")


def _has_image(row: dict[str, Any]) -> bool:
    return bool(row.get("img_path"))


def _read_rows(
    path: Path,
    key: str,
    image_key: str,
    is_ours: Callable[[dict[str, Any]], bool],
    problems: list[str],
) -> _Rows:
    rows = _Rows()
    for number, line in numbered_lines(path, problems):
        row: dict[str, Any] = {}
        reason = ""
        try:
            row = json_object(line)
        except ValueError as error:
            reason = str(error)
        row_id = row.get(key)
        if not reason and not isinstance(row_id, str):
            reason = f"{key} is {row_id!r}, not a text"
        if not reason:
            reason = (product_id_problem(str(row_id)) or "").replace("product_id", key)
        if not reason and row_id in rows.known:
            reason = f"{key} {row_id!r} stands twice"
        if not reason and not is_ours(row):
            rows.known.add(str(row_id))
            rows.without.add(str(row_id))
            continue
        image = row.get(image_key)
        if not reason and not isinstance(image, str):
            reason = f"{image_key} is {image!r}, not a path"
        reason = reason or image_path_problem(str(image)) or ""
        if reason:
            problems.append(f"{path.name} line {number}: {reason}")
            continue
        rows.texts += bool(row.get("txt"))
        rows.known.add(str(row_id))
        rows.ids.append(str(row_id))
        rows.images.append(image_path(str(image)))
        rows.lines.append(number)
    return rows


def _read_qrels(
    path: Path, queries: _Rows, candidates: _Rows, problems: list[str]
) -> dict[str, list[str]]:
    """Return the positives of each query; of the task's queries none is missing."""
    positives: dict[str, dict[str, None]] = {qid: {} for qid in queries.ids}
    tasks: dict[str, int] = {}
    for number, line in numbered_lines(path, problems):
        fields = line.split()
        reason = ""
        if (
            len(fields) != 5
            or not fields[3].removeprefix("-").isdecimal()
            or fields[4] not in TASKS
        ):
            reason = f"{line!r} is not 'qid 0 did score task'"
            qid = did = score = task = ""
        else:
            qid, _, did, score, task = fields
            tasks[task] = tasks.get(task, 0) + 1
            if qid not in queries.known:
                reason = f"query {qid!r} is not in the file of queries"
            elif did not in candidates.known:
                reason = f"candidate {did!r} is not in the pool"
        if not reason and qid in positives and int(score) > 0:
            if task != IMAGE_TO_IMAGE:
                reason = f"query {qid!r} is of the task {TASKS[task]!r}, not image -> image"
            elif did in candidates.without:
                reason = f"candidate {did!r} is a positive and has no image"
            else:
                positives[qid][did] = None
        if reason:
            problems.append(f"{path.name} line {number}: {reason}")
    if tasks and IMAGE_TO_IMAGE not in tasks:
        raise DatasetError(
            shown(path),
            found=f"the task {', '.join(repr(TASKS[task]) for task in sorted(tasks))}",
            expected=f"{TASKS[IMAGE_TO_IMAGE]!r}: models under test see images only",
            next_step="choose such a task with the option task: nights_task4",
        )
    return {qid: list(dids) for qid, dids in positives.items()}


def _published(options: MBeirOptions) -> dict[str, int] | None:
    return COUNTS.get((options.task, options.split, options.pool))


def _note(options: MBeirOptions, queries: _Rows, candidates: _Rows) -> str:
    parts = [
        f"Official: task {options.task}, split {options.split}, each query against the {options.pool} pool; "
        "positives are the candidates with a score above 0; no instruction is given to the model."
    ]
    if options.expected_counts is None and _published(options) is None:
        parts.append("No counts are known that it could be held against.")
    if queries.without:
        parts.append(
            f"Queries with a text, or without an image, left out: {len(queries.without):,}."
        )
    if candidates.without:
        parts.append(
            f"Candidates without an image left out: {len(candidates.without):,}, so that ranks are better "
            "than in the whole pool."
        )
    if candidates.texts:
        parts.append(f"Candidates with a text, seen by their image alone: {candidates.texts:,}.")
    return " ".join(parts)


def _table(rows: _Rows, role: str) -> ImageTable:
    return image_table(
        rows.images,
        # qid and did are counted alike (4:1, 4:2 …), and equal ones are not equal things.
        [f"{role}:{row_id}" for row_id in rows.ids],
    )


LAYOUT = Layout(options=MBeirOptions, open=open_m_beir)
