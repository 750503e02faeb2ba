"""``prodbench dataset init`` and ``show``: a folder of photos becomes a dataset that opens."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from dataset_builders import opened, row, write_csv, write_images

from pytest_prodbench.cli import main
from pytest_prodbench.datasets.guessing import guess, natural
from pytest_prodbench.settings.files import load_suite

pytestmark = pytest.mark.usefixtures("no_variables")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(folder: Path) -> list[tuple[str, str, str]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return [(r["image"], r["product_id"], r["role"]) for r in csv.DictReader(file)]


def test_two_folders_of_product_folders(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["catalog/007/a.png", "catalog/7/deep/b.png", "photos/007/c.png", "photos/7/d.png"]
    write_images(here / "shop", *names, "leaflet/x.png")
    assert main(["dataset", "init", "shop"]) == 0
    assert rows_of(here / "shop") == [
        ("catalog/007/a.png", "007", "gallery"),
        ("catalog/7/deep/b.png", "7", "gallery"),
        ("photos/007/c.png", "007", "query"),
        ("photos/7/d.png", "7", "query"),
    ]
    said = capsys.readouterr().out
    assert "2 queries, 2 gallery images, 2 products" in said
    assert "role: images below catalog/ are the gallery, those below photos/ the queries" in said
    assert "product_id below photos/: the name of the folder an image lies in, 2 folders" in said
    assert "left out: 1 images in neither of the two folders" in said
    assert "it opens" in said
    # What was written is a suite that can be planned.
    suite = load_suite([here / "shop"], here)
    (spec,) = suite.sectors["shop"].datasets.values()
    assert (spec.name, spec.path) == ("shop", here / "shop/manifest.csv")


def test_folders_in_folders_are_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(here / "x", "Juice/apple/1.png", "Juice/orange/1.png", "Milk/plain/1.png")
    main(["dataset", "init", "x"])
    assert {product for _, product, _ in rows_of(here / "x")} == {"Juice", "Milk"}
    said = capsys.readouterr().out
    assert "the first folder of an image's path, 2 folders; images lie in 3 folders below" in said
    assert "the folder an image lies in" not in said


def test_product_folders_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(here / "x", "A/2.png", "A/10.png", "A/1.png", "B/1.png")
    assert main(["dataset", "init", "x", "--name", "mine"]) == 0
    assert rows_of(here / "x") == [
        ("A/1.png", "A", "gallery"),
        ("A/2.png", "A", "gallery"),
        ("A/10.png", "A", "query"),
        ("B/1.png", "B", "gallery"),
    ]
    said = capsys.readouterr().out
    assert "the last image of each product is its query" in said
    assert "1 products have one image only" in said
    assert list(load_suite([here / "x"], here).sectors["x"].datasets) == ["mine"]


@pytest.mark.parametrize(
    "names", [("A/1.png", "A/2.png", "B/1.png"), ("A_1.png", "A_2.png", "B_1.png")]
)
def test_one_folder_around_all_is_no_product(
    here: Path, names: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(here / "x", *(f"export/images/{name}" for name in names))
    assert main(["dataset", "init", "x"]) == 0
    assert [product for _, product, _ in rows_of(here / "x")] == ["A", "A", "B"]
    assert "below export/images/, in which all images lie" in capsys.readouterr().out


@pytest.mark.parametrize("sector", ["diy", "automotive", "manufacturing", "retail"])
def test_the_shipped_catalogs_are_guessed_as_they_are(here: Path, sector: str) -> None:
    """From the names of 780 files alone, which is all that guessing looks at."""
    with (ROOT / f"fixtures/catalogs/{sector}/manifest.csv").open(encoding="utf-8") as file:
        truth = {r["image"]: (r["product_id"], r["role"]) for r in csv.DictReader(file)}
    for image in truth:
        (here / image).parent.mkdir(exist_ok=True)
        (here / image).touch()
    made = guess(here).rows
    assert {r["image"]: (r["product_id"], r["role"]) for r in made} == truth


@pytest.mark.parametrize("separator", ["_", "-"])
def test_flat_files(here: Path, separator: str, capsys: pytest.CaptureFixture[str]) -> None:
    other = "-" if separator == "_" else "_"
    names = [f"0071{other}2{separator}{i}.png" for i in (1, 2)] + [f"9{separator}1.png", "solo.png"]
    write_images(here / "x", *names, f"0071{separator}4006381333931.png")
    assert main(["dataset", "init", "x"]) == 0
    assert {image: product for image, product, _ in rows_of(here / "x")} == {
        names[0]: f"0071{other}2", names[1]: f"0071{other}2", names[2]: "9", "solo.png": "solo",
        f"0071{separator}4006381333931.png": f"0071{separator}4006381333931",
    }  # fmt: skip
    assert (
        f"up to the last {separator!r}, behind which numbers count from 0 or 1; 2 of 5 names"
        in (capsys.readouterr().out)
    )


def test_flat_files_whose_numbers_are_skus(here: Path) -> None:
    write_images(here / "x", "A-100.png", "A-200.png", "B_7.png")
    assert main(["dataset", "init", "x"]) == 1, "no product has a second image: there is no query"
    assert [product for _, product, _ in rows_of(here / "x")] == ["A-100", "A-200", "B_7"]


def test_a_table_that_lies_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(here / "x", "img/a.png", "img/b.png", "img/c.png")
    (here / "x/products.csv").write_text(
        "SKU;File Name;Split;Category;light;remark\n"
        "007;a.png;Catalog;bolt;;\n007;img/b.png;Query;bolt;dim;x\n",
        encoding="utf-8",
    )
    before = (here / "x/products.csv").read_bytes()
    assert main(["dataset", "init", "x"]) == 0
    assert rows_of(here / "x") == [("img/a.png", "007", "gallery"), ("img/b.png", "007", "query")]
    dataset = opened(here / "x/manifest.csv")
    assert dataset.queries.families == ("bolt",)
    assert dataset.queries.conditions == {"light": ("dim",), "remark": ("x",)}
    said = capsys.readouterr().out
    for line in (
        "rows: from the table products.csv, with ';' between its fields",
        "product_id: its column 'SKU', by name",
        "role: 'Catalog' is gallery",
        "image: of 1 rows the one file of that name in the folder",
        "left out: 1 images that the table does not name",
    ):
        assert line in said
    assert (here / "x/products.csv").read_bytes() == before


def test_a_table_without_roles_and_with_a_column_of_free_text(here: Path) -> None:
    names = [f"{i}_{n}.png" for i in range(22) for n in (1, 2)]
    write_images(here / "x", *names)
    rows = [{"file": n, "sku": n[:-6], "text": f"all about {n}", "view": "top"} for n in names]
    write_csv(here / "x/list.csv", rows)
    assert main(["dataset", "init", "x"]) == 0
    (spec,) = load_suite([here / "x"], here).sectors["x"].datasets.values()
    assert spec.options == {"notes": ["text"]}
    dataset = opened(spec.path, options=spec.options)
    assert (len(dataset.queries), len(dataset.gallery)) == (22, 22)
    assert list(dataset.queries.conditions) == ["view"]


def test_what_is_there_is_never_overwritten(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(here / "x", "A/1.png", "A/2.png")
    for name in ("manifest.csv", "sector.toml"):
        (here / "x" / name).write_text("mine")
        assert main(["dataset", "init", "x"]) == 4
        assert f"x/{name}: a file that is there already" in capsys.readouterr().err
        assert (here / "x" / name).read_text() == "mine"
        assert sorted(p.name for p in (here / "x").iterdir()) == ["A", name]
        (here / "x" / name).unlink()


def test_init_says_what_is_to_be_mended(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(
        here / "x", "gallery/A/1.png", "queries/A/2.png", "queries/B/1.png", "gallery/ B/1.png"
    )
    (here / "x/gallery/A/broken.jpg").write_bytes(b"")
    assert main(["dataset", "init", "x"]) == 1
    said = capsys.readouterr().out
    assert "left out: 'gallery/ B/1.png': product_id ' B' begins or ends with white space" in said
    assert "to be mended before it can be measured, 2:" in said
    assert "product 'B' is not in the gallery" in said
    assert "broken.jpg'): an empty file" in said


@pytest.mark.parametrize(
    ("make", "found"),
    [
        (lambda folder: None, "no folder"),
        (lambda folder: folder.mkdir(), "no file that ends in .jpg"),
        (lambda folder: write_images(folder, " .png"), "no image whose product can be told"),
    ],
)
def test_nothing_to_guess(here: Path, make, found: str, capsys) -> None:  # type: ignore[no-untyped-def]
    make(here / "x")
    assert main(["dataset", "init", "x"]) == 4
    assert found in capsys.readouterr().err


def test_numbers_sort_as_numbers() -> None:
    names = ["a10", "a\u00b2", "a", "a2", "a1b"]
    assert sorted(names, key=natural) == ["a", "a1b", "a2", "a10", "a\u00b2"]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, str]:
    """The lines that ``dataset show`` prints, by their first word; lines below it are joined."""
    assert main(["dataset", "show", *arguments]) == code
    found: dict[str, str] = {}
    name = "head"
    for line in capsys.readouterr().out.splitlines():
        name = line[:19].strip() or name
        found[name] = f"{found[name]} | {line[19:]}" if name in found else line[19:]
    return found


def test_show_counts_what_is_there(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(here, *(f"{name}.png" for name in "abcdefg"))
    rows = [
        row("a.png", "1", "gallery", family="bolt", bbox="0 0 4 4", valid_from="2026-01-01"),
        row("b.png", "1", "gallery", family="bolt", group="shelf"),
        row("c.png", "2", "gallery", family="nut"),
        row("d.png", "1", "query", light="dim", view="top", group="shelf"),
        row("e.png", "1", "query", light="dim"),
        row("f.png", "3", "query", light="studio"),
        row("g.png", "4", "query", valid_until="2025-01-01"),
    ]
    path = write_csv(here / "m.csv", rows)
    found = shown(capsys, str(path), "--set", "as_of=2026-11-01")
    assert (
        found["queries"]
        == "3 images of 2 products | images a product: 1 to 2, median 2; one only: 1"
    )
    assert (
        found["gallery"]
        == "3 images of 2 products | images a product: 1 to 2, median 2; one only: 1"
    )
    assert found["open set"] == "1 queries whose product is not in the gallery"
    assert found["distractors"] == "1 products, 1 images that no query asks for"
    assert found["validity"] == "rows valid on 2026-11-01"
    assert "1 of 7 rows are not valid on that day" in found["protocol"]
    assert found["families"] == "2: bolt 2, nut 1"
    assert found["boxes"] == "queries: 0 of 3; gallery: 1 of 3"
    assert found["groups"] == "queries: 1 images in 1; gallery: 1 images in 1"
    assert found["light"] == "2 values: dim 2, studio 1"
    assert found["view"] == "1 values: top 1; 2 not stated"
    assert found["files"] == "6 images: PNG 6"
    assert found["pixels"] == "smallest 8 x 6, median 8 x 6, largest 8 x 6"
    assert found["published"] == "no set of the literature"
    main(["dataset", "show", str(path), "--set", "as_of=2026-11-01"])
    assert "    f.png  is '3': nothing in the gallery\n" in capsys.readouterr().out


def test_show_of_a_folder_and_of_files_that_cannot_be_read(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(here / "x", "gallery/A/1.png", "queries/A/2.png")
    (here / "x/queries/A/3.jpg").write_text("not an image at all, but some text")
    found = shown(capsys, "./x", code=1)
    assert found["files"] == "3 images: PNG 2"
    write_csv(
        here / "x/manifest.csv",
        [row("gallery/A/1.png", "1", "gallery"), row("queries/A/2.png", "1", "query")],
    )
    assert shown(capsys, "x/")["files"] == "2 images: PNG 2", (
        "the manifest in a folder, if there is one"
    )
    assert found["unreadable"].startswith(
        "1 | queries/A/3.jpg: text that begins with 'not an image"
    )


def test_show_of_a_dataset_of_the_suite(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(here / "x", "A/1.png", "A/2.png", "B/1.png")
    assert main(["dataset", "init", "x"]) == 0
    (here / "suites").mkdir()
    shutil.copytree(here / "x", here / "suites/x")
    capsys.readouterr()
    # A folder of that name lies beside; the suite's dataset is meant.
    found = shown(capsys, "x")
    assert found["queries"] == "1 images of 1 products | images a product: 1 each"
    assert main(["dataset", "show", "y"]) == 4
    assert "dataset 'y', which nothing defines" in capsys.readouterr().err
    assert main(["dataset", "show", "x", "--layout", "folder"]) == 4
    assert "which is no path" in capsys.readouterr().err


def test_show_of_a_shipped_catalog(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    found = shown(capsys, "diy")
    assert found["queries"] == "440 images of 110 products | images a product: 4 each"
    assert found["gallery"].startswith("340 images of 250 products")
    assert found["files"] == "780 images: JPEG 780"
    assert {"light", "view", "ground", "occlusion", "distance", "camera"} <= set(found)
