"""Published sets: shown with their terms first, then fetched, then told how to be written into a suite."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.datasets.published import published, published_keys
from pytest_prodbench.errors import SettingsError, unturned
from pytest_prodbench.report.wording import line

if TYPE_CHECKING:
    from pytest_prodbench.datasets.published import Download, Published

NOT_DONE = 2
"""Exit code where something is left to be done by hand, or was not agreed to."""

LONGEST = 2000
"""Characters of a line with words of a facts file."""

NOT_READ = "not known to us: read it on the authors' page"


def _say(text: str) -> None:
    """Print a line with somebody else's words in it: no escape sequence, no turned writing."""
    print(line(unturned(text), LONGEST))


def list_sets() -> int:
    """Print every published set that is known: terms, and how it is to be had."""
    for key in published_keys():
        about = published(key)
        print(key)
        _say(f"  {about.title}")
        _say(f"  licence {about.licence or NOT_READ}; commercial use: {about.commercial}")
        print(f"  {_how(about)}")
    return 0


def fetch_sets(keys: Sequence[str], out: str, *, agreed: bool, remove: bool) -> int:
    """Show all sets, ask once, fetch what a program may fetch.

    Args:
        keys: of the sets.
        out: folder; each set goes into one of its own below.
        agreed: do not ask.
        remove: take archives away when they are unpacked.

    Returns:
        0 everything is there; 2 something has to be done by hand, or was not agreed to.
    """
    from pytest_prodbench.datasets.fetching.sets import check_installed

    # By key and not by title: a folder that a script can name.
    places = {key: Path(out).expanduser().absolute() / key for key in keys}
    for key, folder in places.items():
        show(key, published(key), folder)
    code = 0
    try:
        parts = [part for key in keys for part in published(key).download if part.automatic]
        if parts:
            if any(part.kind == "file" for part in parts):
                check_installed()
            if not agreed and not _asked():
                print("nothing was fetched")
                return NOT_DONE
        for key, folder in places.items():
            code = max(code, _fetch(key, published(key), folder, remove=remove))
    except KeyboardInterrupt:
        sys.stderr.write(
            "\nprodbench: interrupted; what arrived is kept: run the same command again\n"
        )
        return 130
    return code


def show(key: str, about: Published, folder: Path) -> None:
    """Print title, terms, sizes and addresses of a set, before anything is sent."""
    _say(f"{about.title}  ({key})")
    for name, said in (
        ("homepage", about.homepage),
        ("paper", about.paper),
        ("licence", about.licence or NOT_READ),
        ("commercial use", about.commercial),
        ("protocol", f"{about.protocol}: {about.protocol_note}"),
        ("counts", about.counts),
        ("into", str(folder)),
    ):
        if said:
            _say(f"  {name:<15} {said}")
    for number, part in enumerate(about.download, start=1):
        _say(f"  {number}. {part.name}, {part.stated_size}: {part.what}")
        _say(f"     {part.address}")
        if part.repository:
            _say(f"     {part.repository} at {part.revision}, by the hub's client")
        elif part.automatic:
            _say(f"     {_digest(part)}")
        _print_by_hand(part)
    if not about.download:
        print("  nothing of it can be fetched")
    print()


def _fetch(key: str, about: Published, folder: Path, *, remove: bool) -> int:
    from pytest_prodbench.datasets.fetching.hub import fetch_hub
    from pytest_prodbench.datasets.fetching.sets import alone, fetch_file, unpack_file

    automatic = [part for part in about.download if part.automatic]
    if automatic:
        with alone(folder):
            for part in automatic:
                progress = _Progress(part.name)
                if part.kind == "hub":
                    commit, files = fetch_hub(part, folder)
                    _say(f"{part.name}: {files:,} files at commit {commit}")
                    continue
                path, said = fetch_file(part, folder, progress.bytes)
                progress.end()
                _say(f"{part.name}: {said}")
                if part.unpack:
                    said = unpack_file(path, folder, remove=remove, told=progress.files)
                    progress.end()
                    _say(f"{part.name}: {said}")
    left = [part for part in about.download if not part.automatic]
    if left:
        print(f"\nto be done by hand, into {folder}:")
    for part in left:
        _say(f"  {part.name}{' (not needed for every measurement)' if part.optional else ''}")
        _say(f"     {part.address}")
        _print_by_hand(part)
    if about.layout:
        print(f"\n{_block(key, about, folder)}")
    if not about.download:
        return NOT_DONE
    return NOT_DONE if any(not part.optional for part in left) else 0


def _block(key: str, about: Published, folder: Path) -> str:
    """Return what a sector.toml says of the set."""
    name, path = key.replace("_", "-"), (folder / about.path).as_posix()
    return (
        "for a sector.toml:\n\n"
        f"[datasets.{name}]\n"
        # A string of JSON is one of TOML.
        f"path = {json.dumps(path, ensure_ascii=False)}\n"
        f"layout = {json.dumps(about.layout)}\n"
        + "".join(f"{option} = {json.dumps(value)}\n" for option, value in about.options.items())
    )


def _asked() -> bool:
    if not sys.stdin.isatty():
        raise SettingsError(
            "prodbench download",
            found="no terminal to ask on",
            expected="your consent to the licence and the sizes above",
            next_step="go on without being asked: --yes",
        )
    try:
        answer = input("Licence and size are all right? [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in {"y", "yes"}


def _print_by_hand(part: Download) -> None:
    if part.forbidden:
        _say(f"     the licence forbids that a program fetches it: {part.forbidden}")
    if part.form:
        _say(f"     by hand: {part.form}")


def _digest(part: Download) -> str:
    if part.known_hash:
        return part.known_hash
    return f"digests: {part.checksums}" if part.checksums else "digest not stated"


def _how(about: Published) -> str:
    by_hand = [part for part in about.download if not part.automatic and not part.optional]
    automatic = [part for part in about.download if part.automatic]
    if not about.download:
        return "nothing of it can be fetched"
    if not by_hand:
        return "prodbench download fetches it"
    return "prodbench download fetches a part, the rest is by hand" if automatic else "by hand"


class _Progress:
    """How far a download is, on a terminal alone: a log needs its end only."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()

    def bytes(self, held: int, total: int | None) -> None:
        """Hear how many bytes are there."""
        share = f" of {total / 2**20:,.0f}" if total else ""
        self._line(f"{held / 2**20:,.0f}{share} MiB")

    def files(self, count: int) -> None:
        """Hear how many files are unpacked."""
        self._line(f"{count:,} files")

    def end(self) -> None:
        """Leave an empty line behind."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
        self._shown = 0.0

    def _line(self, text: str) -> None:
        if self._terminal and time.monotonic() - self._shown > 0.5:
            self._shown = time.monotonic()
            sys.stderr.write(f"\r\x1b[K{self._name}: {text}")
            sys.stderr.flush()
