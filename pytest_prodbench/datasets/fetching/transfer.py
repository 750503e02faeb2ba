"""One file over HTTP: resumed where it was interrupted, and never taken for whole when it is not.

What arrives goes into ``NAME.part``; beside it ``NAME.part.json`` says of which file it is a part. The next
request asks for the rest only if the server still has that very file (RFC 9110: Range with If-Range).
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_prodbench.atomic import atomic_write_text
from pytest_prodbench.datasets.fetching.room import need_room
from pytest_prodbench.errors import DatasetError

if TYPE_CHECKING:
    import httpx2

TRIES = 5
"""Attempts in a row that bring nothing; one that brings something begins to count anew."""

PAUSE = 1.0
"""Seconds after the first of them; twice as many after each further one."""

SILENCE = 60.0
"""Seconds without a byte after which a connection is given up."""

LATER = frozenset((408, 425, 429, 500, 502, 503, 504))
"""Answers after which the same request may go well."""

Told = Callable[[int, int | None], None]
"""Called with the bytes that are there, and all of them if that is known."""

_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")


class _LaterError(Exception):
    """Try again: the reason in words."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Of which file something is a part.

    Attributes:
        address: where it came from.
        validator: what the server called that version (ETag, or Last-Modified); empty: nothing.
        total: bytes of the whole file, if known.
    """

    address: str
    validator: str
    total: int | None


def transfer(
    address: str,
    target: Path,
    *,
    size: int | None = None,
    checked: bool = False,
    told: Told = lambda _held, _total: None,
) -> Path:
    """Bring a file to this machine, and return where it lies: beside ``target``, which the caller gives it.

    Args:
        address: of the file.
        target: the name it is to have; the folder is there.
        size: bytes, where they are stated: another number is an error.
        checked: a digest will be checked, so that a part is trusted even if the server names no version.
        told: hears how far it is.

    Raises:
        DatasetError: the server refuses, gives another file, or breaks off too often; no room.
    """
    import httpx2

    part, memo = (
        target.with_name(f"{target.name}.part"),
        target.with_name(f"{target.name}.part.json"),
    )
    known = _read(memo, address)
    if known is None or not part.is_file():
        part.unlink(missing_ok=True)
    elif known.total is not None and part.stat().st_size == known.total:
        return part
    failures = 0
    with httpx2.Client(follow_redirects=True, timeout=httpx2.Timeout(SILENCE)) as client:
        while True:
            before = _held(part)
            try:
                _go_on(client, address, part, memo, size, checked, told)
            except (_LaterError, httpx2.TransportError) as error:
                failures = 1 if _held(part) > before else failures + 1
                if failures >= TRIES:
                    raise _broken(address, part, error) from None
                time.sleep(PAUSE * 2 ** (failures - 1))
            except (httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
                raise _broken(address, part, error) from None
            except OSError as error:
                raise DatasetError(
                    str(part),
                    found=f"cannot be written: {error.strerror or error}",
                    next_step="mend that and run the same command again; what arrived is kept",
                ) from None
            else:
                return part


def forget(target: Path) -> None:
    """Take away what was kept of a file."""
    for ending in (".part", ".part.json"):
        target.with_name(target.name + ending).unlink(missing_ok=True)


def text_of(address: str) -> str:
    """Return a small text.

    Raises:
        DatasetError: it cannot be had.
    """
    import httpx2

    try:
        with httpx2.Client(follow_redirects=True, timeout=httpx2.Timeout(SILENCE)) as client:
            answer = client.get(address)
    except httpx2.HTTPError as error:
        raise DatasetError(address, found=f"no answer ({type(error).__name__})") from None
    _check_way(answer)
    if answer.status_code != 200:
        raise _refused(address, answer.status_code)
    return answer.text


def _go_on(
    client: httpx2.Client,
    address: str,
    part: Path,
    memo: Path,
    size: int | None,
    checked: bool,
    told: Told,
) -> None:
    """Ask for what is missing, and write it as it comes."""
    held, known = _held(part), _read(memo, address)
    headers = {"Accept-Encoding": "identity"}
    if held and known and (known.validator or checked):
        headers["Range"] = f"bytes={held}-"
        if known.validator:
            headers["If-Range"] = known.validator
    else:
        held = 0
    with client.stream("GET", address, headers=headers) as answer:
        _check_way(answer)
        held, total = _begin(answer, address, held, known, part)
        _check_file(answer, address, part, size, total)
        need_room(part.parent, max((total or size or 0) - held, 0), part.name.removesuffix(".part"))
        version = _validator(answer) or (known.validator if held and known else "")
        atomic_write_text(memo, json.dumps(asdict(_Part(address, version, total))))
        with part.open("ab" if held else "wb") as file:
            # As they come: pieces of a size of ours would be lost when the connection breaks within one.
            for chunk in answer.iter_raw():
                file.write(chunk)
                held += len(chunk)
                told(held, total)
    if total is not None and held != total:
        raise _LaterError(f"{held:,} of {total:,} bytes arrived")


def _begin(
    answer: httpx2.Response, address: str, held: int, known: _Part | None, part: Path
) -> tuple[int, int | None]:
    """Return from where the answer goes on, and how many bytes there are in all."""
    status = answer.status_code
    if status == 200:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    if status in {206, 416} and held:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        total = int(found[2]) if found and found[2] != "*" else None
        begins = int(found[1]) if found and found[1] is not None else None
        same = known is not None and known.total in {None, total}
        # Some servers give a part of whatever they have now, and say so by its name alone.
        same = same and known is not None and _validator(answer) in {"", known.validator}
        if status == 206 and begins == held and same:
            return held, total
        # Not the rest of what is here: another file, or a part that is longer than the whole.
        part.unlink(missing_ok=True)
        raise _LaterError("the server has another file than the one that a part is here of")
    if status in LATER:
        raise _LaterError(f"HTTP {status}")
    raise _refused(address, status)


def _check_way(answer: httpx2.Response) -> None:
    """Raise DatasetError if a secure address led to one that is not."""
    way = [*answer.history, answer]
    if way[0].url.scheme == "https" and any(step.url.scheme != "https" for step in way):
        raise DatasetError(
            str(way[0].url),
            found="sends to an address without https, where anybody on the way can change the file",
            next_step="fetch it by hand from a place that you trust",
        )


def _check_file(
    answer: httpx2.Response, address: str, part: Path, size: int | None, total: int | None
) -> None:
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    name = part.name.removesuffix(".part")
    if kind == "text/html" and not name.endswith((".html", ".htm")):
        raise DatasetError(
            address,
            found="a web page",
            expected=f"the file {name}",
            next_step="open the address in a browser: the server wants something to be read or confirmed",
        )
    if size is not None and total is not None and total != size:
        raise DatasetError(
            address,
            found=f"a file of {total:,} bytes",
            expected=f"{size:,} bytes, as stated by its authors",
            next_step="it is another release: look at the authors' page before you use it",
        )


def _validator(answer: httpx2.Response) -> str:
    tag: str = answer.headers.get("ETag", "")
    # A weak tag says "as good as", not "the same bytes": If-Range must not carry it.
    if tag and not tag.startswith("W/"):
        return tag
    date: str = answer.headers.get("Last-Modified", "")
    return date


def _refused(address: str, status: int) -> DatasetError:
    reasons: Mapping[int, str] = {
        401: "it wants you to sign in",
        403: "it does not give this file to you",
        404: "it has no such file (any more)",
        410: "the file was taken away",
    }
    steps: Mapping[int, str] = {
        401: "open the address in a browser and fetch the file by hand",
        403: "open the authors' page in a browser: there may be terms to be agreed to",
    }
    return DatasetError(
        address,
        found=f"the server answers HTTP {status}"
        + (f": {reasons[status]}" if status in reasons else ""),
        next_step=steps.get(status, "look at the authors' page for where the file is now"),
    )


def _broken(address: str, part: Path, error: Exception) -> DatasetError:
    reason = str(error) if isinstance(error, _LaterError) else type(error).__name__
    return DatasetError(
        address,
        found=f"{TRIES} attempts failed, the last with: {reason}",
        next_step=f"run the same command again: {_held(part):,} bytes are here, and it goes on from them "
        "where the server allows it",
    )


def _read(memo: Path, address: str) -> _Part | None:
    """Return what is said of a part; None if nothing usable is, or it came from elsewhere."""
    try:
        said: dict[str, Any] = json.loads(memo.read_text(encoding="utf-8"))
        found = _Part(str(said["address"]), str(said["validator"]), said["total"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.address == address and isinstance(found.total, int | None) else None


def _held(part: Path) -> int:
    try:
        return os.stat(part).st_size  # noqa: PTH116 - one call, asked after every attempt
    except FileNotFoundError:
        return 0
