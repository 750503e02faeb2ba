"""Layout ``shards``: what is read from tars, by which names, and what is refused."""

from __future__ import annotations

import io
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from dataset_builders import opened
from shard_builders import jpeg, labels, sample, small_catalog, write_shard

from pytest_prodbench.datasets import shard_files
from pytest_prodbench.datasets.content import content
from pytest_prodbench.datasets.shard_patterns import expand
from pytest_prodbench.datasets.shards import ShardFiles
from pytest_prodbench.errors import DatasetError, ProblemList, SettingsError

FIELDS = {"family": "family", "group": "group", "bbox": "bbox", "conditions": ["light"]}
PAIR = [*sample("q", 1, "x", "query"), *sample("g", 2, "x", "gallery")]


def problems(root: Path, **options: Any) -> tuple[str, ...]:
    with pytest.raises(ProblemList) as caught:
        opened(root, "shards", options=options)
    return caught.value.problems


def error(root: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        opened(root, "shards", options=options)
    assert not isinstance(caught.value, ProblemList)
    return str(caught.value)


def test_a_small_catalog(tmp_path: Path) -> None:
    images = small_catalog(tmp_path)
    dataset = opened(tmp_path, "shards", options=FIELDS)
    gallery, queries = dataset.gallery, dataset.queries
    assert gallery.images == (
        "catalog-0000.tar/000.jpg",
        "catalog-0000.tar/001.jpg",
        "catalog-0001.tar/a/größe.back.JPG",
        "catalog-0001.tar/a/größe.front.jpg",
    )
    assert gallery.product_ids == ("007", "7", "4006381333931", "4006381333931")
    assert gallery.families == ("bolts", "bolts", "", "")
    assert gallery.boxes == (None, None, (1, 2, 8, 6), (1, 2, 8, 6))
    assert gallery.conditions == {"light": ("day", "lamp", "", "")}
    assert queries.images == ("catalog-0001.tar/000.jpg", "catalog-0001.tar/001.jpg")
    assert queries.groups == ("g1", "")
    assert queries.conditions == {"light": ("dim", "")}
    assert dataset.root == tmp_path.resolve()
    for name, data in images.items():
        with dataset.open(name) as file:
            assert file.read() == data
    assert len(content(dataset).digest) == 64


def test_roles_by_shard_and_labels_of_their_own_members(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "shop/g-08.tar",
        [("1.jpg", jpeg(1)), ("1.cls", b"03\n"), ("1.txt", "rot, groß\r\n".encode())],
    )
    write_shard(tmp_path / "shop/g-09.tar", [("1.jpg", jpeg(2)), ("1.cls", b"4")])
    write_shard(tmp_path / "q.tar", [("1.jpg", jpeg(3)), ("1.cls", b"03")])
    dataset = opened(
        tmp_path,
        "shards",
        options={
            "gallery": "shop/g-{08..09}.tar",
            "queries": ["q*.tar"],
            "product_id": ".cls",
            "conditions": [".txt"],
        },
    )
    assert dataset.gallery.images == ("shop/g-08.tar/1.jpg", "shop/g-09.tar/1.jpg")
    assert dataset.gallery.product_ids == ("03", "4")
    assert dataset.gallery.conditions == {"txt": ("rot, groß", "")}
    assert dataset.queries.product_ids == ("03",)


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_unusual_names(tmp_path: Path, kind: int) -> None:
    deep = "/".join(["ordner mit leerzeichen"] * 9)
    names = [f"{deep}/產品.jpg", "./x.jpg", "e\u0301 nfd.jpg", "\u00e9 nfc.jpg"]
    write_shard(tmp_path / "a.tar", [(name, jpeg(i)) for i, name in enumerate(names)], kind=kind)
    files = ShardFiles(tmp_path)
    for i, name in enumerate(names):
        with files.open(f"a.tar/{name.removeprefix('./')}") as file:
            assert file.read() == jpeg(i)


def test_hidden_members_and_folders_are_left_out(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "a.tar", [("._q.jpg", b"mac"), (".DS_Store", b""), ("LICENSE", b"x"), *PAIR]
    )
    write_shard(tmp_path / "._a.tar", [("junk.jpg", b"mac")])
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        folder = tarfile.TarInfo("below")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    dataset = opened(tmp_path, "shards")
    assert dataset.gallery.images + dataset.queries.images == ("a.tar/g.jpg", "a.tar/q.jpg")


def test_an_image_is_a_file_of_its_own(tmp_path: Path) -> None:
    images = small_catalog(tmp_path)
    name, data = "catalog-0000.tar/001.jpg", images["catalog-0000.tar/001.jpg"]
    with ShardFiles(tmp_path).open(name) as file:
        assert file.seekable()
        assert file.read(3) == data[:3]
        assert file.seek(-2, io.SEEK_END) == len(data) - 2
        assert file.read() == data[-2:]
        assert file.read(10) == b""
        assert file.seek(5) == 5
        assert file.read(4) == data[5:9]


def test_threads_read_the_same_shard_which_is_walked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = small_catalog(tmp_path)
    walked: list[str] = []
    walk = shard_files.shard_index
    monkeypatch.setattr(
        shard_files, "shard_index", lambda path, shard: walked.append(shard) or walk(path, shard)
    )
    files = ShardFiles(tmp_path)

    def read(name: str) -> bytes:
        with files.open(name) as file:
            return b"".join(iter(lambda: file.read(7), b""))

    names = sorted(images) * 40
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, names)) == [images[name] for name in names]
    assert sorted(walked) == ["catalog-0000.tar", "catalog-0001.tar"]


def test_goes_to_another_process(tmp_path: Path) -> None:
    images = small_catalog(tmp_path)
    files = ShardFiles(tmp_path)
    name = min(images)
    files.open(name).close()
    again = pickle.loads(pickle.dumps(files))  # noqa: S301 - made here
    assert again == files
    with again.open(name) as file:
        assert file.read() == images[name]


@pytest.mark.parametrize(
    "name", ["catalog-0000.tar/no.jpg", "no.tar/000.jpg", "catalog-0000.tar", "../x/a.jpg", ""]
)
def test_an_image_that_is_not_there(tmp_path: Path, name: str) -> None:
    small_catalog(tmp_path / "here")
    write_shard(tmp_path / "x", [("a.jpg", b"outside")])
    with pytest.raises(FileNotFoundError):
        ShardFiles(tmp_path / "here").open(name)


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"BZh91", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ],
)
def test_a_compressed_shard_is_refused(tmp_path: Path, head: bytes, word: str) -> None:
    (tmp_path / "a.tar").write_bytes(head + bytes(2000))
    message = error(tmp_path)
    assert f"compressed with {word}" in message
    assert "unpack it once" in message


def test_a_tar_that_gzip_wrote(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", PAIR, mode="w:gz")
    assert "gunzip" in error(tmp_path)


def test_a_damaged_header_in_the_middle_is_no_shorter_catalog(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", PAIR)
    with tarfile.open(path) as tar:
        offset = tar.getmembers()[2].offset
    data = bytearray(path.read_bytes())
    data[offset + 150] ^= 0xFF
    path.write_bytes(data)
    assert f"a damaged header at byte {offset:,}" in error(tmp_path)


@pytest.mark.parametrize("where", ["data", "header", "between"])
def test_a_shard_cut_short(tmp_path: Path, where: str) -> None:
    path = write_shard(tmp_path / "a.tar", PAIR)
    with tarfile.open(path) as tar:
        last = tar.getmembers()[-2]
    end = {"data": last.offset_data + 9, "header": last.offset + 100, "between": last.offset}[where]
    path.write_bytes(path.read_bytes()[:end])
    message = error(tmp_path)
    assert "a.tar" in message
    assert "copy the shard again" in message


def test_two_archives_joined(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", PAIR)
    path.write_bytes(path.read_bytes() * 2)
    assert "more data behind the end of the archive" in error(tmp_path)


@pytest.mark.parametrize("data", [b"", b"no tar at all", bytes(700)])
def test_no_tar(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(DatasetError, match=r"a\.tar|no query"):
        opened(tmp_path, "shards")


def test_a_member_that_shrinks_after_opening(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.tar", PAIR)
    files = ShardFiles(tmp_path)
    files.members("a.tar")
    path.write_bytes(path.read_bytes()[:600])
    with files.open("a.tar/q.jpg") as file, pytest.raises(OSError, match="cut short"):
        file.read()


def test_members_that_cannot_be_named_are_problems_together(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "a.tar",
        [*PAIR, ("../up.jpg", b"x"), ("/abs.jpg", b"x"), ("a/../../b.jpg", b"x"), PAIR[0]],
    )
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        for name, kind in (("soft.jpg", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "q.jpg"
            tar.addfile(link)
        pipe = tarfile.TarInfo("pipe.jpg")
        pipe.type = tarfile.FIFOTYPE
        tar.addfile(pipe)
    found = problems(tmp_path)
    expected = [
        "'../up.jpg' leads out of the shard",
        "'/abs.jpg' cannot be named: path '/abs.jpg' is absolute",
        "'a/../../b.jpg' leads out of the shard",
        "'q.jpg' stands twice in this shard",
        "'soft.jpg' is a link to 'q.jpg'",
        "'hard.jpg' is a link to 'q.jpg'",
        "'pipe.jpg' is no regular file",
    ]
    assert len(found) == len(expected)
    for problem, text in zip(found, expected, strict=True):
        assert problem.startswith("a.tar: member ")
        assert text in problem


def test_a_name_that_is_not_unicode(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [*PAIR, ("caf\udce9.jpg", b"x")], kind=tarfile.GNU_FORMAT)
    (problem,) = problems(tmp_path)
    assert "not valid Unicode" in problem


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"{", "not JSON"),
        (b"[1]", "an array, expected an object"),
        (b'{"product_id": 7.0, "role": "query"}', "product_id is the number 7.0"),
        (b'{"product_id": null, "role": "query"}', "product_id is null"),
        (b'{"product_id": true, "role": "query"}', "product_id is true"),
        (b'{"product_id": " 7", "role": "query"}', "begins or ends with white space"),
        (b'{"product_id": "7", "role": "train"}', "role is 'train', expected query or gallery"),
        (b'{"product_id": "7"}', "role is ''"),
        (b'{"role": "query"}', "'product_id' is not stated"),
        (b'{"product_id": "7", "product_id": "8"}', "stands twice"),
        (b'{"product_id": "7", "role": "query", "bbox": "1 2 3"}', "is not four numbers"),
        (b'{"product_id": "7", "role": "query", "light": {"a": 1}}', "light is an object"),
        (b"\xff{}", "not UTF-8"),
    ],
)
def test_damaged_labels_are_named_by_sample(tmp_path: Path, data: bytes, text: str) -> None:
    write_shard(tmp_path / "a.tar", [*PAIR, ("bad/1.jpg", jpeg(9)), ("bad/1.json", data)])
    (problem,) = problems(tmp_path, bbox="bbox", conditions=["light"])
    assert problem.startswith("a.tar: ")
    assert "bad/1" in problem
    assert text in problem


def test_images_without_labels_and_labels_without_image(tmp_path: Path) -> None:
    write_shard(
        tmp_path / "a.tar", [*PAIR, ("1.jpg", jpeg(9)), ("2.json", labels("x", role="query"))]
    )
    assert problems(tmp_path) == (
        "a.tar: sample '1': no member .json, which says the product",
        "a.tar: sample '2' has labels and no image "
        "(.jpg, .jpeg, .png, .webp, .gif, .bmp, .tif, .tiff, .avif)",
    )


def test_an_image_that_is_none_is_named(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [*PAIR, ("1.jpg", b"no image"), ("1.json", PAIR[1][1])])
    (problem,) = problems(tmp_path)
    assert problem.startswith("image 'a.tar/1.jpg': text that begins with 'no image'")


def test_missing_shards(tmp_path: Path) -> None:
    assert "no file that fits '*.tar'" in error(tmp_path)
    write_shard(tmp_path / "catalog-0000.tar", PAIR)
    message = error(tmp_path, shards="catalog-{0000..0002}.tar")
    assert "no shard 'catalog-0001.tar'" in message
    assert "a file; expected the folder" in error(tmp_path / "catalog-0000.tar")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shards": "../*.tar"}, "leads out"),
        ({"shards": "/data/*.tar"}, "absolute"),
        ({"shards": "a-{0..3.tar"}, "brace"),
        ({"shards": "a-{9..3}.tar"}, "runs down"),
        ({"shards": "a-{0..9999999}.tar"}, "more than 100,000"),
        ({"gallery": "a.tar"}, "gallery and queries"),
        ({"shards": "a.tar", "gallery": "a.tar", "queries": "b.tar"}, "gallery and queries"),
        ({"conditions": ["txt", ".txt"]}, "a name of its own"),
        ({"product": "sku"}, "unknown option 'product'"),
    ],
)
def test_options(tmp_path: Path, options: Any, text: str) -> None:
    write_shard(tmp_path / "a.tar", PAIR)
    with pytest.raises(SettingsError, match=text):
        opened(tmp_path, "shards", options=options)


def test_braces() -> None:
    assert expand("c-{0008..0011}.tar") == ["c-0008.tar", "c-0009.tar", "c-0010.tar", "c-0011.tar"]
    assert expand("{a,b}-{9..10}.tar") == ["a-9.tar", "a-10.tar", "b-9.tar", "b-10.tar"]
    assert expand("plain.tar") == ["plain.tar"]
