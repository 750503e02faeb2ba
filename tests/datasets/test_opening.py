"""What every layout's tables must hold, and how the problems are told."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from dataset_builders import (
    MAX_PIXELS,
    Row,
    opened,
    png_that_claims,
    row,
    spec,
    write_csv,
    write_images,
)

from pytest_prodbench.datasets.checks import queries_without_positive
from pytest_prodbench.datasets.layout import Tables
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.errors import ProblemList
from pytest_prodbench.protocol import ImageTable


def problems(tmp_path: Path, rows: list[Row], *, check: bool = False) -> tuple[str, ...]:
    with pytest.raises(ProblemList) as caught:
        opened(write_csv(tmp_path / "m.csv", rows), check=check)
    return caught.value.problems


def test_empty_roles(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,product_id,role\n")
    with pytest.raises(ProblemList) as caught:
        opened(path)
    assert caught.value.problems == ("there is no query", "there is no gallery image")
    assert problems(tmp_path, [row("a", "1", "gallery")]) == ("there is no query",)
    assert problems(tmp_path, [row("a", "1", "query")]) == ("there is no gallery image",)


def test_query_without_positive_is_named(tmp_path: Path) -> None:
    rows = [row("g", "7", "gallery"), row("a", "7", "query"), row("b", "007", "query")]
    (problem,) = problems(tmp_path, rows)
    assert problem.startswith("1 query has no positive in the gallery: m.csv line 4 (image 'b')")
    assert "product '007' is not in the gallery" in problem
    assert "open_set = true" in problem
    dataset = opened(tmp_path / "m.csv", check=False, open_set=True)
    assert dataset.open_set
    assert len(dataset.queries) == 2


def test_positives_are_counted_by_what_answers_a_product() -> None:
    def table(products: list[str], images: list[str], groups: list[str]) -> ImageTable:
        boxes = (None,) * len(products)
        return ImageTable(
            tuple(images), tuple(products), ("",) * len(products), tuple(groups), boxes
        )

    gallery = table(["a", "b", "c"], ["g0", "g1", "q1"], ["", "shelf", ""])
    queries = table(["x", "b", "c", "y"], ["q0", "q1", "q1", "q3"], ["", "", "", "shelf"])
    tables = Tables(
        Path(), queries, gallery, answers={"x": ("a", "z"), "b": ("a", "b"), "y": ("b",)}
    )
    (problem,) = queries_without_positive(tables)
    assert problem.startswith("2 queries have no positive")
    # Its own file, and an image of its own group: present, and must not meet.
    assert "image 'q1': product 'c' is there only as the query's own file" in problem
    assert "image 'q3': product 'y' is there only as the query's own file" in problem
    assert "q0" not in problem


def test_many_queries_without_positive_are_counted(tmp_path: Path) -> None:
    rows = [row("g", "x", "gallery"), *(row(f"{i}.png", str(i), "query") for i in range(1234))]
    (problem,) = problems(tmp_path, rows)
    assert problem.startswith("1,234 queries have no positive")
    assert "line 22 " in problem
    assert "line 23 " not in problem
    assert "... and 1,214 more" in problem


@pytest.mark.parametrize(
    ("gallery", "open_"),
    [
        ([row("q", "1", "gallery")], False),
        ([row("g", "1", "gallery", group="box 1")], False),
        ([row("q", "1", "gallery", group="box 1"), row("g", "1", "gallery", group="box 1")], False),
        ([row("q", "1", "gallery"), row("g", "1", "gallery", group="box 1")], False),
        ([row("q", "1", "gallery", group="box 1"), row("g", "1", "gallery", group="box 2")], True),
        ([row("q", "1", "gallery", bbox="0 0 1 1"), row("q", "1", "gallery")], False),
        ([row("g", "1", "gallery")], True),
    ],
)
def test_own_file_and_own_group_are_no_positives(
    tmp_path: Path, gallery: list[Row], open_: bool
) -> None:
    rows = [row("q", "1", "query", group="box 1"), *gallery]
    if open_:
        assert len(opened(write_csv(tmp_path / "m.csv", rows), check=False).queries) == 1
    else:
        (problem,) = problems(tmp_path, rows)
        assert "there only as the query's own file or exclusion group" in problem


def test_no_group_is_no_group(tmp_path: Path) -> None:
    rows = [row("q", "1", "query", group=""), row("g", "1", "gallery", group="")]
    assert opened(write_csv(tmp_path / "m.csv", rows), check=False)


def test_duplicate_row_names_both_lines(tmp_path: Path) -> None:
    rows = [row("g", "1", "gallery"), row("a", "1", "query"), row("./a", "1", "query")]
    (problem,) = problems(tmp_path, rows)
    assert "m.csv line 4 (image 'a') repeats m.csv line 3 (image 'a')" in problem


def test_one_image_cannot_be_two_products(tmp_path: Path) -> None:
    rows = [row("g", "1", "gallery"), row("g", "2", "gallery"), row("a", "1", "query")]
    (problem,) = problems(tmp_path, rows)
    assert "m.csv line 3 (image 'g') is gallery image of product '2'" in problem
    assert "m.csv line 2 (image 'g') says '1'" in problem


def test_one_image_with_two_boxes_or_in_two_roles_is_fine(tmp_path: Path) -> None:
    rows = [
        row("g", "1", "gallery", bbox="0 0 1 1"),
        row("g", "2", "gallery", bbox="1 0 1 1"),
        row("h", "2", "gallery"),
        row("h", "1", "query"),
    ]
    assert len(opened(write_csv(tmp_path / "m.csv", rows), check=False).gallery) == 3


def test_every_problem_is_in_one_error(tmp_path: Path) -> None:
    write_images(tmp_path, "good.png", "query.png")
    (tmp_path / "text.jpg").write_text("not an image at all")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "bomb.png").write_bytes(png_that_claims(20_000, 10_000))
    rows = [
        row("good.png", "1", "gallery"),
        row("query.png", "1", "query", bbox="5 5 4 4"),
        row("gone.png", "1", "query", bbox="1 1 2 2"),
        row("gone.png", "1", "query"),
        row("text.jpg", "1", "query"),
        row("empty.jpg", "1", "query"),
        row("bomb.png", "1", "query"),
        row("good.png", "1", "quary"),
    ]
    found = "\n".join(problems(tmp_path, rows, check=True))
    assert found.count("\n") == 5
    assert (
        "m.csv line 3 (image 'query.png'): box 5 5 4 4 (x y width height) reaches outside" in found
    )
    assert "m.csv line 4 (image 'gone.png') (in 2 rows): no such file" in found
    assert "m.csv line 6 (image 'text.jpg'): text that begins with 'not an image" in found
    assert "m.csv line 7 (image 'empty.jpg'): an empty file" in found
    assert "m.csv line 8 (image 'bomb.png'): 20000 x 10000 = 200,000,000 pixels" in found
    assert "m.csv line 9: role 'quary'" in found
    # What cannot be known before the rows are mended is not claimed.
    assert "no positive" not in found


def test_box_is_held_against_the_upright_image(tmp_path: Path) -> None:
    from dataset_builders import noise
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    noise(1, 8, 6).save(tmp_path / "a.png", exif=exif)
    rows = [row("a.png", "1", "gallery"), row("b.png", "1", "query", bbox="0 0 6 8")]
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    path = write_csv(tmp_path / "m.csv", rows)
    assert opened(path).queries.boxes == ((0.0, 0.0, 6.0, 8.0),)


def test_long_lists_are_cut_in_the_message_only(tmp_path: Path) -> None:
    rows = [row(f"{i}", "1", "typo") for i in range(300)]
    with pytest.raises(ProblemList) as caught:
        opened(write_csv(tmp_path / "m.csv", rows))
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):  # noqa: S301
        assert len(error.problems) == 300
        assert "300 problems:" in str(error)
        assert "line 51: " in str(error)
        assert "line 52: " not in str(error)
        assert "... and 250 more" in str(error)
    assert "dataset 'clips'" in caught.value.where


def test_pixel_limit_is_that_of_the_call(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    path = write_csv(tmp_path / "m.csv", [row("a.png", "1", "gallery"), row("b.png", "1", "query")])
    assert open_dataset(spec(path), max_pixels=48)
    with pytest.raises(ProblemList, match="8 x 6 = 48 pixels; expected at most 47"):
        open_dataset(spec(path), max_pixels=47)


def test_messages_carry_no_home_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ProblemList) as caught:
        opened(write_csv(tmp_path / "m.csv", [row("gone.png", "1", "query")]))
    assert str(tmp_path) not in str(caught.value)
    assert "~/m.csv" in str(caught.value)


def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    rows = [row(f"g{i}.jpg", f"{i:07}", "gallery", light="studio") for i in range(50_000)]
    rows += [
        row(f"q{i}.jpg", f"{i:07}", "query", light="shop", bbox="1 2 3 4") for i in range(50_000)
    ]
    path = write_csv(tmp_path / "m.csv", rows)
    dataset = open_dataset(spec(path), max_pixels=MAX_PIXELS, check_images=False)
    assert len(dataset.queries) == len(dataset.gallery) == 50_000
    assert dataset.queries.product_ids[7] == "0000007"


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = (
        "import sys, pytest_prodbench.datasets, pytest_prodbench.datasets.opening,"
        "pytest_prodbench.datasets.content;"
        "print(sorted({'torch', 'numpy', 'PIL', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
