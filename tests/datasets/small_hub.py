"""As much of the Hugging Face hub as its client asks for, on the loopback interface: one repository."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

COMMIT = "9556adace66a20ac7ef034b6b9dd854c0ed9779f"


@dataclass
class SmallHub:
    """Gives ``files`` of the data set ``team/set`` at ``COMMIT``.

    Attributes:
        status: of every answer, if it is not 200.
        breaks: files of which the first answer ends in the middle.
    """

    server: HTTPServer
    files: dict[str, bytes]
    status: int = 200
    breaks: set[str] = field(default_factory=set)
    given: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server.expect_request(re.compile("/.*")).respond_with_handler(self._answer)

    @property
    def endpoint(self) -> str:
        return self.server.url_for("").rstrip("/")

    def _answer(self, request: Request) -> Response:
        if self.status != 200:
            code = {403: "GatedRepo", 404: "RepoNotFound"}[self.status]
            return Response("{}", status=self.status, headers={"X-Error-Code": code})
        api = "/api/datasets/team/set/"
        if request.path.startswith(f"{api}revision/"):
            return _json({"_id": "1", "id": "team/set", "sha": COMMIT, "siblings": []})
        if request.path.startswith(f"{api}tree/{COMMIT}"):
            return _json([self._entry(name) for name in self.files])
        name = request.path.removeprefix(f"/datasets/team/set/resolve/{COMMIT}/")
        if name not in self.files:
            return Response(status=404, headers={"X-Error-Code": "EntryNotFound"})
        content = self.files[name]
        headers = {
            "ETag": f'"{_oid(content)}"',
            "X-Repo-Commit": COMMIT,
            "Content-Length": str(len(content)),
            "Accept-Ranges": "bytes",
        }
        if request.method == "HEAD":
            return Response(headers=headers)
        self.given.append(name)
        begin = int(request.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        rest = content[begin:]
        headers["Content-Length"] = str(len(rest))
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        if name in self.breaks:
            self.breaks.remove(name)
            rest = rest[: len(rest) // 2]
        return Response([rest], status=206 if begin else 200, headers=headers)

    def _entry(self, name: str) -> dict[str, object]:
        content = self.files[name]
        return {"type": "file", "oid": _oid(content), "size": len(content), "path": name}


def _json(data: object) -> Response:
    import json

    return Response(json.dumps(data), content_type="application/json")


def _oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324 - as git has it
