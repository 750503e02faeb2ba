"""``prodbench download`` of published sets: terms first, then files, then the lines of a sector.toml."""

from __future__ import annotations

import hashlib
import io
import socket
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest
from pytest_httpserver import HTTPServer

from pytest_prodbench.cli import main
from pytest_prodbench.datasets import published as room
from pytest_prodbench.datasets.fetching import transfer

ABOUT = """
title = "A set of screws"
licence = "CC BY-NC 4.0"
commercial = "no"
protocol = "ours"
protocol_note = "photos against studio images"
homepage = "https://example.org/screws"
sources = ["a test"]
layout = "folder"
path = "screws"
"""


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here may ask another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"the network was used: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(transfer, "PAUSE", 0.0)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and facts that a test writes."""
    (tmp_path / "references").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(room, "REFERENCES", tmp_path / "references")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def archive() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as written:
        # Without the time of day: the same bytes whenever it is made.
        written.writestr(zipfile.ZipInfo("screws/gallery/m3/1.jpg"), b"one")
        written.writestr(zipfile.ZipInfo("screws/queries/m3/2.jpg"), b"two")
    return made.getvalue()


@pytest.fixture
def known(place: Path, httpserver: HTTPServer) -> Callable[..., bytes]:
    """Write facts on a set ``screws`` whose archive a local server gives."""

    def write(more: str = "", *, digest: str | None = None, about: str = ABOUT) -> bytes:
        content = archive()
        httpserver.expect_request("/screws.zip").respond_with_data(
            content, content_type="application/zip"
        )
        digest = hashlib.sha256(content).hexdigest() if digest is None else digest
        text = f"""{about}
[[download]]
address = "{httpserver.url_for("/screws.zip")}"
name = "screws.zip"
what = "photos"
source = "a test"
bytes = {len(content)}
sha256 = "{digest}"
unpack = true
{more}"""
        (place / "references/screws.toml").write_text(text)
        return content

    return write


def test_whole(
    known: Callable[..., bytes], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = known()
    assert main(["download", "screws", "--yes"]) == 0
    said = capsys.readouterr().out
    folder = place / "work/data/screws"
    assert (folder / "screws.zip").read_bytes() == content
    assert (folder / "screws/queries/m3/2.jpg").read_bytes() == b"two"
    for part in (
        "A set of screws",
        "CC BY-NC 4.0",
        "commercial use  no",
        f"{len(content):,} bytes",
    ):
        assert said.index(part) < said.index("sha256 as stated")
    assert "2 files unpacked" in said
    block = tomllib.loads(said[said.index("[datasets.screws]") :])
    assert block == {"datasets": {"screws": {"path": f"{folder}/screws", "layout": "folder"}}}
    # What was printed is a dataset as it stands.
    (place / "work/suites/diy").mkdir(parents=True)
    (place / "work/suites/diy/sector.toml").write_text(said[said.index("[datasets.screws]") :])
    assert main(["list"]) == 0
    assert "screws  folder data/screws/screws" in capsys.readouterr().out


def test_again_and_without_the_archive(
    known: Callable[..., bytes],
    place: Path,
    capsys: pytest.CaptureFixture[str],
    httpserver: HTTPServer,
) -> None:
    known()
    for says in ("2 files unpacked, archive removed", "unpacked already"):
        assert main(["download", "screws", "--yes", "--remove-archives", "--out", "sets"]) == 0
        assert says in capsys.readouterr().out
    assert not (place / "work/sets/screws/screws.zip").exists()
    assert len(httpserver.log) == 1


def test_without_a_terminal_it_must_be_agreed_to(
    known: Callable[..., bytes], place: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, httpserver: HTTPServer,
) -> None:  # fmt: skip
    known()
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["download", "screws"]) == 4
    told = capsys.readouterr()
    assert "A set of screws" in told.out
    assert "no terminal to ask on" in told.err
    assert "--yes" in told.err
    assert httpserver.log == []
    assert list((place / "work").iterdir()) == []


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_on_a_terminal_it_asks(
    known: Callable[..., bytes], place: Path, answer: str, code: int
) -> None:
    known()
    program = (
        "import sys, pathlib; from pytest_prodbench.datasets import published;"
        f"published.REFERENCES = pathlib.Path({str(place / 'references')!r});"
        "from pytest_prodbench.cli import main; sys.exit(main(['download', 'screws']))"
    )
    child = pexpect.spawn(sys.executable, ["-c", program], timeout=60, encoding="utf-8")
    child.expect(r"Licence and size are all right\? \[y/N\] ")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert (place / "work/data/screws/screws/gallery/m3/1.jpg").exists() == (code == 0)


def test_a_wrong_digest(
    known: Callable[..., bytes], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known(digest="0" * 64)
    assert main(["download", "screws", "--yes"]) == 4
    assert "sha256" in capsys.readouterr().err
    assert not (place / "work/data/screws/screws.zip").exists()


def test_options_without_which_the_layout_reads_another_set_are_printed(
    known: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    known(about=f'{ABOUT}options = {{ set = "screws" }}\n')
    assert main(["download", "screws", "--yes"]) == 0
    said = capsys.readouterr().out
    assert tomllib.loads(said[said.index("[datasets") :])["datasets"]["screws"]["set"] == "screws"


FORM = """
[[download]]
address = "https://example.org/agreement"
name = "boxes"
what = "boxes of the queries"
form = "Sign the agreement and send it to the authors."
source = "a test"
"""


def test_what_needs_a_form_is_said_with_its_address(
    known: Callable[..., bytes], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known(FORM)
    assert main(["download", "screws", "--yes"]) == 2
    said = capsys.readouterr().out
    assert said.count("by hand: Sign the agreement and send it to the authors.") == 2
    assert f"to be done by hand, into {place / 'work/data/screws'}" in said
    assert "2 files unpacked" in said
    assert "[datasets.screws]" in said
    known(FORM + "optional = true\n")
    assert main(["download", "screws", "--yes"]) == 0
    assert "not needed for every measurement" in capsys.readouterr().out


def test_a_form_alone_asks_nothing_and_sends_nothing(
    place: Path, capsys: pytest.CaptureFixture[str], httpserver: HTTPServer
) -> None:
    (place / "references/screws.toml").write_text(ABOUT + FORM)
    assert main(["download", "screws"]) == 2
    assert "https://example.org/agreement" in capsys.readouterr().out
    assert list((place / "work").iterdir()) == []


def test_what_a_licence_forbids(
    known: Callable[..., bytes],
    place: Path,
    capsys: pytest.CaptureFixture[str],
    httpserver: HTTPServer,
) -> None:
    known('forbidden = "Only people may fetch it, one by one."')
    assert main(["download", "screws", "--yes"]) == 2
    said = capsys.readouterr().out
    assert "the licence forbids that a program fetches it: Only people may" in said
    assert httpserver.log == []


def test_nothing_to_be_had(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "references/screws.toml").write_text(ABOUT)
    assert main(["download", "screws", "--yes"]) == 2
    assert "nothing of it can be fetched" in capsys.readouterr().out


def test_all_sets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "--list"]) == 0
    said = capsys.readouterr().out
    for key in room.published_keys():
        assert f"{key}\n" in said
    assert "commercial use: no" in said


MODELS = '[models]\nscrews = "timm:resnet18"\n'


def test_a_name_that_is_both_is_said_to_be(
    known: Callable[..., bytes], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known()
    suite = place / "work/suites/diy"
    suite.mkdir(parents=True)
    (place / "work/suites/models.toml").write_text(MODELS)
    (suite / "sector.toml").write_text('[datasets.bolts]\npath = "manifest.csv"\n')
    assert main(["download", "screws", "--yes"]) == 4
    told = capsys.readouterr()
    assert "'screws', which is a model of the suite and a published set" in told.err
    assert "dataset:screws" in told.err
    assert "timm:resnet18" in told.err
    assert main(["download", "dataset:screws", "--yes"]) == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["screw"], "did you mean 'screws'"),
        (["nothing-like-it"], "no sector.toml"),
        (["dataset:screw"], "did you mean 'screws'"),
        (["timm:resnet18", "--out", "x"], "no published set"),
        (["timm:resnet18", "--yes"], "no published set"),
    ],
)
def test_mistakes(
    known: Callable[..., bytes], capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    known()
    assert main(["download", *arguments]) == 4
    assert says in capsys.readouterr().err


def test_the_client_that_is_missing_is_named_with_its_extra(
    known: Callable[..., bytes], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known()
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert main(["download", "screws", "--yes"]) == 4
    assert "pytest-prodbench[download]" in capsys.readouterr().err


def test_an_escape_sequence_of_a_facts_file_stays_text(
    known: Callable[..., bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    known(about=ABOUT.replace("A set of", "\\u001b[2J\\u202eA set of"))
    assert main(["download", "screws", "--yes"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\u202e" not in said


def test_an_interruption_says_what_is_kept(
    known: Callable[..., bytes], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    known()

    def interrupted(*_arguments: Any, **_more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pytest_prodbench.datasets.fetching.sets.fetch_file", interrupted)
    assert main(["download", "screws", "--yes"]) == 130
    assert "run the same command again" in capsys.readouterr().err
