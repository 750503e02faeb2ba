"""Stanford Online Products and Retail-786k: one list, whose images query each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dataset_builders import opened, spec
from PIL import Image
from release_builders import (
    RETAIL,
    STANFORD,
    edit,
    problems,
    refusal,
    write_lines,
    write_online_products,
)

from pytest_prodbench import evaluate
from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.types import RunSettings

LAYOUT = "online_products"
SMALL = {"expected_counts": {"test images": 6, "test products": 3}}
ENTITIES = {"set": "retail_786k", "expected_counts": {"test images": 4, "test entities": 2}}
RETAIL_LIST = "retail-786k_256_info_all_test.txt"


@pytest.fixture
def stanford(tmp_path: Path) -> Path:
    return write_online_products(tmp_path, "Ebay_test.txt", STANFORD)


def test_each_test_image_queries_all_the_others(stanford: Path) -> None:
    dataset = opened(stanford, LAYOUT, options=SMALL)
    assert dataset.queries == dataset.gallery
    assert dataset.queries.images == tuple(row.split()[3] for row in STANFORD)
    assert dataset.queries.product_ids == ("1", "1", "2", "2", "3", "3")
    assert dataset.queries.families == ("1", "1", "1", "1", "2", "2")
    assert set(dataset.queries.groups) == {""}
    assert set(dataset.queries.boxes) == {None}
    assert dataset.official_metrics == ("recall@1", "recall@10", "recall@100", "recall@1000")
    assert dataset.published == "stanford_online_products"
    assert dataset.protocol_note.startswith("Official: each test image queries all other test")
    with dataset.open(dataset.queries.images[5]) as file:
        assert file.read(2) == b"\xff\xd8"


def test_no_image_is_its_own_answer(
    stanford: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two pairs of like colours and one of unlike ones: the image itself would answer all six."""
    colours = ("#fa0a0a", "#f01414", "#0afa0a", "#14f014", "#0a0afa", "#f0f00a")
    for row, colour in zip(STANFORD, colours, strict=True):
        Image.new("RGB", (8, 6), colour).save(stanford / row.split()[3])
    found = evaluate(
        "baseline:pixels",
        stanford,
        layout=LAYOUT,
        layout_options=SMALL,
        settings=RunSettings(
            cache_dir=tmp_path_factory.mktemp("cache"), threads=1, device="cpu", resamples=100
        ),
        project=stanford,
    )
    # Yellow is nearer to red and green than to blue: four images of other products go first.
    assert found.ranks.tolist() == [1, 1, 1, 1, 5, 5]
    assert found.metrics["recall@1"].value == pytest.approx(4 / 6)


def test_a_product_with_one_image_cannot_find_itself(stanford: Path) -> None:
    edit(stanford / "Ebay_test.txt", "\n6 3 2", "\n6 4 2")
    options = {"expected_counts": {"test images": 6, "test products": 4}}
    (found,) = problems(stanford, LAYOUT, **options)
    assert found.startswith(
        "2 queries have no positive in the gallery: Ebay_test.txt line 6 (image "
    )
    assert "product '3' is there only as the query's own file" in found
    assert opened(stanford, LAYOUT, options=options, open_set=True).open_set


def test_the_train_split_is_ours(tmp_path: Path) -> None:
    write_online_products(tmp_path, "Ebay_train.txt", STANFORD[:4])
    counts = {"train images": 4, "train products": 2}
    dataset = opened(tmp_path, LAYOUT, options={"split": "train", "expected_counts": counts})
    assert len(dataset.queries) == 4
    assert dataset.protocol_note.startswith("Ours, not official: each train image")
    assert (dataset.official_metrics, dataset.published) == ((), "")


def test_an_entity_of_retail_786k_is_its_super_class_and_folder(tmp_path: Path) -> None:
    # As released: lines end with CR LF, the last one does not end; ids begin at 0.
    write_online_products(tmp_path, RETAIL_LIST, RETAIL, end="\r\n")
    path = tmp_path / RETAIL_LIST
    path.write_bytes(path.read_bytes().rstrip())
    dataset = opened(tmp_path, LAYOUT, options=ENTITIES)
    assert dataset.gallery.product_ids == ("0", "0", "7", "7")
    assert dataset.gallery.families == ("",) * 4
    assert dataset.gallery.images[3] == "test/7/122.jpg"
    assert dataset.protocol_note.startswith("Ours, not official")
    assert "not a SKU" in dataset.protocol_note
    assert (dataset.official_metrics, dataset.published) == ((), "retail_786k")


@pytest.mark.parametrize(
    ("name", "rows", "options", "found", "expected"),
    [
        ("Ebay_test.txt", STANFORD, {}, "6 test images, 3 test products",
         "60,502 test images, 11,316 test products (as published)"),
        ("Ebay_train.txt", STANFORD, {"split": "train"}, "6 train images, 3 train products",
         "59,551 train images, 11,318 train products (as published)"),
        (RETAIL_LIST, RETAIL, {"set": "retail_786k"}, "4 test images, 2 test entities",
         "37,464 test images, 3,298 test entities (as published)"),
        ("retail-786k_256_info_all_train.txt", RETAIL, {"set": "retail_786k", "split": "train"},
         "4 train images", "748,715 train images (as published)"),
        ("Ebay_test.txt", STANFORD, {"expected_counts": {"test images": 7}}, "6 test images",
         "7 test images (option expected_counts)"),
    ],
)  # fmt: skip
def test_counts_that_differ_are_both_named(
    tmp_path: Path, name: str, rows: Any, options: dict[str, Any], found: str, expected: str
) -> None:
    error = refusal(write_online_products(tmp_path, name, rows), LAYOUT, **options)
    assert (error.found, error.expected) == (found, expected)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("3 2 1 bicycle", "3 2 bicycle", "line 4: '3 2 bicycle_final/111265328556_0.JPG' is not three"),
        ("3 2 1 bicycle", "3 2x 1 bicycle", "line 4: '3 2x 1 bicycle_final/111265328556_0.JPG' is not"),
        ("3 2 1 bicycle", "3 2 1 /bicycle", "line 4: path '/bicycle_final/111265328556_0.JPG' is absolute"),
        ("265328556_0", "265328556_1", "line 5: image 'bicycle_final/111265328556_1.JPG' stands already in"),
    ],
)  # fmt: skip
def test_damaged_lines_are_named(stanford: Path, old: str, new: str, message: str) -> None:
    edit(stanford / "Ebay_test.txt", old, new)
    edit(stanford / "Ebay_test.txt", "6 3 2", "6 3")
    found = problems(stanford, LAYOUT)
    assert len(found) == 2
    assert found[0].startswith(f"Ebay_test.txt {message}")
    assert found[1].startswith("Ebay_test.txt line 7: '6 3 cabinet_final/")


def test_wrong_lines_and_missing_images_come_together(stanford: Path) -> None:
    edit(stanford / "Ebay_test.txt", "6 3 2", "6 3")
    (stanford / "bicycle_final/111085122871_0.JPG").unlink()
    lines, missing = problems(stanford, LAYOUT, check=True)
    assert lines.startswith("Ebay_test.txt line 7:")
    assert missing.startswith(
        "Ebay_test.txt line 2 (image 'bicycle_final/111085122871_0.JPG') (in 2 rows): no such"
    )


def test_white_space_and_byte_order_mark_do_not_matter(stanford: Path) -> None:
    path = stanford / "Ebay_test.txt"
    plain = opened(stanford, LAYOUT, options=SMALL)
    text = path.read_text().replace("5 3 2 ", "5\t3  2   ").replace("\n", " \r\n") + "\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert opened(stanford, LAYOUT, options=SMALL) == plain


def test_only_a_line_feed_ends_a_line(tmp_path: Path) -> None:
    rows = ("1 1 1 a_final/x\u2028 y.JPG", "2 1 1 a_final/z\x85.JPG")
    write_online_products(tmp_path, "Ebay_test.txt", rows)
    counts = {"test images": 2, "test products": 1}
    dataset = opened(tmp_path, LAYOUT, options={"expected_counts": counts})
    assert dataset.queries.images == ("a_final/x\u2028 y.JPG", "a_final/z\x85.JPG")


def test_a_missing_list_and_another_header(stanford: Path) -> None:
    error = refusal(stanford, LAYOUT, split="train")
    assert error.found == "no file Ebay_train.txt"
    assert "the folder of Stanford Online Products" in error.expected
    error = refusal(stanford, LAYOUT, set="retail_786k")
    assert error.found == f"no file {RETAIL_LIST}"
    edit(stanford / "Ebay_test.txt", "super_class_id path", "path super_class_id")
    error = refusal(stanford, LAYOUT)
    assert error.where.endswith("Ebay_test.txt line 1")
    assert "'image_id class_id super_class_id path'" in error.expected
    write_lines(stanford / "Ebay_test.txt")
    assert refusal(stanford, LAYOUT).found == "an empty file"


@pytest.mark.parametrize(
    "options",
    [
        {"split": "val"},
        {"set": "sop"},
        {"expected_counts": {}},
        {"expected_counts": {"a": "1"}},
        {"sett": 1},
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        validate_options(spec(tmp_path, LAYOUT, options=options))


def test_unknown_counts_are_refused_with_the_known_ones(stanford: Path) -> None:
    error = refusal(stanford, LAYOUT, expected_counts={"test image": 6})
    assert "'test image', which is not counted" in error.found
    assert "did you mean 'test images'?" in error.next_step
