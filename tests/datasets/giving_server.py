"""A server on the loopback interface that gives one file, and misbehaves as it is told."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


@dataclass
class Giver:
    """Gives ``content`` at ``address``.

    Attributes:
        tag: of this version; empty: the server names none.
        date: Last-Modified, where it says so.
        ranges: whether it gives parts.
        heeds: whether it gives a part of the version asked for only (If-Range).
        breaks: after so many bytes of each answer the connection ends, one for each request.
        statuses: answered first, one for each request.
        kind: Content-Type.
        silent: it does not say how long the file is.
    """

    server: HTTPServer
    content: bytes
    tag: str = '"one"'
    date: str = ""
    ranges: bool = True
    heeds: bool = True
    breaks: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    kind: str = "application/zip"
    asked: list[dict[str, str]] = field(default_factory=list)
    given: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.expect_request("/file").respond_with_handler(self._answer)

    @property
    def address(self) -> str:
        return self.server.url_for("/file")

    def _answer(self, request: Request) -> Response:
        self.asked.append(dict(request.headers))
        if self.statuses:
            self.given.append(0)
            return Response(status=self.statuses.pop(0))
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        version = request.headers.get("If-Range")
        begin = int(wanted[1]) if wanted and self.ranges else 0
        if version is not None and self.heeds and version not in {self.tag, self.date}:
            begin = 0
        headers = {"Content-Type": self.kind}
        if self.tag:
            headers["ETag"] = self.tag
        if self.date:
            headers["Last-Modified"] = self.date
        whole = len(self.content)
        if begin and begin >= whole:
            return Response(status=416, headers={**headers, "Content-Range": f"bytes */{whole}"})
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{whole - 1}/{whole}"
        rest = self.content[begin:]
        headers["Content-Length"] = str(len(rest))
        if self.breaks:
            rest = rest[: self.breaks.pop(0)]
        self.given.append(len(rest))
        # In two pieces: of one that is too short the server of Werkzeug sends nothing.
        half = len(rest) // 2
        pieces = [piece for piece in (rest[:half], rest[half:]) if piece]
        return Response(pieces, status=206 if begin else 200, headers=headers)
