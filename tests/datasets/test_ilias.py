"""ILIAS: core, lists of distractors, tar shards, boxes, taxonomy; in small sets of its own layout."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from dataset_builders import encoded, noise, opened, pixels, spec, write_images

from pytest_prodbench.datasets import tar_members
from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError
from pytest_prodbench.protocol import Dataset

INSTANCES = {"bold_bimp_000": (1, 3), "zippy_zootlenibble_999": (2, 2)}
"""Instance → image queries and positives."""

COUNTS = {"image queries": 3, "positive images": 5, "instances": 2}
QUERIES = (
    "ilias_core/bold_bimp_000/query/Q000_00.jpg",
    "ilias_core/zippy_zootlenibble_999/query/Q999_00.jpg",
    "ilias_core/zippy_zootlenibble_999/query/Q999_01.jpg",
)
SHARDS = {"yfcc100m-000000.tar": ("0a1", "0b2", "0c3"), "yfcc100m-000001.tar": ("1d4", "1e5")}
MINI = ("1e5", "0c3", "0a1")
MINI_IDS = "image_ids/mini_ilias_yfcc100m_ids.txt"
ALL_IDS = "image_ids/distractor_ids.txt.gz"
QUERY_IDS = "image_ids/image_query_ids.txt"
POSITIVE_IDS = "image_ids/positive_ids.txt"
BOX = "ilias_core/bold_bimp_000/query/Q000_00_bbox.txt"


def write_ilias(root: Path) -> Path:
    """The folders of ``download/README.md``: ids, images, boxes, and a text query an instance."""
    ids: dict[str, list[str]] = {
        QUERY_IDS: [],
        POSITIVE_IDS: [],
        "image_ids/text_query_ids.txt": [],
    }
    images = []
    for instance, (queries, positives) in INSTANCES.items():
        number = instance[-3:]
        text = f"{instance}/query/T{number}.txt"
        asked = [f"{instance}/query/Q{number}_{i:02}.jpg" for i in range(queries)]
        found = [f"{instance}/pos/P{number}_{i:02}.jpg" for i in range(positives)]
        # What the second field of a query is, nobody says; the authors' reader needs one.
        ids[QUERY_IDS] += [f"{image},captured" for image in asked]
        ids[POSITIVE_IDS] += [f"{image},0.0688,{17 + i}" for i, image in enumerate(found)]
        ids["image_ids/text_query_ids.txt"].append(text)
        images += [f"ilias_core/{image}" for image in (*asked, *found)]
        write(root, f"ilias_core/{text}", "A plush toy with one horn.")
    write_images(root, *images)
    for image in images:
        write(root, image.removesuffix(".jpg") + "_bbox.txt", "1 1 4 3\n")
    for name, lines in ids.items():
        write(root, name, "\n".join(lines) + "\n")
    return root


def write_distractors(root: Path, *, how: str = "tars") -> Path:
    """Shards of YFCC100M as tars, as folders with or without ``.tar``, or all images side by side."""
    folder = root / "yfcc100m"
    folder.mkdir()
    for number, (shard, keys) in enumerate(SHARDS.items()):
        files = {
            f"{key}.jpg": encoded(noise(1000 * number + i), "JPEG") for i, key in enumerate(keys)
        }
        if how == "tars":
            with tarfile.open(folder / shard, "w") as tar:
                for name, data in {**files, "0a1.json": b"{}"}.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
            continue
        place = {"folders": folder / shard, "stems": folder / shard[:-4], "flat": folder}[how]
        place.mkdir(exist_ok=True)
        for name, data in files.items():
            (place / name).write_bytes(data)
    with gzip.open(root / ALL_IDS, "wt") as file:
        file.writelines(f"{shard}/{key}\n" for shard, keys in SHARDS.items() for key in keys)
    write(root, MINI_IDS, "\n".join(MINI) + "\n")
    return root


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def ilias(root: Path, *, check: bool = True, **options: Any) -> Dataset:
    return opened(root, "ilias", check=check, options={"expected_counts": COUNTS, **options})


def problems(root: Path, **options: Any) -> tuple[str, ...]:
    with pytest.raises(ProblemList) as caught:
        ilias(root, **options)
    return caught.value.problems


def test_core(tmp_path: Path) -> None:
    dataset = ilias(write_ilias(tmp_path))
    assert dataset.queries.images == QUERIES
    assert dataset.queries.product_ids == ("bold_bimp_000", *("zippy_zootlenibble_999",) * 2)
    assert dataset.gallery.images[2:4] == (
        "ilias_core/bold_bimp_000/pos/P000_02.jpg",
        "ilias_core/zippy_zootlenibble_999/pos/P999_00.jpg",
    )
    assert dataset.gallery.product_ids == (
        *("bold_bimp_000",) * 3,
        *("zippy_zootlenibble_999",) * 2,
    )
    assert dataset.queries.boxes == (None,) * 3
    assert dataset.queries.conditions == {}
    assert (dataset.files, dataset.answers) == (None, {})
    assert (dataset.official_metrics, dataset.published) == (("map@1000",), "ilias")
    assert dataset.protocol_note.startswith(
        "Ours, not official: query = 3 image queries, gallery = 5 "
    )
    assert "without any it is far easier" in dataset.protocol_note
    assert "Text queries are ignored" in dataset.protocol_note
    assert "Scale and clutter describe positives" in dataset.protocol_note


@pytest.mark.parametrize("how", ["tars", "folders", "stems", "flat"])
def test_mini(tmp_path: Path, how: str) -> None:
    root = write_distractors(write_ilias(tmp_path), how=how)
    dataset = ilias(root, part="mini", expected_counts={**COUNTS, "distractors": 3})
    prefix = {
        "tars": ["yfcc100m-000000.tar/", "yfcc100m-000001.tar/"],
        "folders": ["yfcc100m-000000.tar/", "yfcc100m-000001.tar/"],
        "stems": ["yfcc100m-000000/", "yfcc100m-000001/"],
        "flat": ["", ""],
    }[how]
    names = tuple(
        f"yfcc100m/{prefix[shard]}{key}.jpg" for shard, key in ((0, "0a1"), (0, "0c3"), (1, "1e5"))
    )
    assert dataset.gallery.images[5:] == names
    assert dataset.gallery.product_ids[5:] == names  # each a product of its own
    assert (dataset.files is not None) == (how == "tars")
    assert dataset.protocol_note.startswith(
        "Official (mini ILIAS): query = 3 image queries, gallery"
    )
    assert f"3 distractors ({MINI_IDS})" in dataset.protocol_note
    with dataset.open(names[1]) as file:
        assert (pixels(file.read()) == pixels(encoded(noise(2), "JPEG"))).all()
    with dataset.open(QUERIES[0]) as file:
        assert file.read() == (root / QUERIES[0]).read_bytes()


@pytest.mark.parametrize("kept", [1, 4])
def test_full_reads_every_distractor_from_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(tar_members, "KEPT", kept)
    dataset = ilias(write_distractors(write_ilias(tmp_path)), part="full")
    assert dataset.protocol_note.startswith("Official (full ILIAS)")
    names = dataset.gallery.images[5:] * 20
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda name: dataset.open(name).read(), names))
    assert len(set(found)) == 5
    assert found[:5] * 20 == found


def test_a_list_of_ones_own_is_not_official(tmp_path: Path) -> None:
    root = write_distractors(write_ilias(tmp_path))
    write(root, "mine.txt", "yfcc100m-000001.tar/1d4\n\n0b2\n")
    dataset = ilias(root, distractor_list="mine.txt")
    assert dataset.gallery.images[5:] == (
        "yfcc100m/yfcc100m-000000.tar/0b2.jpg",
        "yfcc100m/yfcc100m-000001.tar/1d4.jpg",
    )
    assert dataset.protocol_note.startswith("Ours, not official")
    assert "2 distractors (mine.txt)" in dataset.protocol_note
    with pytest.raises(SettingsError, match="replaces the published list of part 'mini'"):
        validate_options(
            spec(root, "ilias", options={"part": "mini", "distractor_list": "mine.txt"})
        )


def test_a_query_of_several_boxes_is_cut_to_the_smallest_box_around_them(tmp_path: Path) -> None:
    root = write_ilias(tmp_path)
    write(root, BOX, "-1 2 3 3\n5 1 2 2\n")
    dataset = ilias(root, query_box="union")
    assert dataset.queries.boxes == ((0, 1, 7, 4), (1, 1, 4, 3), (1, 1, 4, 3))
    assert set(dataset.gallery.boxes) == {None}
    assert "which is not the published default" in dataset.protocol_note
    write(root, BOX, "1 1 8 3\n")
    assert "reaches outside the upright image of 8 x 6" in problems(root, query_box="union")[0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1 1 2 2\n1 1 4\n", f"{BOX} line 2: '1 1 4' is not 'x y width height'"),
        ("1 1 0 2\n", f"{BOX} line 1: box '1 1 0 2' (x y width height) holds no pixel"),
        ("\n", f"{BOX}: no box, expected a line 'x y width height' for each appearance"),
        (None, f"{BOX}: no such file, but query_box = 'union' needs the box of each query"),
    ],
)
def test_damaged_boxes(tmp_path: Path, text: str | None, found: str) -> None:
    root = write_ilias(tmp_path)
    (root / BOX).unlink()
    if text is not None:
        write(root, BOX, text)
    assert problems(root, query_box="union") == (found,)
    ilias(root)


def test_taxonomy(tmp_path: Path) -> None:
    root = write_ilias(tmp_path)
    write(root, "taxonomy.json", json.dumps({"toy": {"stuffed": {"bear": ["bold_bimp_000"]}}}))
    dataset = ilias(root, taxonomy="taxonomy.json")
    assert dataset.queries.families == ("toy/stuffed", "", "")
    assert dataset.queries.conditions == {"category": ("toy", "", "")}
    for text, found in (
        ("{", r"taxonomy\.json line 1: no JSON"),
        ('{"toy": ["bear"]}', "expected categories of subcategories"),
        ("[]", "expected categories of subcategories"),
    ):
        write(root, "taxonomy.json", text)
        with pytest.raises(DatasetError, match=found):
            ilias(root, taxonomy="taxonomy.json")
    with pytest.raises(DatasetError, match=r"option taxonomy: no such file"):
        ilias(root, taxonomy="misc/taxonomy.json")


def test_counts_are_the_published_ones(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        ilias(write_ilias(tmp_path), expected_counts=None)
    assert caught.value.found == "3 image queries, 5 positive images, 2 instances"
    assert caught.value.expected == (
        "1,232 image queries, 4,715 positive images, 1,000 instances (as published)"
    )


def test_damaged_lines_are_named_together(tmp_path: Path) -> None:
    root = write_ilias(tmp_path)
    write(root, QUERY_IDS, "bold_bimp_000/query/Q000_00.jpg,x\nbold_bimp_000/Q000_00.jpg,x\n")
    write(
        root,
        POSITIVE_IDS,
        "bold_bimp_000/pos/P000_00.jpg,0.1,3\nbold_bimp_000/pos/P000_01.jpg,0.1\n"
        "bold_bimp_000/query/Q000_00.jpg,0.1,3\nbold_bimp_000/pos/P000_02.jpg,0.1,many\n",
    )
    assert problems(root) == (
        f"{QUERY_IDS} line 2: id 'bold_bimp_000/Q000_00.jpg' is not '<instance>/query/<name>.jpg'",
        f"{POSITIVE_IDS} line 2: 'bold_bimp_000/pos/P000_01.jpg,0.1' is not 'id,scale,clutter' with a "
        "number and a whole number",
        f"{POSITIVE_IDS} line 3: id 'bold_bimp_000/query/Q000_00.jpg' is not '<instance>/pos/<name>.jpg'",
        f"{POSITIVE_IDS} line 4: 'bold_bimp_000/pos/P000_02.jpg,0.1,many' is not 'id,scale,clutter' with "
        "a number and a whole number",
    )


def test_missing_pieces(tmp_path: Path) -> None:
    root = write_ilias(tmp_path)
    with pytest.raises(DatasetError, match=f"no file {MINI_IDS}.*fetch https://vrg"):
        ilias(root, part="mini")
    write(root, MINI_IDS, "0a1\n")
    with pytest.raises(DatasetError, match=r"no folder yfcc100m.*option distractors"):
        ilias(root, part="mini")
    (root / "yfcc100m/yfcc100m-000000").mkdir(parents=True)
    with pytest.raises(DatasetError, match=f"no file {ALL_IDS}.*in which shard"):
        ilias(root, part="mini")
    (root / QUERIES[1]).unlink()
    [problem] = problems(root)
    assert problem.startswith(f"{QUERY_IDS} line 2 (image '{QUERIES[1]}'): no such file")
    (root / POSITIVE_IDS).unlink()
    with pytest.raises(DatasetError, match=f"no file {POSITIVE_IDS}.*download_ids"):
        ilias(root)


def test_damaged_lists_of_distractors(tmp_path: Path) -> None:
    root = write_distractors(write_ilias(tmp_path))
    write(root, MINI_IDS, "0a1\na/b/c\nzzz\n0a1\n/0a1\n")
    assert problems(root, part="mini") == (
        f"{MINI_IDS} line 2: 'a/b/c' is not '<shard>/<key>' or '<key>'",
        f"{MINI_IDS} line 5: path '/0a1' is absolute: it is true on one machine only, and evidence would "
        "carry it; write it relative to the folder of the images",
        f"{MINI_IDS} line 4: repeats line 1; keep one",
        f"{MINI_IDS} line 3: distractor 'zzz' is not in {ALL_IDS}",
    )
    (root / "yfcc100m/yfcc100m-000001.tar").unlink()
    assert problems(root, part="full") == (
        f"yfcc100m: no shard yfcc100m-000001.tar, of which {ALL_IDS} names 2 distractors",
    )
    whole = (root / ALL_IDS).read_bytes()
    (root / ALL_IDS).write_bytes(whole[:-9])
    with pytest.raises(DatasetError, match=r"distractor_ids\.txt\.gz: cannot be read after line"):
        ilias(root, part="full")
    (root / MINI_IDS).write_bytes(b"0a1\n\xff\n")
    with pytest.raises(DatasetError, match=r"ids\.txt line 2: bytes that are not UTF-8"):
        ilias(root, part="mini")


def test_damaged_shards_are_named_with_the_image(tmp_path: Path) -> None:
    root = write_distractors(write_ilias(tmp_path))
    shard = root / "yfcc100m/yfcc100m-000000.tar"
    write(root, "mine.txt", "yfcc100m-000000.tar/0a1\nyfcc100m-000000.tar/nowhere\n")
    [problem] = problems(root, distractor_list="mine.txt")
    assert problem.startswith("image 'yfcc100m/yfcc100m-000000.tar/nowhere.jpg': no such file")
    write(root, "mine.txt", "yfcc100m-000000.tar/0a1\n")
    dataset = ilias(root, distractor_list="mine.txt")
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(OSError, match="ends in the middle of the member"):
        dataset.open(dataset.gallery.images[-1])
    assert "no whole tar file" in problems(root, distractor_list="mine.txt")[0]
    shard.write_bytes(b"no tar at all" * 100)
    dataset = ilias(root, distractor_list="mine.txt", check=False)
    with pytest.raises(OSError, match="no whole tar file"):
        dataset.open(dataset.gallery.images[-1])


@pytest.mark.parametrize(
    "options",
    [
        {"part": "big"},
        {"distractors": ""},
        {"distractor_list": "/a"},
        {"expected_counts": {"a": "1"}},
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        validate_options(spec(tmp_path, "ilias", options=options))
