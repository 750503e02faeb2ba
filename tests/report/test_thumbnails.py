from __future__ import annotations

import base64
import io
import tarfile
from functools import partial
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from pytest_prodbench.report import thumbnails as thumbnails_module
from pytest_prodbench.report.thumbnails import Thumbnails, encode

from . import builders as b


def opened(uri: str) -> Image.Image:
    head, _, data = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.fixture
def thumbnails(tmp_path):
    return Thumbnails(tmp_path / "project", tmp_path / "run")


def test_small_and_in_proportion(tmp_path, thumbnails):
    b.draw_part(tmp_path / "project/data/a.jpg", 1, (1600, 800))
    assert opened(thumbnails.uri("data", "a.jpg")).size == (128, 64)


def test_a_small_image_is_not_blown_up(tmp_path, thumbnails):
    b.draw_part(tmp_path / "project/data/a.png", 1, (40, 30))
    assert opened(thumbnails.uri("data", "a.png")).size == (40, 30)


def test_the_orientation_of_the_camera_is_applied_and_not_passed_on(tmp_path, thumbnails):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "taken at home"
    image = Image.new("RGB", (400, 200), "red")
    image.paste("blue", (0, 0, 200, 200))
    (tmp_path / "project").mkdir()
    image.save(tmp_path / "project/a.jpg", exif=exif)
    small = opened(thumbnails.uri("", "a.jpg"))
    assert small.size == (64, 128)
    red, _, blue = small.getpixel((32, 10))
    assert blue > 200
    assert red < 60
    assert not small.getexif()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode(tmp_path, mode):
    path = tmp_path / "image.tif"
    made = Image.linear_gradient("L").resize((200, 200))
    if mode == "I;16":
        made = made.convert("I").point(lambda x: x * 200).convert("I;16")
    elif mode == "LA":
        path = tmp_path / "image.png"
        made = made.convert("LA")
    else:
        made = made.convert(mode)
    made.save(path)
    with Image.open(io.BytesIO(encode(partial(path.open, "rb")))) as small:
        assert small.mode == "RGB"
        assert small.size == (128, 128)
        assert small.getpixel((64, 4))[0] < 60
        assert small.getpixel((64, 123))[0] > 190


def test_transparent_is_white(tmp_path):
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(tmp_path / "a.png")
    with Image.open(io.BytesIO(encode(partial((tmp_path / "a.png").open, "rb")))) as small:
        assert small.getpixel((25, 25)) == (255, 255, 255)


@pytest.mark.parametrize(
    "name", ["missing.jpg", "text.jpg", "cut.jpg", "empty.jpg", "folder", "", "a\0b"]
)
def test_what_cannot_be_shown_is_none(tmp_path, thumbnails, name):
    folder = tmp_path / "project"
    (folder / "folder").mkdir(parents=True)
    (folder / "text.jpg").write_text("not an image")
    (folder / "empty.jpg").touch()
    b.draw_part(folder / "whole.jpg", 1)
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:900])
    assert thumbnails.uri("", name) is None


@pytest.mark.filterwarnings("default")
def test_a_bomb_is_not_decoded(tmp_path, thumbnails, monkeypatch):
    b.draw_part(tmp_path / "project/a.png", 1, (200, 200))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 39_999)
    assert thumbnails.uri("", "a.png") is None


def test_a_manifest_may_point_beside_its_folder(tmp_path, thumbnails):
    b.draw_part(tmp_path / "project/photos/a.jpg", 1)
    (tmp_path / "project/data").mkdir(parents=True)
    assert thumbnails.uri("data", "../photos/a.jpg") is not None


def test_an_absolute_path_is_not_opened(tmp_path, thumbnails):
    b.draw_part(tmp_path / "project/a.jpg", 1)
    assert thumbnails.uri("", str(tmp_path / "project/a.jpg")) is None


def test_kept_beside_the_report(tmp_path, thumbnails):
    source = tmp_path / "project/data/a.jpg"
    b.draw_part(source, 1)
    first = thumbnails.uri("data", "a.jpg")
    source.unlink()
    assert Thumbnails(tmp_path / "project", tmp_path / "run").uri("data", "a.jpg") == first
    (kept,) = (tmp_path / "run/thumbnails").iterdir()
    assert len(kept.stem) == 24


def test_a_damaged_copy_is_made_again(tmp_path, thumbnails):
    b.draw_part(tmp_path / "project/a.jpg", 1)
    first = thumbnails.uri("", "a.jpg")
    (kept,) = (tmp_path / "run/thumbnails").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert Thumbnails(tmp_path / "project", tmp_path / "run").uri("", "a.jpg") == first


def test_a_folder_that_cannot_be_written_costs_the_copy_only(tmp_path):
    b.draw_part(tmp_path / "project/a.jpg", 1)
    (tmp_path / "run").write_text("a file where the folder should be")
    assert Thumbnails(tmp_path / "project", tmp_path / "run").uri("", "a.jpg")


def test_the_next_run_decodes_no_photo_again(tmp_path, monkeypatch):
    b.draw_part(tmp_path / "project/a.jpg", 1)
    cache = tmp_path / "cache"
    first = Thumbnails(tmp_path / "project", tmp_path / "one", cache).uri("", "a.jpg")
    with monkeypatch.context() as patch:
        patch.setattr(
            thumbnails_module, "encode", lambda path: pytest.fail(f"{path} decoded again")
        )
        assert Thumbnails(tmp_path / "project", tmp_path / "two", cache).uri("", "a.jpg") == first
    # By what it shows, not by its name: another photo under the same name is another one.
    b.draw_part(tmp_path / "project/a.jpg", 2)
    other = Thumbnails(tmp_path / "project", tmp_path / "three", cache).uri("", "a.jpg")
    assert other is not None
    assert other != first
    # And a damaged one is made again.
    for kept in cache.rglob("*.jpg"):
        kept.write_bytes(kept.read_bytes()[:50])
    again = Thumbnails(tmp_path / "project", tmp_path / "four", cache).uri("", "a.jpg")
    assert again == other


def test_a_cache_that_cannot_be_written_costs_the_copy_only(tmp_path):
    b.draw_part(tmp_path / "project/a.jpg", 1)
    (tmp_path / "cache").write_text("a file where the folder should be")
    made = Thumbnails(tmp_path / "project", tmp_path / "run", tmp_path / "cache")
    assert made.uri("", "a.jpg")


@pytest.mark.parametrize("size", [(256, 256), (640, 400), (1000, 300)])
def test_decoding_a_smaller_picture_shows_the_same(tmp_path, size):
    b.draw_part(tmp_path / "a.jpg", 3, size)
    with Image.open(tmp_path / "a.jpg") as photo:
        whole = photo.convert("RGB")
        whole.thumbnail((128, 128), reducing_gap=None)
    with Image.open(io.BytesIO(encode(partial((tmp_path / "a.jpg").open, "rb")))) as small:
        assert small.size == whole.size
        apart = ImageStat.Stat(ImageChops.difference(small.convert("RGB"), whole))
    assert max(apart.mean) < 4  # of 255


@pytest.mark.parametrize("links", [True, False])
def test_beside_the_report_is_what_is_in_the_cache(tmp_path, monkeypatch, links):
    def refused(*_):
        raise OSError("another disk")

    if not links:
        monkeypatch.setattr(Path, "hardlink_to", refused)
    b.draw_part(tmp_path / "project/a.jpg", 1)
    for run in ("one", "two"):
        Thumbnails(tmp_path / "project", tmp_path / run, tmp_path / "cache").uri("", "a.jpg")
    kept = [next((tmp_path / run / "thumbnails").iterdir()) for run in ("one", "two")]
    (cached,) = (tmp_path / "cache").rglob("*.jpg")
    assert kept[0].read_bytes() == kept[1].read_bytes() == cached.read_bytes()
    # The first of a run has no folder to be linked into yet.
    Thumbnails(tmp_path / "project", tmp_path / "two", tmp_path / "cache").uri("", "./a.jpg")
    (second,) = (one for one in (tmp_path / "two/thumbnails").iterdir() if one != kept[1])
    assert second.samefile(cached) == links


def test_images_in_shards_are_found_again(tmp_path, thumbnails):
    b.draw_part(tmp_path / "project/data/a.jpg", 1)
    plain = thumbnails.uri("data", "a.jpg")
    with tarfile.open(tmp_path / "project/data/s.tar", "w") as tar:
        tar.add(tmp_path / "project/data/a.jpg", "x/a.jpg")
    assert thumbnails.uri("shards\0data", "s.tar/x/a.jpg") == plain
    with tarfile.open(tmp_path / "project/data/t.tar", "w") as tar:
        tar.add(tmp_path / "project/data/a.jpg", "a.jpg")
    assert thumbnails.uri("tars\0data", "t.tar/a.jpg") == plain
    assert thumbnails.uri("tars\0data", "a.jpg") == plain
    cached = Thumbnails(tmp_path / "project", tmp_path / "other", tmp_path / "cache")
    assert cached.uri("shards\0data", "s.tar/x/a.jpg") == plain


@pytest.mark.parametrize(
    ("place", "image"),
    [
        ("shards\0data", "s.tar/none.jpg"),
        ("shards\0nowhere", "s.tar/a.jpg"),
        ("tars\0data", "s.tar/none.jpg"),
        ("tars\0nowhere", "s.tar/none.jpg"),
        ("parquet\0data", "a.parquet/1"),
        ("store\0nosuch://bucket", "a.jpg"),
        ("store\0memory://nothing-is-here", "a.jpg"),
        ("a kind of tomorrow\0data", "a.jpg"),
    ],
)
def test_a_hole_where_there_is_no_way_back(tmp_path, thumbnails, place, image):
    b.draw_part(tmp_path / "project/data/a.jpg", 1)
    assert thumbnails.uri(place, image) is None
