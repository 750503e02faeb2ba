"""A file over HTTP from a server on the loopback interface: whole, interrupted, changed, refused."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from giving_server import Giver
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from pytest_prodbench.datasets.fetching import transfer as room_of_transfer
from pytest_prodbench.datasets.fetching.sets import LOCK, alone, fetch_file
from pytest_prodbench.datasets.fetching.transfer import TRIES, transfer
from pytest_prodbench.datasets.published import Download
from pytest_prodbench.errors import DatasetError

CONTENT = random.Random(8).randbytes(300_000)
OTHER = random.Random(9).randbytes(300_000)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_of_transfer, "PAUSE", 0.0)


@pytest.fixture
def giver(httpserver: HTTPServer) -> Giver:
    return Giver(httpserver, CONTENT)


def asked_for(giver: Giver, **more: Any) -> Download:
    return Download(
        address=giver.address, name="set.zip", what="photos", source="a test", **more
    )  # fmt: skip


def fetch(giver: Giver, folder: Path, **more: Any) -> tuple[bytes, str]:
    path, said = fetch_file(asked_for(giver, **more), folder, lambda _held, _total: None)
    assert path == folder / "set.zip"
    return path.read_bytes(), said


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file(giver: Giver, tmp_path: Path) -> None:
    heard = []
    path, said = fetch_file(
        asked_for(giver, bytes=len(CONTENT), sha256=sha256(CONTENT)),
        tmp_path,
        lambda held, total: heard.append((held, total)),
    )
    assert path.read_bytes() == CONTENT
    assert said == "sha256 as stated"
    assert left(tmp_path) == ["set.zip"]
    assert giver.asked[0]["Accept-Encoding"] == "identity"
    assert heard[-1] == (len(CONTENT), len(CONTENT))


def test_a_file_that_is_there_is_checked_and_not_asked_for(giver: Giver, tmp_path: Path) -> None:
    fetch(giver, tmp_path)
    content, said = fetch(giver, tmp_path, md5=hashlib.md5(CONTENT).hexdigest())  # noqa: S324 - as stated
    assert (content, said) == (CONTENT, "there already, md5 as stated")
    assert len(giver.asked) == 1
    with pytest.raises(DatasetError, match="delete it and run"):
        fetch(giver, tmp_path, sha256=sha256(OTHER))


def test_without_a_digest_it_is_said_that_nothing_was_checked(giver: Giver, tmp_path: Path) -> None:
    assert fetch(giver, tmp_path)[1] == "not checked: no digest is stated for it"


def test_a_broken_connection_is_resumed_at_once(giver: Giver, tmp_path: Path) -> None:
    giver.breaks = [100_000, 50_000]
    assert fetch(giver, tmp_path)[0] == CONTENT
    assert giver.given == [100_000, 50_000, 150_000]
    assert [asked.get("Range") for asked in giver.asked] == [None, "bytes=100000-", "bytes=150000-"]
    assert giver.asked[1]["If-Range"] == '"one"'


def test_what_arrived_is_kept_for_the_next_run(giver: Giver, tmp_path: Path) -> None:
    giver.breaks = [120_000, *[0] * TRIES]
    with pytest.raises(DatasetError, match="120,000 bytes are here") as caught:
        fetch(giver, tmp_path)
    assert f"{TRIES} attempts failed" in str(caught.value)
    assert (tmp_path / "set.zip.part").read_bytes() == CONTENT[:120_000]
    assert fetch(giver, tmp_path)[0] == CONTENT
    assert giver.given[-1] == 180_000
    assert left(tmp_path) == ["set.zip"]


def test_a_server_without_ranges_begins_anew(giver: Giver, tmp_path: Path) -> None:
    giver.breaks, giver.ranges = [100_000], False
    assert fetch(giver, tmp_path)[0] == CONTENT
    assert giver.given == [100_000, 300_000]


def interrupted(giver: Giver, folder: Path) -> None:
    giver.breaks = [100_000, *[0] * TRIES]
    with pytest.raises(DatasetError):
        fetch(giver, folder)
    giver.breaks = []


@pytest.mark.parametrize("size", [300_000, 80_000], ids=["equal", "shorter"])
@pytest.mark.parametrize("heeds", [True, False], ids=["heeds", "ignores If-Range"])
def test_a_file_that_changed_is_taken_whole(
    giver: Giver, tmp_path: Path, heeds: bool, size: int
) -> None:
    interrupted(giver, tmp_path)
    giver.content, giver.tag, giver.heeds = OTHER[:size], '"two"', heeds
    assert fetch(giver, tmp_path)[0] == OTHER[:size]


def test_a_part_that_comes_from_elsewhere_is_not_gone_on_with(giver: Giver, tmp_path: Path) -> None:
    (tmp_path / "set.zip.part").write_bytes(OTHER[:100])
    memo = {"address": "https://example.org/file", "validator": '"one"', "total": 300_000}
    (tmp_path / "set.zip.part.json").write_text(json.dumps(memo))
    assert fetch(giver, tmp_path)[0] == CONTENT
    assert "Range" not in giver.asked[0]


@pytest.mark.parametrize("memo", ["", "[]", "{}", '{"address": 1}', "\xff"])
def test_a_damaged_memo_is_none(giver: Giver, tmp_path: Path, memo: str) -> None:
    (tmp_path / "set.zip.part").write_bytes(OTHER[:100])
    (tmp_path / "set.zip.part.json").write_bytes(memo.encode("latin-1"))
    assert fetch(giver, tmp_path)[0] == CONTENT


def test_a_weak_tag_proves_nothing_and_a_date_does(giver: Giver, tmp_path: Path) -> None:
    giver.tag, giver.breaks = 'W/"one"', [100_000]
    assert fetch(giver, tmp_path / "")[0] == CONTENT
    assert "Range" not in giver.asked[1]
    (tmp_path / "set.zip").unlink()
    giver.date, giver.breaks = "Sat, 28 Nov 2026 10:00:00 GMT", [100_000]
    assert fetch(giver, tmp_path)[0] == CONTENT
    assert giver.asked[3]["If-Range"] == giver.date


def test_without_a_version_only_a_digest_lets_a_part_be_used(giver: Giver, tmp_path: Path) -> None:
    giver.tag, giver.breaks = "", [100_000]
    assert fetch(giver, tmp_path)[0] == CONTENT
    assert giver.given == [100_000, 300_000]
    (tmp_path / "set.zip").unlink()
    giver.breaks = [100_000]
    assert fetch(giver, tmp_path, sha256=sha256(CONTENT))[0] == CONTENT
    assert giver.given[2:] == [100_000, 200_000]


def test_a_part_of_another_file_under_one_name_is_found_by_its_digest(
    giver: Giver, tmp_path: Path
) -> None:
    interrupted(giver, tmp_path)
    giver.content = OTHER
    with pytest.raises(DatasetError, match="begins anew"):
        fetch(giver, tmp_path, sha256=sha256(OTHER))
    assert fetch(giver, tmp_path, sha256=sha256(OTHER))[0] == OTHER


def test_a_wrong_digest_leaves_nothing(giver: Giver, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="begins anew") as caught:
        fetch(giver, tmp_path, sha256=sha256(OTHER))
    assert sha256(OTHER) in str(caught.value)
    assert sha256(CONTENT) in str(caught.value)
    assert left(tmp_path) == []


def test_another_size_than_stated_is_found_before_a_byte(giver: Giver, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="a file of 300,000 bytes; expected 299,999"):
        fetch(giver, tmp_path, bytes=299_999)
    assert left(tmp_path) == []


@pytest.mark.parametrize(
    ("status", "says"),
    [(401, "sign in"), (403, "does not give"), (404, "no such file"), (410, "taken away")],
)
def test_a_refusal_is_said_once(giver: Giver, tmp_path: Path, status: int, says: str) -> None:
    giver.statuses = [status]
    with pytest.raises(DatasetError, match=f"HTTP {status}.*{says}"):
        fetch(giver, tmp_path)
    assert len(giver.asked) == 1


def test_a_busy_server_is_asked_again(giver: Giver, tmp_path: Path) -> None:
    giver.statuses = [503, 429, 500]
    assert fetch(giver, tmp_path)[0] == CONTENT
    giver.statuses = [503] * TRIES
    (tmp_path / "set.zip").unlink()
    with pytest.raises(DatasetError, match="HTTP 503"):
        fetch(giver, tmp_path)


def test_no_server(giver: Giver, tmp_path: Path) -> None:
    lost = asked_for(giver).model_copy(update={"address": "http://127.0.0.1:9/file"})
    with pytest.raises(DatasetError, match="ConnectError"):
        fetch_file(lost, tmp_path, lambda _held, _total: None)


def test_a_web_page_in_the_place_of_the_file(giver: Giver, tmp_path: Path) -> None:
    giver.kind = "text/html; charset=utf-8"
    with pytest.raises(
        DatasetError, match=r"a web page; expected the file set\.zip; open the address"
    ):
        fetch(giver, tmp_path)


def test_a_part_that_is_longer_than_the_file_is_dropped(giver: Giver, tmp_path: Path) -> None:
    interrupted(giver, tmp_path)
    giver.content = CONTENT[:50_000]
    assert fetch(giver, tmp_path)[0] == CONTENT[:50_000]


def test_a_disk_without_room_is_told_before_a_byte(
    giver: Giver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(f_bavail=70_000, f_frsize=4096, f_blocks=10**6, f_bfree=70_000)
    monkeypatch.setattr(os, "statvfs", lambda _path: full)
    fetch(giver, tmp_path)  # 286,720,000 bytes free: 300,000 go in, and 268,435,456 are spared
    full.f_bavail = 65_536
    with pytest.raises(
        DatasetError, match="268,435,456 bytes free on the disk; expected 300,000 for"
    ):
        fetch(giver, tmp_path / "..")
    assert not (tmp_path.parent / "set.zip.part").exists()


def test_a_secure_address_must_not_lead_to_one_that_is_not() -> None:
    first = httpx2.Response(302, request=httpx2.Request("GET", "https://example.org/a"))
    last = httpx2.Response(
        200, request=httpx2.Request("GET", "http://example.org/b"), history=[first]
    )
    with pytest.raises(DatasetError, match="without https"):
        room_of_transfer._check_way(last)  # no local server has https


def test_digests_of_a_list_on_the_server(giver: Giver, tmp_path: Path) -> None:
    address = giver.server.url_for("/checksums.txt")
    lines = f"{sha256(OTHER)}  https://example.org/other\n{sha256(CONTENT)}  {giver.address}\n"
    giver.server.expect_request("/checksums.txt").respond_with_data(lines)
    assert fetch(giver, tmp_path, checksums=address) == (CONTENT, "sha256 as stated")
    giver.server.clear()
    giver.server.expect_request("/checksums.txt").respond_with_data(lines.splitlines()[0])
    with pytest.raises(DatasetError, match="no line on"):
        fetch(giver, tmp_path, checksums=address)
    giver.server.clear()
    giver.server.expect_request("/checksums.txt").respond_with_data("", status=404)
    with pytest.raises(DatasetError, match="HTTP 404"):
        fetch(giver, tmp_path, checksums=address)


def test_two_at_once_in_one_folder(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(DatasetError, match="another 'prodbench download'"):
        alone(tmp_path).__enter__()
    with alone(tmp_path):
        assert left(tmp_path) == [LOCK]


def test_a_killed_process_leaves_a_part_that_is_gone_on_with(
    httpserver: HTTPServer, tmp_path: Path
) -> None:
    go = tmp_path / "go"

    def slow(request: Request) -> Response:
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])

        def pieces() -> Any:
            yield CONTENT[begin:200_000]
            while not go.exists():
                time.sleep(0.01)
            yield CONTENT[200_000:]

        headers = {"ETag": '"one"', "Content-Length": str(len(CONTENT) - begin)}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(CONTENT) - 1}/{len(CONTENT)}"
        return Response(pieces(), status=206 if begin else 200, headers=headers)

    httpserver.expect_request("/slow").respond_with_handler(slow)
    address, target = httpserver.url_for("/slow"), tmp_path / "set.zip"
    code = (
        "import sys, pathlib; from pytest_prodbench.datasets.fetching.transfer import transfer;"
        "transfer(sys.argv[1], pathlib.Path(sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, address, str(target)])
    part = tmp_path / "set.zip.part"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (part.exists() and part.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    go.touch()
    held = part.stat().st_size
    assert 0 < held < len(CONTENT)
    assert transfer(address, target).read_bytes() == CONTENT
    assert httpserver.log[-1][0].headers["Range"] == f"bytes={held}-"
