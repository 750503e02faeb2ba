"""M-BEIR: a small set in its layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_builders import encoded, noise, opened, pixels, spec

from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError
from pytest_prodbench.protocol import Dataset

QUERY = "query/test/mbeir_nights_task4_test.jsonl"
POOL = "cand_pool/local/mbeir_nights_task4_cand_pool.jsonl"
UNION = "cand_pool/global/mbeir_union_test_cand_pool.jsonl"
QRELS = "qrels/test/mbeir_nights_task4_test_qrels.txt"
IMAGES = "mbeir_images/nights_images"
COUNTS = {"queries": 3, "candidates": 5, "relations": 4}


def query(number: int, **more: Any) -> dict[str, Any]:
    return {
        "qid": f"4:{number}",
        "query_txt": None,
        "query_img_path": f"{IMAGES}/ref/000/{number:03}.jpg",
        "query_modality": "image",
        "query_src_content": None,
        "pos_cand_list": [f"4:{number}"],
        "neg_cand_list": [],
        **more,
    }


def candidate(number: int, **more: Any) -> dict[str, Any]:
    return {
        "did": f"4:{number}",
        "txt": None,
        "img_path": f"{IMAGES}/distort/000/{number:03}_0.jpg",
        "modality": "image",
        "src_content": "{}",
        **more,
    }


TEXT = {"txt": "a red bolt", "img_path": None, "modality": "text"}


def write_lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_m_beir(root: Path) -> Path:
    """Query n is answered by candidate n + 1; query 3 by two. Equal numbers are other things."""
    queries, pool = [query(n) for n in (1, 2, 3)], [candidate(n) for n in (1, 2, 3, 4, 5)]
    write_lines(root / QUERY, queries)
    write_lines(root / POOL, pool)
    write_lines(
        root / UNION,
        [*pool, candidate(9, **TEXT), candidate(8, txt="a nut", modality="image,text")],
    )
    write_lines(
        root / QRELS,
        ["4:1 0 4:2 1 4", "4:2 0 4:3 1 4", "4:2 0 4:2 0 4", "4:3 0 4:4 1 4", "4:3 0 4:5 1 4"],
    )
    names = [row["query_img_path"] for row in queries] + [row["img_path"] for row in pool]
    for seed, name in enumerate([*names, candidate(8)["img_path"]]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(encoded(noise(seed), "JPEG"))
    return root


def open_m_beir(root: Path, **options: Any) -> Dataset:
    return opened(root, "m_beir", options={"expected_counts": COUNTS, **options})


def test_small_set(tmp_path: Path) -> None:
    dataset = open_m_beir(write_m_beir(tmp_path))
    assert dataset.queries.images == tuple(f"{IMAGES}/ref/000/00{n}.jpg" for n in (1, 2, 3))
    assert dataset.queries.product_ids == ("query:4:1", "query:4:2", "query:4:3")
    assert dataset.gallery.images[4] == f"{IMAGES}/distort/000/005_0.jpg"
    assert dataset.gallery.product_ids == tuple(f"candidate:4:{n}" for n in (1, 2, 3, 4, 5))
    assert dataset.answers == {
        "query:4:1": ("candidate:4:2",),
        "query:4:2": ("candidate:4:3",),
        "query:4:3": ("candidate:4:4", "candidate:4:5"),
    }
    assert dataset.official_metrics == ("recall@1", "recall@5", "recall@10")
    assert dataset.published == "m_beir"
    assert dataset.protocol_note.startswith("Official: task nights_task4, split test")
    assert "left out" not in dataset.protocol_note
    with dataset.open(dataset.gallery.images[0]) as file:
        assert np.array_equal(pixels(file.read()), pixels(encoded(noise(3), "JPEG")))


def test_what_is_no_image_is_left_out_and_counted(tmp_path: Path) -> None:
    root = write_m_beir(tmp_path)
    more = [query(4, query_txt="in blue"), query(5, query_img_path=None, query_modality="text")]
    write_lines(root / QUERY, [*(query(n) for n in (1, 2, 3)), *more])
    with (root / QRELS).open("a") as file:
        file.write("4:4 0 4:1 1 7\n4:5 0 4:1 1 0\n")
    dataset = open_m_beir(root, pool="global", expected_counts={**COUNTS, "candidates": 6})
    assert len(dataset.queries) == 3
    assert dataset.gallery.product_ids[-1] == "candidate:4:8"
    note = dataset.protocol_note
    assert "Queries with a text, or without an image, left out: 2." in note
    assert "Candidates without an image left out: 1, so that ranks are better" in note
    assert "Candidates with a text, seen by their image alone: 1." in note


def test_a_positive_without_image_would_falsify(tmp_path: Path) -> None:
    root = write_m_beir(tmp_path)
    write_lines(root / POOL, [*(candidate(n) for n in (1, 2, 3, 4)), candidate(5, **TEXT)])
    with pytest.raises(ProblemList) as caught:
        open_m_beir(root)
    assert caught.value.problems == (
        "mbeir_nights_task4_test_qrels.txt line 5: candidate '4:5' is a positive and has no image",
    )


def test_counts_are_the_published_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        opened(write_m_beir(tmp_path), "m_beir")
    assert caught.value.found == "3 queries, 5 candidates, 4 relations"
    assert (
        caught.value.expected == "2,120 queries, 40,038 candidates, 2,120 relations (as published)"
    )


def test_wrong_lines_are_named_together(tmp_path: Path) -> None:
    root = write_m_beir(tmp_path)
    write_lines(root / QUERY, [query(1), "", '{"qid": "4:2",', query(3), query(3)])
    write_lines(
        root / POOL,
        [
            *(candidate(n) for n in (1, 2, 3)),
            candidate(4, img_path="/data/a.jpg"),
            candidate(5, did=5),
            "[]",
        ],
    )
    write_lines(
        root / QRELS,
        ["4:1 0 4:2 1 4", "4:1 0 4:2 4", "4:7 0 4:2 1 4", "4:1 0 4:9 1 4", "4:1 0 4:1 1 3"],
    )
    with pytest.raises(ProblemList) as caught:
        open_m_beir(root)
    lines = [problem.split(": ", 1) for problem in caught.value.problems]
    query_file, pool_file, qrels = (Path(name).name for name in (QUERY, POOL, QRELS))
    assert [place for place, _ in lines] == [
        f"{query_file} line 3",
        f"{query_file} line 5",
        f"{pool_file} line 4",
        f"{pool_file} line 5",
        f"{pool_file} line 6",
        *(f"{qrels} line {n}" for n in (2, 3, 4, 5)),
    ]
    for (_, found), words in zip(
        lines,
        (
            "not JSON",
            "qid '4:3' stands twice",
            "is absolute",
            "did is 5, not a text",
            "not a JSON object",
            "'4:1 0 4:2 4' is not 'qid 0 did score task'",
            "query '4:7' is not in the file of queries",
            "candidate '4:9' is not in the pool",
            "query '4:1' is of the task 'image -> text', not image -> image",
        ),
        strict=True,
    ):
        assert words in found


def test_lines_that_are_not_utf_8(tmp_path: Path) -> None:
    root = write_m_beir(tmp_path)
    with (root / POOL).open("ab") as file:
        file.write(b"\xff\xfe\n")
    with pytest.raises(ProblemList, match=r"cand_pool\.jsonl line 6: not UTF-8"):
        open_m_beir(root)


def test_other_tasks(tmp_path: Path) -> None:
    root = write_m_beir(tmp_path)
    write_lines(root / QRELS, ["4:1 0 4:2 1 7"])
    with pytest.raises(
        DatasetError, match=r"the task 'image,text -> image'; expected 'image -> image'"
    ):
        open_m_beir(root)


def test_a_query_that_nobody_judged_is_an_error(tmp_path: Path) -> None:
    root = write_m_beir(tmp_path)
    write_lines(root / QRELS, ["4:1 0 4:2 1 4", "4:2 0 4:3 1 4"])
    with pytest.raises(ProblemList, match=r"1 query has no positive .*_test\.jsonl line 3"):
        open_m_beir(root, expected_counts={})


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"split": "val"}, "query/val/mbeir_nights_task4_val.jsonl"),
        ({"task": "cirr_task7"}, "query/test/mbeir_cirr_task7_test.jsonl"),
    ],
)
def test_missing_files(tmp_path: Path, options: dict[str, Any], missing: str) -> None:
    root = write_m_beir(tmp_path)
    with pytest.raises(DatasetError, match=f"no file {missing}; .*options task, split and pool"):
        open_m_beir(root, **options)
    (root / IMAGES / "ref/000/002.jpg").unlink()
    with pytest.raises(ProblemList, match=r"_test\.jsonl line 2 .*002\.jpg'\): no such file"):
        open_m_beir(root)


@pytest.mark.parametrize("options", [{"pool": "union"}, {"split": "train"}, {"task": 4}])
def test_wrong_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        validate_options(spec(tmp_path, "m_beir", options=options))
