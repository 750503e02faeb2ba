"""Retrieval sets of a data-set hub: small sets in every form in which they lie on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from dataset_builders import encoded, noise, opened, pixels, spec
from hub_builders import (
    CORPUS,
    COUNTS,
    DOCUMENTS,
    IMAGE,
    PAIRS,
    PHOTOS,
    QRELS,
    QUERIES,
    write_hub_set,
    write_images,
    write_pairs,
    write_table,
)

from pytest_prodbench.datasets.hub_retrieval import SETS
from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError
from pytest_prodbench.protocol import Dataset


def open_hub(root: Path, **options: Any) -> Dataset:
    return opened(root, "hub_retrieval", options={**COUNTS, **options})


def test_products(tmp_path: Path) -> None:
    dataset = open_hub(write_hub_set(tmp_path))
    assert dataset.gallery.images == tuple(f"{CORPUS}#000000{row}" for row in (1, 2, 3, 4))
    assert dataset.gallery.product_ids == ("query:7", "query:7", "query:1", "corpus:4")
    assert dataset.queries.images == (f"{QUERIES}#0000001", f"{QUERIES}#0000002")
    assert dataset.queries.product_ids == ("query:1", "query:7")
    assert not dataset.answers
    assert dataset.official_metrics == ()
    assert dataset.published == ""
    with dataset.open(dataset.queries.images[1]) as file:
        assert np.array_equal(pixels(file.read()), pixels(encoded(noise(51), "JPEG")))


def test_answers(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    write_pairs(root / QRELS, [*PAIRS, ("1", "2", 1), ("1", "4", 0)])
    counts = {"documents": 4, "queries": 2, "relations": 4}
    dataset = open_hub(root, expected_counts=counts)
    assert dataset.gallery.product_ids == ("corpus:1", "corpus:2", "corpus:3", "corpus:4")
    assert dataset.answers == {
        "query:1": ("corpus:2", "corpus:3"),
        "query:7": ("corpus:1", "corpus:2"),
    }
    assert "do not sort the documents into products" in dataset.protocol_note


def test_a_score_of_zero_is_no_positive(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    write_pairs(root / QRELS, [("7", "1", 1), ("7", "2", 0), ("1", "3", 0)])
    with pytest.raises(ProblemList, match=r"1 query has no positive .*#0000001'.*'query:1' is not"):
        opened(root, "hub_retrieval")
    dataset = opened(root, "hub_retrieval", open_set=True)
    assert dataset.gallery.product_ids == ("query:7", "corpus:2", "corpus:3", "corpus:4")


def test_queries_without_a_judgement_are_left_out_and_counted(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    write_pairs(root / QRELS, PAIRS[:2])
    dataset = opened(root, "hub_retrieval")
    assert dataset.queries.images == (f"{QUERIES}#0000002",)
    assert "1 query image without any judgement left out" in dataset.protocol_note
    assert "No counts are known" in dataset.protocol_note


def rewrite(root: Path, form: str) -> None:
    """Bring the set into another form in which such sets lie on disk."""
    moves = {
        "flat": {
            CORPUS: "corpus-00000-of-00001.parquet",
            QUERIES: "query-00000-of-00001.parquet",
            QRELS: "qrels-00000-of-00001.parquet",
        },
        "single files": {
            CORPUS: "corpus.parquet",
            QUERIES: "query.parquet",
            QRELS: "qrels.parquet",
        },
        "converted": {
            CORPUS: "corpus/corpus/0000.parquet",
            QUERIES: "query/test/0000.parquet",
            QRELS: "default/test/0000.parquet",
        },
        "own split": {CORPUS: "corpus/corpus-00000-of-00001.parquet"},
    }
    for old, new in moves[form].items():
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)


@pytest.mark.parametrize("form", ["flat", "single files", "converted", "own split"])
def test_forms_on_disk(tmp_path: Path, form: str) -> None:
    wanted = open_hub(write_hub_set(tmp_path))
    rewrite(tmp_path, form)
    dataset = open_hub(tmp_path)
    assert dataset.gallery.product_ids == wanted.gallery.product_ids
    assert dataset.queries.product_ids == wanted.queries.product_ids


def test_an_older_file_beside_the_shards_is_not_read(tmp_path: Path) -> None:
    rewrite(write_hub_set(tmp_path), "flat")
    write_images(tmp_path / "query.parquet", ["1", "7", "8"])
    assert len(open_hub(tmp_path).queries) == 2


def test_numbers_as_ids_shards_and_splits(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    (root / CORPUS).unlink()
    write_images(root / "corpus/test-00000-of-00002.parquet", [1, 2])
    write_images(root / "corpus/test-00001-of-00002.parquet", [3, 4], seed=2)
    write_images(root / "queries/train-00000-of-00001.parquet", ["9"], seed=70)
    write_pairs(root / QRELS, [(int(q), int(d), float(s)) for q, d, s in PAIRS])
    dataset = open_hub(root)
    assert dataset.gallery.images[2:] == tuple(
        f"corpus/test-00001-of-00002.parquet#000000{row}" for row in (1, 2)
    )
    assert dataset.gallery.product_ids == ("query:7", "query:7", "query:1", "corpus:4")
    with pytest.raises(DatasetError, match=r"splits test, train; expected some of split 'dev'"):
        open_hub(root, split="dev")
    (root / "corpus/test-00000-of-00002.parquet").unlink()
    with pytest.raises(DatasetError, match=r"test-\*-of-00002\.parquet: 1 files; without number 0"):
        open_hub(root)


def test_names_of_folders(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    (root / "corpus").rename(root / "en-corpus")
    with pytest.raises(DatasetError, match=r"no Parquet files of corpus; .*the option corpus"):
        open_hub(root)
    assert len(open_hub(root, corpus="en-corpus").gallery) == 4


def test_published_sets(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    with pytest.raises(DatasetError) as caught:
        opened(root, "hub_retrieval", options={"set": "mieb_sop"})
    assert caught.value.found == "4 documents, 2 queries, 3 relations"
    assert (
        caught.value.expected
        == "120,053 documents, 22,634 queries, 97,419 relations (as published)"
    )
    for name in SETS:
        dataset = open_hub(root, set=name)
        assert dataset.published == name
        assert dataset.official_metrics == ("recall@1",)
        assert dataset.protocol_note.startswith("Official")
    sop = open_hub(root, set="mieb_sop")
    assert "2,034" in sop.protocol_note
    assert "Do not compare" in sop.protocol_note


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"set": "mieb_shop"}, "set"),
        ({"folder": "x"}, "unknown option 'folder'"),
        ({"corpus": "/data/corpus"}, "corpus = '/data/corpus' .* is absolute"),
        ({"expected_counts": {"documents": "4"}}, "expected_counts.documents"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], found: str) -> None:
    with pytest.raises(SettingsError, match=found):
        validate_options(spec(tmp_path, "hub_retrieval", options=options))


def test_wrong_rows_are_named_together(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    write_images(
        root / CORPUS, ["1", "2", "2", None, " 4"], modality=pa.array(["image"] * 4 + ["text"])
    )
    write_images(root / QUERIES, ["1", "7"], text=pa.array(["", "in red"]))
    write_pairs(root / QRELS, [("7", "1", 1), ("8", "9", 0), ("7", "1", 0), ("7", "2", None)])
    with pytest.raises(ProblemList) as caught:
        open_hub(root)
    assert caught.value.problems == (
        f"{CORPUS} row 3: id '2' repeats {CORPUS} row 2",
        f"{CORPUS} row 4: id is empty",
        f"{CORPUS} row 5: id ' 4' begins or ends with white space",
        f"{CORPUS} row 5: modality 'text'; only images are read",
        f"{QUERIES} row 2: text 'in red'; only images are read",
        f"{QRELS} row 2: query-id '8' is not in queries",
        f"{QRELS} row 2: corpus-id '9' is not in corpus",
        f"{QRELS} row 4: score is no number",
        *(
            f"{QRELS} row {row}: the pair of query and document stands twice, with a score above 0 and "
            "with one that is not"
            for row in (1, 3)
        ),
    )


def test_many_wrong_rows_are_shortened(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    write_pairs(root / QRELS, [("7", f"x{i}", 1) for i in range(1000)])
    with pytest.raises(ProblemList) as caught:
        open_hub(root)
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "... and 980 more"


def test_other_columns_and_damage(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    write_table(root / QUERIES, id=["1", "7"], text=["a", "b"])
    with pytest.raises(DatasetError, match="expected also image; only sets whose queries"):
        open_hub(root)
    write_images(root / QUERIES, [1.0, 7.0])
    with pytest.raises(DatasetError, match=r"column 'id': type double; expected text or integers"):
        open_hub(root)
    (root / QUERIES).write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DatasetError, match=r"cannot be read as Parquet.*pointer of Git LFS"):
        open_hub(root)
    write_images(root / QUERIES, PHOTOS)
    write_table(root / QRELS, **{"query-id": ["1"], "corpus-id": ["3"]})
    with pytest.raises(DatasetError, match="expected also score"):
        open_hub(root)
    with pytest.raises(DatasetError, match="a file; expected the folder"):
        open_hub(root / CORPUS)


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    root = write_hub_set(tmp_path)
    images = pa.array([{"bytes": b"text", "path": ""}, None, None, None], IMAGE)
    write_table(root / CORPUS, id=list(DOCUMENTS), image=images)
    with pytest.raises(ProblemList) as caught:
        open_hub(root)
    assert "test-00000-of-00001.parquet#0000001': text that begins with 'text'" in str(caught.value)
    assert "row 2 holds no image bytes" in str(caught.value)
