"""Images in an object store: file:// and memory:// stand for those that need an account."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest
from dataset_builders import encoded, noise, opened, row, write_csv
from fsspec.implementations.memory import MemoryFileSystem

from pytest_prodbench.datasets.content import content
from pytest_prodbench.datasets.decoding import read_header
from pytest_prodbench.datasets.files import kept_in, reopened
from pytest_prodbench.datasets.paths import shown_address
from pytest_prodbench.datasets.store_files import HEAD, StoreFiles
from pytest_prodbench.errors import DatasetError, ImageError, ProblemList

ROWS = [
    row("g/a.jpg", "007", "gallery"),
    row("g/größe.jpg", "7", "gallery"),
    row("q/c.jpg", "007", "query", light="dim"),
    row("q/d.jpg", "7", "query"),
]
SMALL = {str(each["image"]): encoded(noise(i), "PNG") for i, each in enumerate(ROWS)}


class Counting(MemoryFileSystem):
    """A store in memory that tells what was asked of it."""

    protocol = "counting"
    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's own way
    pseudo_dirs = [""]  # noqa: RUF012
    asked: list[tuple[str, int | None, int | None]] = []  # noqa: RUF012
    knows_ranges = True
    failure: Exception | None = None

    def cat_file(self, path: str, start: Any = None, end: Any = None, **more: Any) -> bytes:
        Counting.asked.append((path.rpartition("/")[2], start, end))
        if Counting.failure is not None:
            raise Counting.failure
        return super().cat_file(
            path, *((start, end) if self.knows_ranges else (None, None)), **more
        )


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Counting]]:
    fsspec.register_implementation("counting", Counting, clobber=True)
    for name, value in (("asked", []), ("store", {}), ("failure", None), ("knows_ranges", True)):
        monkeypatch.setattr(Counting, name, value)
    yield Counting
    Counting.clear_instance_cache()


@pytest.fixture(params=["memory", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    place = tmp_path / "bucket" if request.param == "file" else f"/bucket-{tmp_path.name}"
    address = f"{request.param}://{place}"
    fill(address)
    yield address
    fsspec.filesystem(request.param).rm(str(place), recursive=True)


def fill(address: str, images: dict[str, bytes] = SMALL) -> None:
    system = fsspec.filesystem(address.partition("://")[0])
    for name, data in images.items():
        system.makedirs(f"{address}/{name}".rpartition("/")[0], exist_ok=True)
        system.pipe_file(f"{address}/{name}", data)


def error(path: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        opened(path, options=options)
    assert not isinstance(caught.value, ProblemList)
    return str(caught.value)


def test_a_manifest_of_paths_below_a_store(tmp_path: Path, address: str) -> None:
    path = write_csv(tmp_path / "m.csv", ROWS)
    dataset = opened(path, options={"store": address + "/"})
    assert dataset.gallery.images == ("g/a.jpg", "g/größe.jpg")
    for name, data in SMALL.items():
        with dataset.open(name) as file:
            assert file.read() == data
    assert len(content(dataset).digest) == 64


def test_whole_addresses_are_taken_where_they_begin_with_the_store(
    tmp_path: Path, address: str
) -> None:
    rows = [{**each, "image": f"{address}/{each['image']}"} for each in ROWS]
    mixed = [*rows[:2], *ROWS[2:]]
    relative = opened(write_csv(tmp_path / "m.csv", ROWS), options={"store": address})
    assert opened(write_csv(tmp_path / "n.csv", rows), options={"store": address}) == relative
    assert opened(write_csv(tmp_path / "o.csv", mixed), options={"store": address}) == relative


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("memory://other/a.jpg", "not below the store"),
        ("memory://bucket-and-more/a.jpg", "not below the store"),
        (
            "https://user:s3cret@cdn.example/a.jpg?X-Amz-Signature=s3cret",
            "'https://cdn.example/a.jpg'",
        ),
        ("../a.jpg", "leads out of the store memory://bucket"),
        ("memory://bucket/../a.jpg", "leads out"),
        ("/a.jpg", "absolute"),
    ],
)
def test_images_elsewhere_are_refused(tmp_path: Path, image: str, text: str) -> None:
    path = write_csv(tmp_path / "m.csv", [*ROWS, row(image, "7", "query")])
    with pytest.raises(ProblemList) as caught:
        opened(path, check=False, options={"store": "memory://bucket"})
    (problem,) = caught.value.problems
    assert problem.startswith("m.csv line 6: ")
    assert text in problem
    assert "s3cret" not in problem


def test_an_address_without_a_store_says_what_to_do(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", [row("s3://b/a.jpg?sig=s3cret", "7", "query")])
    with pytest.raises(ProblemList, match="name its store with the option store") as caught:
        opened(path)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("store", "text"),
    [
        ("bucket/prefix", "no address of a store"),
        ("s3://", "no address of a store"),
        ("simplecache::s3://b", "no address of a store"),
        ("nosuch://bucket", "nosuch://, which fsspec does not know"),
        ("s3://key:s3cret@bucket", "with a password or parameters"),
        ("https://cdn.example/x?sig=s3cret", "with a password or parameters"),
    ],
)
def test_stores_that_are_none(tmp_path: Path, store: str, text: str) -> None:
    message = error(write_csv(tmp_path / "m.csv", ROWS), store=store)
    assert message.startswith("sector.toml [clips], store: ")
    assert text in message
    assert "s3cret" not in message


def test_store_or_root(tmp_path: Path) -> None:
    message = error(write_csv(tmp_path / "m.csv", ROWS), store="memory://b", root="photos")
    assert "store and root = 'photos'" in message


def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(protocol: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    message = error(write_csv(tmp_path / "m.csv", ROWS), store="s3://bucket")
    assert "s3:// needs a package that is not installed; Install s3fs to access S3" in message


def test_a_missing_image_is_named_as_missing(tmp_path: Path, address: str) -> None:
    path = write_csv(tmp_path / "m.csv", [*ROWS, row("g/none.jpg", "7", "gallery")])
    with pytest.raises(ProblemList) as caught:
        opened(path, options={"store": address})
    assert caught.value.problems == (
        "m.csv line 6 (image 'g/none.jpg'): no such file; add the file or correct the path",
    )


def test_a_header_costs_its_first_bytes_and_the_whole_one_request(
    tmp_path: Path, counting: type[Counting]
) -> None:
    large = {
        name: encoded(noise(i, 300, 200), "JPEG", quality=100, subsampling=0)
        for i, name in enumerate(SMALL)
    }
    assert min(map(len, large.values())) > 2 * HEAD
    fill("counting://b", large)
    counting.asked.clear()
    dataset = opened(write_csv(tmp_path / "m.csv", ROWS), options={"store": "counting://b"})
    names = sorted(name.rpartition("/")[2] for name in large)
    assert sorted(counting.asked) == [(name, 0, HEAD) for name in names]
    counting.asked.clear()
    content(dataset)
    with dataset.open("g/a.jpg") as file:
        assert file.read() == large["g/a.jpg"]
    assert sorted(counting.asked, key=str) == sorted(
        [(n, None, None) for n in [*names, "a.jpg"]], key=str
    )


@pytest.mark.parametrize("size", [0, 1, HEAD - 1, HEAD, HEAD + 1, 3 * HEAD])
@pytest.mark.parametrize("ranges", [True, False])
def test_every_way_to_read(counting: type[Counting], size: int, ranges: bool) -> None:
    data = bytes(i % 251 for i in range(size))
    fill("counting://b", {"x": data})
    counting.knows_ranges = ranges
    files = StoreFiles("counting://b")
    with files.open("x") as file:
        assert file.read() == data
    expected = 1 if size < HEAD or (size > HEAD and not ranges) else 2
    counting.asked.clear()
    with files.open("x") as file:
        assert b"".join(iter(lambda: file.read(1000), b"")) == data
    assert len(counting.asked) == expected
    counting.asked.clear()
    with files.open("x") as file:
        assert file.read(5) == data[:5]
        assert file.seek(-1, io.SEEK_END) == size - 1 if size else True
        assert file.read() == data[-1:]
        file.seek(0)
        assert file.read() == data
    assert len(counting.asked) == expected


def test_what_an_sdk_raises_is_an_error_of_the_image(
    tmp_path: Path, counting: type[Counting], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("counting://b", SMALL)
    files = StoreFiles("counting://b")
    monkeypatch.setattr(
        counting, "failure", RuntimeError("403 for https://u:s3cret@h/a.jpg?sig=s3cret (denied)")
    )
    with files.open("g/a.jpg") as file, pytest.raises(OSError, match="RuntimeError: 403") as caught:
        file.read()
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ImageError, match=r"403 for https://h/a\.jpg \(denied\)"):
        read_header(lambda: files.open("g/a.jpg"), max_pixels=100, where="a.jpg")
    monkeypatch.setattr(counting, "failure", PermissionError(13, "Access Denied"))
    with files.open("g/a.jpg") as file, pytest.raises(PermissionError):
        file.read()


def test_threads_and_processes(address: str) -> None:
    files = StoreFiles(address)
    again = pickle.loads(pickle.dumps(files))  # noqa: S301 - made here
    assert again == files

    def read(name: str) -> bytes:
        with again.open(name) as file:
            return file.read()

    names = sorted(SMALL) * 30
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, names)) == [SMALL[name] for name in names]


@pytest.mark.parametrize("image", ["../x", "/etc/hosts", ".."])
def test_nothing_outside_is_opened(address: str, image: str) -> None:
    with pytest.raises(FileNotFoundError):
        StoreFiles(address).open(image)


def test_what_evidence_says_of_it(tmp_path: Path, address: str) -> None:
    dataset = opened(write_csv(tmp_path / "m.csv", ROWS), options={"store": address})
    kind, place = kept_in(dataset)
    if address.startswith("file:"):
        # A folder of this machine is recorded as any other folder.
        assert (kind, place) == ("", tmp_path / "bucket")
        assert dataset.path("g/a.jpg").read_bytes() == SMALL["g/a.jpg"]
    else:
        assert (kind, place) == ("store", address)
        files = reopened(kind, place)
        assert files is not None
        with files.open("g/a.jpg") as file:
            assert file.read() == SMALL["g/a.jpg"]


@pytest.mark.parametrize("kind", ["", "unknown", "store"])
def test_no_way_back(kind: str) -> None:
    assert reopened(kind, "nosuch://bucket") is None


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://bucket/a b.jpg", "s3://bucket/a b.jpg"),
        ("abfs://container@account.example/a", "abfs://container@account.example/a"),
        ("https://user:pw@host/a?b=c#d", "https://host/a"),
        ("photos/what?.jpg", "photos/what?.jpg"),
    ],
)
def test_shown_address(address: str, shown: str) -> None:
    assert shown_address(address) == shown
