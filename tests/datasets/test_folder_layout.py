from __future__ import annotations

import os
from pathlib import Path

import pytest
from dataset_builders import opened, spec, write_images

from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError


def problems(root: Path) -> tuple[str, ...]:
    with pytest.raises(ProblemList) as caught:
        opened(root, "folder")
    return caught.value.problems


def test_folder_names_are_product_ids_in_sorted_order(tmp_path: Path) -> None:
    write_images(
        tmp_path,
        "queries/007/b.png", "queries/007/a.JPG", "queries/<b>/x.png",
        "gallery/<b>/y.png", "gallery/7/z.png", "gallery/007/deep/er/2.png", "gallery/007/1.png",
        "gallery/007/.hidden.png", "gallery/.trash/9.png",
    )  # fmt: skip
    (tmp_path / "gallery/007/notes.txt").write_text("x")
    (tmp_path / "gallery/Thumbs.db").write_text("x")
    (tmp_path / "queries/new").mkdir()
    dataset = opened(tmp_path, "folder")
    assert dataset.gallery.images == (
        "gallery/007/1.png", "gallery/007/deep/er/2.png", "gallery/7/z.png", "gallery/<b>/y.png",
    )  # fmt: skip
    assert dataset.gallery.product_ids == ("007", "007", "7", "<b>")
    assert dataset.queries.images == ("queries/007/a.JPG", "queries/007/b.png", "queries/<b>/x.png")
    assert dataset.queries.boxes == (None, None, None)
    assert "2 files without a known image suffix ignored" in dataset.protocol_note


def test_problems_of_folders_and_images_come_together(tmp_path: Path) -> None:
    write_images(
        tmp_path, "gallery/a/1.png", "gallery/loose.png", "gallery/b /1.png", "queries/a/1.png"
    )
    (tmp_path / "gallery/empty/deeper").mkdir(parents=True)
    (tmp_path / "queries/a/2.png").touch()
    found = "\n".join(problems(tmp_path))
    assert found.count("\n") == 3
    assert "'gallery/loose.png' is in no product folder" in found
    assert "folder 'gallery/b ': product_id 'b ' begins or ends with white space" in found
    assert "product folder 'gallery/empty' has no image" in found
    assert "image 'queries/a/2.png': an empty file" in found


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write_images(tmp_path, "store/1.png", "queries/a/q.png", "gallery/b/2.png")
    (tmp_path / "gallery/a").symlink_to(tmp_path / "store")
    assert opened(tmp_path, "folder").gallery.images == ("gallery/a/1.png", "gallery/b/2.png")
    (tmp_path / "gallery/b/again").symlink_to(tmp_path / "gallery")
    assert any("link to a folder above itself" in problem for problem in problems(tmp_path))


def test_names_that_are_no_unicode(tmp_path: Path) -> None:
    write_images(tmp_path, "queries/a/q.png", "gallery/a/1.png")
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/gallery/\xff")  # noqa: PTH102 - bytes
    except OSError:
        pytest.skip("this file system takes Unicode names only")
    assert "is not valid Unicode" in problems(tmp_path)[0]


def test_other_folders_and_suffixes(tmp_path: Path) -> None:
    write_images(tmp_path, "katalog/a/1.png", "fotos/2026/a/q.bmp")
    options = {"gallery": "katalog", "queries": "fotos/2026/", "extensions": [".PNG", ".bmp"]}
    dataset = opened(tmp_path, "folder", options=options)
    assert dataset.queries.images == ("fotos/2026/a/q.bmp",)
    with pytest.raises(DatasetError, match="no folder 'gallery'"):
        opened(tmp_path, "folder")
    with pytest.raises(DatasetError, match="did you mean 'katalog'"):
        opened(tmp_path, "folder", options=options | {"gallery": "catalog"})


@pytest.mark.parametrize(
    "options", [{"extensions": ["jpg"]}, {"extensions": []}, {"gallery": "/x"}, {"depth": 1}]
)
def test_wrong_options(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        validate_options(spec(tmp_path, "folder", options=options))
