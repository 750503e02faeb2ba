"""Layout ``hub_retrieval``: queries, documents and judgements as Parquet files of a data-set hub.

Read in embeddings-benchmark/mteb (``mteb/abstasks/retrieval_dataset_loaders.py``, ``tasks/retrieval/eng``,
``descriptive_stats/Image/Any2AnyRetrieval``, commit a905523) and in the dataset cards of JamieSJS/rp2k and
JamieSJS/stanford-online-products: configurations ``corpus`` and ``query`` or ``queries`` with the columns
``id`` (or ``_id``), ``image`` and maybe ``modality``, ``text``; ``qrels`` (or ``default``) with ``query-id``,
``corpus-id``, ``score``. Files are ``<configuration>/<split>-00000-of-00002.parquet`` or, older,
``<configuration>-00000-of-00001.parquet`` beside each other; ``image`` is a struct ``{bytes, path}``.

Of the Massive Image Embedding Benchmark (MIEB, arXiv 2504.10471) counts and metric (hit rate at 1) are held
against those that mteb computed. mteb drops the first hit of every query, whatever it is
(``skip_first_result``), because the query is a document too; here the query's own image is taken out by its
pixels. Licences are those of the sets; mteb calls them "not specified".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import field_validator

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.hub_tables import (
    Judgements,
    find_files,
    read_images,
    read_judgements,
)
from pytest_prodbench.datasets.layout import Layout, Tables, image_table
from pytest_prodbench.datasets.parquet_files import ParquetFiles
from pytest_prodbench.datasets.paths import image_path_problem
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.datasets.qrels import relate
from pytest_prodbench.errors import DatasetError, ProblemList
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

_USUAL = {
    "corpus": ("corpus",),
    # In this order mteb asks for them.
    "queries": ("query", "queries"),
    "qrels": ("default", "qrels"),
}


@dataclass(frozen=True, slots=True)
class _Set:
    counts: Mapping[str, int]
    note: str


SETS = {
    "mieb_sop": _Set(
        {"documents": 120_053, "queries": 22_634, "relations": 97_419},
        "This set merges train and test of Stanford Online Products, scaled to 224 x 224; 2,034 of its "
        "120,053 documents are duplicates. Do not compare with papers on Stanford Online Products.",
    ),
    "mieb_rp2k": _Set(
        {"documents": 39_457, "queries": 38_186, "relations": 4_409_419},
        "RP2K as MIEB cuts it, scaled to 224 x 224; 160 of the 39,457 documents are duplicates. Do not "
        "compare with papers on RP2K.",
    ),
    "mieb_met": _Set(
        {"documents": 260_655, "queries": 87_942, "relations": 172_713},
        "The Met dataset as MIEB cuts it, scaled to 224 x 224; 3 of the 260,655 documents are duplicates. "
        "Do not compare with papers on the Met dataset.",
    ),
}
"""Counts as mteb computed them (``descriptive_stats``); of queries only those with a judgement."""


class HubRetrievalOptions(Frozen):
    """Options of the layout ``hub_retrieval``.

    Attributes:
        set: which published set it is; without it no count is verified and no metric is official.
        split: of the files of a configuration that has several.
        corpus: folder of the documents, or what their file names begin with; by default the usual names.
        queries: the same for the queries.
        qrels: the same for the judgements.
        expected_counts: of ``documents``, ``queries`` and ``relations``, instead of the published ones.
    """

    set: Literal["mieb_sop", "mieb_rp2k", "mieb_met"] | None = None
    split: str = "test"
    corpus: str = ""
    queries: str = ""
    qrels: str = ""
    expected_counts: dict[str, int] | None = None

    @field_validator("corpus", "queries", "qrels")
    @classmethod
    def _is_below_the_root(cls, name: str) -> str:
        if name and (problem := image_path_problem(name)):
            raise ValueError(problem)
        return name


def open_hub_retrieval(spec: DatasetSpec, options: HubRetrievalOptions) -> Tables:
    """Read ids and judgements, and no image; see ``Layout.open``.

    Raises:
        DatasetError: files are missing, hold other columns, or counts differ from the published ones.
        ProblemList: rows are wrong.
    """
    import numpy as np

    root = spec.path.resolve()
    if not root.is_dir():
        raise DatasetError(shown(root), found="a file", expected="the folder of the set's files")
    stated = {"corpus": options.corpus, "queries": options.queries, "qrels": options.qrels}
    files = {
        part: find_files(root, part, (name,) if name else _USUAL[part], options.split)
        for part, name in stated.items()
    }
    problems: list[str] = []
    documents = read_images(root, files["corpus"], problems)
    everything = read_images(root, files["queries"], problems)
    judged = read_judgements(root, files["qrels"], everything.ids, documents.ids, problems)
    if problems:
        # What is missing in one table would be blamed on the others.
        raise ProblemList(shown(root), problems)
    # A query that no row judges is no query of the benchmark: so mteb, and so the counts.
    asked = np.flatnonzero(np.bincount(judged.queries))
    count = max(len(documents.ids), 1)
    pairs = _positives(judged, count)
    published = SETS.get(options.set or "")
    verify_counts(
        root,
        {"documents": len(documents.ids), "queries": len(asked), "relations": len(pairs)},
        published.counts if published else {},
        options.expected_counts,
    )
    rows = asked.tolist()
    queries = tuple(everything.ids[row] for row in rows)
    related = relate(
        queries,
        documents.ids,
        np.searchsorted(asked, pairs // count),
        pairs % count,
    )
    left_out = len(everything.ids) - len(rows)
    return Tables(
        root=root,
        queries=image_table(
            [everything.images[row] for row in rows],
            related.query_products,
            groups=related.query_groups,
        ),
        gallery=image_table(
            documents.images, related.document_products, groups=related.document_groups
        ),
        protocol_note=_note(published, options, bool(related.answers), left_out),
        files=ParquetFiles(root),
        answers=related.answers,
        official_metrics=("recall@1",) if published else (),
        published=options.set or "",
    )


def _positives(judged: Judgements, documents: int) -> Any:
    """Return query x documents + document of each positive pair, once, ascending."""
    import numpy as np

    keys = np.sort((judged.queries * documents + judged.documents)[judged.positive])
    return keys[np.diff(keys, prepend=-1) > 0]


def _note(
    published: _Set | None, options: HubRetrievalOptions, has_answers: bool, left_out: int
) -> str:
    parts = [
        "Official: each query of the set against all its documents; positives are the pairs with a score "
        "above 0. The query's own image is taken out by its pixels (mteb drops the first hit instead)."
        if published
        else "As published: each query of the set against all its documents; positives are the pairs with "
        "a score above 0."
    ]
    if published:
        parts.append(published.note)
    elif options.expected_counts is None:
        parts.append("No counts are known that this set could be held against.")
    if has_answers:
        parts.append("The pairs do not sort the documents into products: each image is its own.")
    if left_out:
        noun = "image" if left_out == 1 else "images"
        parts.append(f"{left_out:,} query {noun} without any judgement left out, as in mteb.")
    return " ".join(parts)


LAYOUT = Layout(options=HubRetrievalOptions, open=open_hub_retrieval)
