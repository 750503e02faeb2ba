"""RP2K: names of folders are products, however an archive or a disk has written them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from dataset_builders import opened
from hypothesis import given, settings
from hypothesis import strategies as st
from release_builders import problems, refusal, write_rp2k

from pytest_prodbench.datasets.rp2k import product_of_folder

LAYOUT = "rp2k"
SAUCE, MILK = "东古酱油一品鲜", "牛奶 250ML（盒）"
COUNTS = {"train images": 4, "train products": 3, "test images": 2, "test products": 2}


def escaped(name: str) -> str:
    """What unzip makes of a name that it knows no encoding for."""

    def escape(character: str) -> str:
        code = ord(character)
        return character if code < 128 else f"#U{code:04x}" if code < 2**16 else f"#L{code:06x}"

    return "".join(map(escape, name))


def small(root: Path) -> Path:
    return write_rp2k(
        root,
        f"train/{escaped(SAUCE)}/1.jpg", f"train/{escaped(SAUCE)}/2.jpg", f"train/{MILK}/1.jpg",
        "train/雪碧/1.jpg", f"test/{SAUCE}/9.jpg", f"test/{escaped(MILK)}/9.jpg",
    )  # fmt: skip


def test_escaped_and_plain_names_are_one_product(tmp_path: Path) -> None:
    root = small(tmp_path)
    dataset = opened(root, LAYOUT, options={"expected_counts": COUNTS})
    assert opened(root / "all", LAYOUT) == dataset
    # Paths as they are on the disk, sorted by them; products as they were meant.
    assert dataset.queries.images == (f"test/{escaped(MILK)}/9.jpg", f"test/{SAUCE}/9.jpg")
    assert dataset.queries.product_ids == (MILK, SAUCE)
    assert dict(zip(dataset.gallery.images, dataset.gallery.product_ids, strict=True)) == {
        f"train/{escaped(SAUCE)}/1.jpg": SAUCE,
        f"train/{escaped(SAUCE)}/2.jpg": SAUCE,
        f"train/{MILK}/1.jpg": MILK,
        "train/雪碧/1.jpg": "雪碧",
    }
    assert dataset.protocol_note.startswith("Ours, not official")
    assert (dataset.official_metrics, dataset.published) == ((), "rp2k")


def test_composed_and_decomposed_names_are_one_product(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Nestlé 김치") for form in ("NFC", "NFD"))
    assert composed != decomposed
    write_rp2k(
        tmp_path,
        f"train/{composed}/1.jpg",
        f"test/{decomposed}/2.jpg",
        f"train/{escaped(decomposed)}/3.jpg",
    )
    dataset = opened(tmp_path, LAYOUT)
    assert dataset.queries.product_ids == (composed,)
    assert dataset.gallery.product_ids == (composed, composed)
    assert dataset.queries.images == (f"test/{decomposed}/2.jpg",)


def test_full_and_half_width_stay_two_products(tmp_path: Path) -> None:
    names = ("可乐(罐)", "可乐（罐）", "可乐１")
    write_rp2k(
        tmp_path, *(f"{split}/{name}/{split}.jpg" for split in ("train", "test") for name in names)
    )
    dataset = opened(tmp_path, LAYOUT)
    assert set(dataset.queries.product_ids) == set(names)


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("#U9999#U683c#U91cc#U62c9", "香格里拉"),
        ("#U683C", "格"),
        ("##U9999", "#香"),
        ("#U9999abc", "香abc"),
        ("7#L01f34b", "7🍋"),
        ("#U683", "#U683"),
        ("#U0041", "#U0041"),
        ("#U002f", "#U002f"),
        ("#Ud83c#Udf4b", "#Ud83c#Udf4b"),
        ("#L110000", "#L110000"),
        ("C#U", "C#U"),
    ],
)
def test_escapes(name: str, product: str) -> None:
    assert product_of_folder(name) == product


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="#"), max_size=8))
def test_every_name_comes_back_from_its_escapes(name: str) -> None:
    assert product_of_folder(escaped(name)) == product_of_folder(name)
    assert product_of_folder(name) == unicodedata.normalize("NFC", name)
    for form in ("NFC", "NFD"):
        again = unicodedata.normalize(form, name)
        assert product_of_folder(escaped(again)) == product_of_folder(name)


def test_empty_class_folders_and_other_files_are_counted(tmp_path: Path) -> None:
    root = small(tmp_path)
    for name in ("train/空", "test/空", "test/only-there"):
        (root / "all" / name).mkdir()
    (root / "all/train/雪碧/Thumbs.db").write_text("x")
    dataset = opened(root, LAYOUT, options={"expected_counts": COUNTS})
    assert len(dataset.gallery) == 4
    assert "3 class folders without an image." in dataset.protocol_note
    assert "1 file without a known image suffix ignored." in dataset.protocol_note


def test_a_class_that_is_not_in_train_must_be_declared(tmp_path: Path) -> None:
    root = write_rp2k(small(tmp_path), "test/新品/1.jpg")
    (root / "all/train/新品").mkdir()
    (found,) = problems(root, LAYOUT)
    assert found.startswith(
        "1 query has no positive in the gallery: image 'test/新品/1.jpg': product '新品'"
    )
    assert len(opened(root, LAYOUT, open_set=True).queries) == 3


def test_counts_that_differ_are_both_named(tmp_path: Path) -> None:
    error = refusal(small(tmp_path), LAYOUT, expected_counts=COUNTS | {"train products": 2388})
    assert error.found == "3 train products"
    assert error.expected == "2,388 train products (option expected_counts)"


def test_what_is_wrong_with_folders_comes_together(tmp_path: Path) -> None:
    root = write_rp2k(small(tmp_path), "train/loose.jpg", "train/ 雪碧/1.jpg")
    (root / "all/test" / os.fsdecode("牛奶".encode("gbk"))).mkdir()
    (root / "all/train/雪碧/2.jpg").touch()
    found = "\n".join(problems(root, LAYOUT, check=True))
    assert found.count("\n") == 3
    assert "'train/loose.jpg' is in no product folder" in found
    assert "product_id ' 雪碧' begins or ends with white space" in found
    assert "is not valid Unicode" in found
    assert "image 'train/雪碧/2.jpg': an empty file" in found


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    root = write_rp2k(tmp_path, "train/a/1.jpg", "tests/a/1.jpg")
    error = refusal(root, LAYOUT)
    assert error.where.endswith("all")
    assert error.found == "no folder 'test'"
    assert "the folder 'all' of RP2K" in error.expected
    assert error.next_step.startswith("did you mean 'tests'?")
