"""INSTRE: shapes of ``gnd_instre.mat``, order of boxes, images of two objects; in small files of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_builders import noise, opened, spec
from scipy.io import savemat

from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError
from pytest_prodbench.protocol import Dataset

BOOK, PLANE, FISH, BOTH = (
    "INSTRE-S1/01a_canada_book",
    "INSTRE-S1/01b_plane",
    "INSTRE-S2/07_fish",
    "INSTRE-M/01",
)
QUERIES = (
    f"{BOOK}/013.jpg",
    f"{BOOK}/062.jpg",
    f"{PLANE}/001.jpg",
    f"{FISH}/001.jpg",
    f"{BOTH}/107.jpg",
)
GALLERY = (
    *(f"{BOOK}/001.jpg", f"{BOOK}/002.jpg", f"{PLANE}/002.jpg"),
    *(f"{BOTH}/001.jpg", f"{BOTH}/002.jpg", f"{FISH}/002.jpg", "INSTRE-S2/08_cup/001.jpg"),
)
# Counted from 1. The photos of both objects are positives of the book, of the plane and of their class.
POSITIVES = ([1, 2, 4, 5], [1, 2, 4, 5], [3, 4, 5], [6], [4, 5])
SIZE = (40, 30)
CORNERS = ((10, 5, 40, 30), (1, 1, 20, 20), (3, 2, 9, 30), (20, 20, 30, 30), (5, 5, 35, 28))
COUNTS = {"queries": 5, "gallery images": 7}


def cells(values: Sequence[Any]) -> Any:
    """A cell array; without this NumPy makes a matrix of values of equal length."""
    array = np.empty((1, len(values)), dtype=object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


def structs(
    positives: Sequence[Any] = POSITIVES,
    boxes: Sequence[Any] = CORNERS,
    names: tuple[str, str] = ("ok", "bbx"),
) -> Any:
    array = np.empty((1, len(positives)), dtype=[(name, object) for name in names])
    for i, (listed, box) in enumerate(zip(positives, boxes, strict=True)):
        array[0, i] = (np.array([listed], dtype=np.uint16), np.array([box], dtype=np.float64))
    return array


def write_instre(
    root: Path, *, images: str = ".", compressed: bool = False, **changed: Any
) -> Path:
    """The file of Iscen et al. beside the folders of INSTRE."""
    lists = {"qimlist": cells(QUERIES), "imlist": cells(GALLERY), "gnd": structs(), **changed}
    root.mkdir(parents=True, exist_ok=True)
    savemat(
        root / "gnd_instre.mat",
        {name: value for name, value in lists.items() if value is not None},
        do_compression=compressed,
    )
    for seed, name in enumerate((*QUERIES, *GALLERY)):
        path = root / images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(seed, *SIZE).save(path)
    return root


def instre(root: Path, **options: Any) -> Dataset:
    return opened(root, "instre", options={"expected_counts": COUNTS, **options})


def sized(corners: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    return [(x, y, right - x, bottom - y) for x, y, right, bottom in corners]


def test_products_are_the_lists_of_positives(tmp_path: Path) -> None:
    dataset = instre(write_instre(tmp_path))
    both = f"{BOOK}+{PLANE}+{BOTH}"
    assert dataset.queries.images == QUERIES
    assert dataset.queries.product_ids == (BOOK, BOOK, PLANE, FISH, BOTH)
    assert dataset.gallery.images == GALLERY
    # The cup is asked for by nobody: a distractor, a product of its own.
    assert dataset.gallery.product_ids == (BOOK, BOOK, PLANE, both, both, FISH, GALLERY[6])
    assert dataset.answers == {BOOK: (BOOK, both), PLANE: (PLANE, both), BOTH: (both,)}
    assert dataset.queries.conditions == {
        "subset": ("INSTRE-S1",) * 3 + ("INSTRE-S2", "INSTRE-M"),
    }
    assert dataset.gallery.conditions["subset"][3] == "INSTRE-M"
    assert dataset.gallery.boxes == (None,) * 7
    assert dataset.published == "instre"
    assert dataset.official_metrics == ("oxford_map",)
    assert dataset.protocol_note.startswith(
        "Official (lists and metric of Iscen et al. 2017): query = 5 "
    )
    assert "differ" not in dataset.protocol_note


def test_queries_of_one_folder_with_other_positives_are_products_of_their_own(
    tmp_path: Path,
) -> None:
    positives = ([1, 2, 4], [2, 1, 5, 2], [3, 4, 5], [6], [4, 5])
    dataset = instre(write_instre(tmp_path, gnd=structs(positives)))
    assert dataset.queries.product_ids == (BOOK, f"{BOOK}#2", PLANE, FISH, BOTH)
    answered = {
        product: {
            GALLERY.index(image) + 1
            for image, found in zip(GALLERY, dataset.gallery.product_ids, strict=True)
            if found in dataset.answers.get(product, (product,))
        }
        for product in dataset.queries.product_ids
    }
    assert answered == {
        name: set(listed)
        for name, listed in zip(dataset.queries.product_ids, positives, strict=True)
    }
    assert "Folders whose queries differ in their positives: 1;" in dataset.protocol_note
    assert "Positives that stood twice in one list: 1;" in dataset.protocol_note


@pytest.mark.parametrize("order", ["x1y1x2y2", "xywh"])
def test_the_order_of_a_box_is_told_by_the_images(tmp_path: Path, order: str) -> None:
    boxes = CORNERS if order == "x1y1x2y2" else sized(CORNERS)
    dataset = instre(write_instre(tmp_path, gnd=structs(boxes=boxes)))
    assert dataset.queries.boxes == tuple(sized(CORNERS))
    assert (
        f"cut to their box ({order}, as told by the sizes of the images)" in dataset.protocol_note
    )
    said = instre(tmp_path, box_order=order)
    assert said.queries.boxes == dataset.queries.boxes
    assert "option box_order" in said.protocol_note


def test_an_order_that_cannot_be_told_is_an_error_that_says_why(tmp_path: Path) -> None:
    either = [(1, 1, 15, 12)] * 5
    root = write_instre(tmp_path, gnd=structs(boxes=either))
    with pytest.raises(DatasetError) as caught:
        instre(root)
    assert caught.value.found == ("0 of 5 boxes cannot be x1y1x2y2, 0 of 5 boxes cannot be xywh")
    assert "state box_order" in caught.value.next_step
    assert instre(root, box_order="xywh").queries.boxes == ((1, 1, 15, 12),) * 5
    assert instre(root, query_box="whole").queries.boxes == (None,) * 5
    neither = [*either[:3], (20, 20, 10, 10), (30, 5, 35, 25)]
    write_instre(tmp_path, gnd=structs(boxes=neither))
    with pytest.raises(DatasetError) as caught:
        instre(root)
    assert caught.value.found == (
        f"1 of 5 boxes cannot be x1y1x2y2 (first: {QUERIES[3]}), "
        f"1 of 5 boxes cannot be xywh (first: {QUERIES[4]})"
    )
    with pytest.raises(ProblemList, match=r"qimlist row 4 .*holds no pixel"):
        instre(root, box_order="x1y1x2y2")
    with pytest.raises(ProblemList, match=r"qimlist row 5 .*reaches outside the upright image"):
        instre(root, box_order="xywh")


def test_a_pixel_outside_is_drawn_in(tmp_path: Path) -> None:
    boxes = [*CORNERS[:4], (-1, 0, 41, 31)]
    dataset = instre(write_instre(tmp_path, gnd=structs(boxes=boxes)))
    assert dataset.queries.boxes[4] == (0, 0, 40, 30)


def cell_of_structs() -> Any:
    return cells(
        [{"ok": listed, "bbx": box} for listed, box in zip(POSITIVES, CORNERS, strict=True)]
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"qimlist": cells(QUERIES).T, "imlist": cells(GALLERY).T, "gnd": structs().T},
        {"qimlist": cells([cells([name]) for name in QUERIES])},
        {"qimlist": np.array(QUERIES)},  # a matrix of characters, rows filled up with blanks
        {"gnd": cell_of_structs()},
        {"gnd": structs(names=("positives", "region"))},
        {"gnd": structs([np.array([listed]).T for listed in POSITIVES])},
        {"gnd": structs([np.array(listed, dtype=np.float64) for listed in POSITIVES])},
        {"compressed": True},
    ],
    ids=[
        "standing",
        "cells_in_cells",
        "characters",
        "cell_of_structs",
        "other_names",
        "standing_lists",
        "floats",
        "compressed",
    ],
)
def test_shapes_of_matlab(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert len(set(map(len, QUERIES))) > 1
    usual = instre(write_instre(tmp_path))
    assert instre(write_instre(tmp_path, **changed)) == usual


def test_images_may_lie_in_a_folder_of_their_own(tmp_path: Path) -> None:
    dataset = instre(write_instre(tmp_path, images="pictures"), images="pictures")
    assert dataset.root == tmp_path / "pictures"
    assert dataset.queries.images == QUERIES


def test_counts_are_the_published_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        opened(write_instre(tmp_path), "instre")
    assert caught.value.found == "5 queries, 7 gallery images"
    assert caught.value.expected == "1,250 queries, 27,293 gallery images (as published)"
    instre(tmp_path, expected_counts={"query folders": 4})


def test_damaged_entries_are_named_together(tmp_path: Path) -> None:
    gnd = structs(
        [[0, 1], [1.5], POSITIVES[2], [8], POSITIVES[4]], [*CORNERS[:2], (1, 2, 3), *CORNERS[3:]]
    )
    gnd[0, 1] = (np.array([[1.5]]), gnd[0, 1][1])
    gnd[0, 4] = (gnd[0, 4][0], "a box")
    names = [*GALLERY[:5], "/INSTRE-S2/07_fish/002.jpg", 7.5]
    root = write_instre(
        tmp_path, gnd=gnd, imlist=cells(names), qimlist=cells(("lone.jpg", *QUERIES[1:]))
    )
    with pytest.raises(ProblemList) as caught:
        instre(root)
    where = "gnd_instre.mat gnd row"
    assert caught.value.problems[0] == (
        "gnd_instre.mat qimlist row 1: path 'lone.jpg' has no folder, which names its object"
    )
    assert caught.value.problems[1].startswith("gnd_instre.mat imlist row 6: path '/INSTRE-S2")
    assert caught.value.problems[2:] == (
        "gnd_instre.mat imlist row 7: [7.5] is no text",
        f"{where} 1: positive 0, expected 1 … 7 (counted from 1) in imlist",
        f"{where} 2: its positives are not whole numbers, but [1.5]",
        f"{where} 3: its box is not four numbers, but [1.0, 2.0, 3.0]",
        f"{where} 4: positive 8, expected 1 … 7 (counted from 1) in imlist",
        f"{where} 5: its box is not four numbers, but ['a box']",
    )


def test_a_query_without_positives_is_an_error(tmp_path: Path) -> None:
    root = write_instre(tmp_path, gnd=structs([*POSITIVES[:3], [], POSITIVES[4]]))
    with pytest.raises(
        ProblemList, match=rf"qimlist row 4 .*product '{FISH}' is not in the gallery"
    ):
        instre(root)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"gnd": None}, "no gnd; expected a MATLAB 5 file with qimlist, imlist, gnd"),
        ({"gnd": structs()[:, :4]}, "5 queries in qimlist, 4 entries in gnd"),
        ({"gnd": cells([1, 2, 3, 4, 5])}, r"gnd row 1: \[1\.0\]; expected a struct"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, changed: dict[str, Any], found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        instre(write_instre(tmp_path, **changed))


@pytest.mark.parametrize("keep", [0, 100, 300, 1000])
def test_a_file_that_is_cut_off(tmp_path: Path, keep: int) -> None:
    path = write_instre(tmp_path) / "gnd_instre.mat"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DatasetError, match=r"no whole MATLAB file|no qimlist, imlist, gnd"):
        instre(tmp_path)


def test_damaged_bytes_give_the_same_dataset_or_a_clear_error(tmp_path: Path) -> None:
    whole = (write_instre(tmp_path) / "gnd_instre.mat").read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        data = np.frombuffer(whole, np.uint8).copy()
        data[random.integers(0, len(data), 3)] = random.integers(0, 256, 3)
        (tmp_path / "gnd_instre.mat").write_bytes(data.tobytes())
        try:
            opened(tmp_path, "instre", check=False, options={"expected_counts": COUNTS})
        except DatasetError:
            refused += 1
    assert refused


def test_missing_pieces(tmp_path: Path) -> None:
    root = write_instre(tmp_path)
    (root / QUERIES[1]).unlink()
    with pytest.raises(ProblemList, match=r"qimlist row 2 \(image .*062\.jpg'\): no such file"):
        instre(root)
    (root / "gnd_instre.mat").write_bytes(b"x" * 500)
    with pytest.raises(DatasetError, match="no whole MATLAB file"):
        instre(root)
    (root / "gnd_instre.mat").unlink()
    with pytest.raises(DatasetError, match=r"no file gnd_instre\.mat.*ftp://ftp\.irisa"):
        instre(root)


@pytest.mark.parametrize(
    "options", [{"box_order": "yxhw"}, {"query_box": "none"}, {"images": "/data"}]
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        validate_options(spec(tmp_path, "instre", options=options))
