"""The short ways of the checks say what looking at every row, and every pair of rows, says."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.datasets.checks import queries_without_positive, repeated_rows
from pytest_prodbench.datasets.layout import Tables
from pytest_prodbench.datasets.manifest_rows import SharedTexts
from pytest_prodbench.datasets.paths import all_plain, image_path, image_path_problem
from pytest_prodbench.protocol import ImageTable

few = st.sampled_from(["a", "b", "c"])
boxes = st.sampled_from([None, None, (0.0, 0.0, 1.0, 1.0), (1.0, 0.0, 1.0, 1.0)])
rows = st.lists(st.tuples(few, few, st.sampled_from(["", "", "x", "y"]), boxes), max_size=7)
answers = st.dictionaries(few, st.lists(few, unique=True, max_size=3).map(tuple), max_size=2)


def table(of: list[tuple[str, str, str, tuple[float, float, float, float] | None]]) -> ImageTable:
    images, products, groups, its_boxes = zip(*of, strict=True) if of else ((), (), (), ())
    return ImageTable(images, products, ("",) * len(of), groups, its_boxes)


@given(rows, rows, answers)
def test_a_query_without_a_positive_is_one_that_no_pair_answers(  # type: ignore[no-untyped-def]
    queries, gallery, answers
) -> None:
    lost = [
        image
        for image, product, group, _ in queries
        if not any(
            other in answers.get(product, (product,))
            and there != image
            and not (group and group == its)
            for there, other, its, _ in gallery
        )
    ]
    found = queries_without_positive(
        Tables(Path(), table(queries), table(gallery), answers=answers)
    )
    assert len(found) == bool(lost)
    if lost:
        assert found[0].startswith(f"{len(lost)} quer")
        assert found[0].count("image '") == len(lost)


@given(rows)
def test_a_repeated_row_is_one_whose_image_and_box_stand_above(gallery) -> None:  # type: ignore[no-untyped-def]
    keys = [(image, box) for image, _, _, box in gallery]
    repeated = [i for i, key in enumerate(keys) if key in keys[:i]]
    assert len(repeated_rows(Tables(Path(), table([]), table(gallery)))) == len(repeated)


parts = st.lists(
    st.sampled_from(["a", ".", "..", "/", "//", ":", "\\", "\n", "\0", "C:", "s3://", " "]),
    max_size=5,
).map("".join)


@given(st.lists(parts | st.text(max_size=5), max_size=4))
def test_plain_paths_are_those_that_need_no_look(paths: list[str]) -> None:
    if all_plain(paths):
        assert [image_path_problem(path) for path in paths] == [None] * len(paths)
        assert [image_path(path) for path in paths] == paths


def test_usual_paths_are_plain() -> None:
    assert all_plain([f"gallery/{i:05}/Bild {i}.tar.jpg" for i in range(25_000)])
    assert not all_plain([*(f"{i}.jpg" for i in range(25_000)), "./a.jpg"])


@given(st.lists(st.lists(st.text(max_size=2), max_size=9), max_size=6))
def test_shared_texts_are_equal_texts(batches: list[list[str]]) -> None:
    shared = SharedTexts()
    assert [list(shared.of(batch)) for batch in batches] == batches
