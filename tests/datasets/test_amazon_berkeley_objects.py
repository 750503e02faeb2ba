"""Amazon Berkeley Objects: small sets in the layout of its archives, for both protocols."""

from __future__ import annotations

import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_builders import encoded, noise, opened, pixels, spec

from pytest_prodbench.datasets.opening import validate_options
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError
from pytest_prodbench.protocol import Dataset

VIEWS = "benchmarks/abo-mvr.csv.xz"
TABLE = "images/metadata/images.csv.gz"
HEADER = "path,class_id,split_set,image_type,meta"
ROWS = (
    "00/a.jpg,7,test-target,catalog,B1:main",
    "00/b.jpg,9,test-target,catalog,B2:main",
    "01/c.jpg,7,test-query,catalog,B1:other",
    "renders/B2/0.jpg,9,test-query,render,B2:0",
    "02/d.jpg,1,train,catalog,B3:main",
    "02/e.jpg,1,train,catalog,B3:other",
    "02/f.jpg,2,train,catalog,B4:main",
)
PHOTOS = ("00/a.jpg", "00/b.jpg", "01/c.jpg", "02/d.jpg", "02/e.jpg", "02/f.jpg")
VIEW_COUNTS = {"queries": 2, "gallery images": 2, "classes": 2}


def write_photos(folder: Path, *names: str) -> None:
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(noise(seed), "JPEG"))


def write_packed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pack = lzma.compress if path.suffix == ".xz" else gzip.compress
    path.write_bytes(pack(text.encode()))


def write_views(root: Path, *rows: str, header: str = HEADER) -> Path:
    write_packed(root / VIEWS, "\n".join((header, *(rows or ROWS))) + "\n")
    write_photos(root / "images/small", *PHOTOS)
    write_photos(root / "renders", "B2/0.jpg")
    return root


def open_views(root: Path, **options: Any) -> Dataset:
    return opened(root, "amazon_berkeley_objects", options={"renders": "renders", **options})


def test_multi_view(tmp_path: Path) -> None:
    dataset = open_views(write_views(tmp_path), expected_counts=VIEW_COUNTS)
    assert dataset.queries.images == ("images/small/01/c.jpg", "renders/B2/0.jpg")
    assert dataset.queries.product_ids == ("7", "9")
    assert dataset.queries.conditions == {"image_type": ("catalog", "render")}
    assert dataset.gallery.images == ("images/small/00/a.jpg", "images/small/00/b.jpg")
    assert dataset.gallery.product_ids == ("7", "9")
    assert dataset.protocol_note.startswith(
        "Official: split_set 'test-query' searches 'test-target'"
    )
    assert dataset.published == "amazon_berkeley_objects"
    with dataset.open(dataset.queries.images[0]) as file:
        assert np.array_equal(pixels(file.read()), pixels(encoded(noise(2), "JPEG")))


def test_renders_may_keep_the_first_folder_of_their_path(tmp_path: Path) -> None:
    root = write_views(tmp_path)
    write_photos(root / "more", "renders/B2/0.jpg")
    assert open_views(root, renders="more").queries.images[1] == "more/renders/B2/0.jpg"


@pytest.mark.parametrize(
    ("renders", "found"),
    [
        (
            "",
            r"option renders: not stated, but abo-mvr\.csv\.xz line 5 names the render renders/B2/0\.jpg",
        ),
        ("spins", r"'spins', in which there is neither renders/B2/0\.jpg nor B2/0\.jpg"),
    ],
)
def test_where_renders_lie_has_to_be_said(tmp_path: Path, renders: str, found: str) -> None:
    with pytest.raises(DatasetError, match=found):
        open_views(write_views(tmp_path), renders=renders)


def test_a_split_without_queries_searches_itself(tmp_path: Path) -> None:
    root = write_views(tmp_path)
    dataset = open_views(root, split="train", renders="")
    assert dataset.gallery.product_ids == ("1", "1", "2")
    assert dataset.queries.images == ("images/small/02/d.jpg", "images/small/02/e.jpg")
    assert dataset.protocol_note.startswith("Ours: split_set 'train' has no queries")
    assert "1 images of classes with one image" in dataset.protocol_note
    assert "No counts are known" in dataset.protocol_note
    with pytest.raises(
        DatasetError,
        match="split_set test-query, test-target, train; expected val-query and val-target",
    ):
        open_views(root, split="val")


def test_wrong_views_are_named(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        "a.jpg,7,test-query,photo,",
        "/a.jpg,7,test-query,catalog,",
        "b.jpg,,test-target,catalog,",
        "b.jpg,7,test-target",
        "b.jpg,,other,photo,",
    ]
    with pytest.raises(ProblemList) as caught:
        open_views(write_views(tmp_path, *rows))
    found = [problem.removeprefix("abo-mvr.csv.xz line ") for problem in caught.value.problems]
    assert found[0] == "9: image_type 'photo' is neither catalog nor render"
    assert found[1].startswith("10: path '/a.jpg' is absolute")
    assert found[2:] == ["11: class_id is empty", "12: 3 fields; the header has 5"]


def test_wrong_view_counts_and_files(tmp_path: Path) -> None:
    root = write_views(tmp_path)
    with pytest.raises(DatasetError, match="2 queries; expected 3 queries"):
        open_views(root, expected_counts={"queries": 3})
    write_views(root, header=HEADER.replace("class_id", "class"))
    with pytest.raises(DatasetError, match=r"csv\.xz line 1: .*expected also class_id"):
        open_views(root)
    whole = lzma.compress("\n".join((HEADER, *ROWS)).encode())
    (root / VIEWS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"cannot be unpacked.*fetch it again"):
        open_views(root)
    (root / VIEWS).unlink()
    with pytest.raises(
        DatasetError, match=r"no file benchmarks/abo-mvr\.csv\.xz; expected the folder"
    ):
        open_views(root)


def listing(item: str, main: str | None, *others: str, **more: Any) -> dict[str, Any]:
    row = {
        "item_id": item,
        "domain_name": "amazon.com",
        "main_image_id": main,
        "other_image_id": list(others),
        "product_type": [{"value": "CHAIR"}],
        **more,
    }
    return {key: value for key, value in row.items() if value not in (None, [])}


# B1 and B2 share the image s; B2's main image is also another image of B3; B4 has no main image.
LISTINGS = (
    listing("B1", "m1", "o1", "s"),
    listing("B2", "m2", "s", product_type="TABLE"),
    listing("B3", "m3", "m2", "o3"),
    listing("B4", None, "o4"),
    listing("B1", "m1", domain_name="amazon.de"),
)
IDS = ("m1", "m2", "m3", "o1", "o3", "o4", "s", "unused")
COUNTS = {"expected_counts": {"listings": 5, "catalog images": 8}}


def write_listings(root: Path, *rows: Any, table: tuple[str, ...] = IDS) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows or LISTINGS]
    for name, part in (("0", lines[:2]), ("f", lines[2:])):
        write_packed(root / f"listings/metadata/listings_{name}.json.gz", "\n".join(part) + "\n")
    text = "\n".join(f"{name},6,8,{name[:1] or 'x'}/{name}.jpg" for name in table)
    write_packed(root / TABLE, f"image_id,height,width,path\n{text}\n")
    write_photos(root / "images/small", *(f"{name[:1]}/{name}.jpg" for name in IDS))
    return root


def open_listings(root: Path, **options: Any) -> Dataset:
    return opened(
        root, "amazon_berkeley_objects", options={"protocol": "listings", **COUNTS, **options}
    )


def test_listings(tmp_path: Path) -> None:
    dataset = open_listings(write_listings(tmp_path))
    assert dataset.gallery.images == tuple(f"images/small/m/m{n}.jpg" for n in (1, 2, 3))
    assert dataset.gallery.product_ids == ("B1", "B2+B3", "B3")
    assert dataset.queries.images == tuple(
        f"images/small/{name}.jpg" for name in ("o/o1", "s/s", "o/o3")
    )
    assert dataset.queries.product_ids == ("B1", "B1+B2", "B3")
    assert dataset.queries.families == ("CHAIR", "CHAIR+TABLE", "CHAIR")
    # The photo of B3 may find either image that shows B3; the shared one, B1's main image or B2's.
    assert dataset.answers == {"B1+B2": ("B1", "B2+B3"), "B3": ("B2+B3", "B3")}
    assert dataset.protocol_note.startswith("Ours, not official")
    assert "Items without a main image: 1; their 1 images" in dataset.protocol_note
    assert dataset.official_metrics == ()


def test_positives_are_the_images_that_share_an_item(tmp_path: Path) -> None:
    """Held against the plain definition, on listings that share images at random."""
    rng = np.random.default_rng(5)
    names = [f"i{n}" for n in range(12)]
    for round_ in range(20):
        rows = []
        for item in range(8):
            mine = rng.choice(names, 4, replace=False).tolist()
            rows.append(listing(f"B{item}", mine[0], *mine[1:]))
        root = write_listings(tmp_path / str(round_), *rows, table=tuple(names))
        dataset = opened(
            root,
            "amazon_berkeley_objects",
            options={"protocol": "listings", "expected_counts": {"listings": 8}},
            check=False,
        )
        items: dict[str, set[str]] = {}
        for row in rows:
            for name in (row["main_image_id"], *row["other_image_id"]):
                items.setdefault(f"images/small/i/{name}.jpg", set()).add(row["item_id"])
        for query, product in zip(dataset.queries.images, dataset.queries.product_ids, strict=True):
            answers = dataset.answers.get(product, (product,))
            for image, other in zip(
                dataset.gallery.images, dataset.gallery.product_ids, strict=True
            ):
                assert (other in answers) == (not items[query].isdisjoint(items[image]))


def test_listing_counts_are_the_published_ones(tmp_path: Path) -> None:
    root = write_listings(tmp_path)
    with pytest.raises(DatasetError) as caught:
        opened(root, "amazon_berkeley_objects", options={"protocol": "listings"})
    assert caught.value.found == "5 listings, 8 catalog images"
    assert caught.value.expected == "147,702 listings, 398,212 catalog images (as published)"


def test_wrong_listings_are_named(tmp_path: Path) -> None:
    rows = [
        listing("B1", "m1"),
        '{"item_id": "B2"',
        "[1]",
        listing("B5", "m9"),
        listing("B6", "m1", "o9"),
        {"main_image_id": "m1"},
        listing("B1", "m2"),
        listing("B7", "m1", other_image_id="o1"),
        listing("B8+B9", "m1"),
        listing("B8", 5),  # type: ignore[arg-type]
    ]
    with pytest.raises(ProblemList) as caught:
        open_listings(write_listings(tmp_path, *rows, table=(*IDS, "m1", "")))
    found = list(caught.value.problems)
    assert found[0] == "images.csv.gz line 10: image_id 'm1' stands twice"
    assert found[1] == "images.csv.gz line 11: image_id is empty"
    assert found[2].startswith("listings_0.json.gz line 2: not JSON")
    assert found[3:] == [
        "listings_f.json.gz line 1: not a JSON object",
        "listings_f.json.gz line 2: image 'm9' is not in images.csv.gz",
        "listings_f.json.gz line 3: image 'o9' is not in images.csv.gz",
        "listings_f.json.gz line 4: item_id is None, not a text",
        "listings_f.json.gz line 5: item_id 'B1' of 'amazon.com' repeats listings_0.json.gz line 1",
        "listings_f.json.gz line 6: other_image_id is 'o1', not a list of texts",
        "listings_f.json.gz line 7: item_id 'B8+B9' holds '+', which joins the items of an image",
        "listings_f.json.gz line 8: main_image_id is 5, not a text",
    ]


def test_listing_files(tmp_path: Path) -> None:
    root = write_listings(tmp_path)
    packed = root / "listings/metadata/listings_f.json.gz"
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(DatasetError, match=r"listings_f\.json\.gz: cannot be unpacked"):
        open_listings(root)
    for path in packed.parent.iterdir():
        path.unlink()
    with pytest.raises(DatasetError, match=r"no file listings/metadata/listings_0\.json\.gz"):
        open_listings(root)
    (root / TABLE).unlink()
    with pytest.raises(DatasetError, match=r"no file images/metadata/images\.csv\.gz"):
        open_listings(root)


def test_a_photo_that_is_gone_is_named(tmp_path: Path) -> None:
    root = write_listings(tmp_path)
    (root / "images/small/o/o3.jpg").unlink()
    with pytest.raises(ProblemList, match=r"image 'images/small/o/o3\.jpg': no such file"):
        open_listings(root)


@pytest.mark.parametrize(
    "options",
    [
        {"protocol": "spins"},
        {"split": "dev"},
        {"expected_counts": {"queries": "3"}},
        {"images": "/data/images"},
        {"renders": "s3://bucket/renders"},
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        validate_options(spec(tmp_path, "amazon_berkeley_objects", options=options))
