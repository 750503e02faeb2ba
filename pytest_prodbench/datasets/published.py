"""What is known of published sets: where they come from, under what terms, and what others measured on them.

One TOML file a set in ``references/``. It holds what was read at the place that it names, and nothing else:
a size, a digest or a licence that we could not read is absent. It needs pydantic: import it in functions.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from pytest_prodbench.errors import SettingsError, did_you_mean
from pytest_prodbench.settings.frozen import Frozen

REFERENCES = Path(__file__).parent / "references"

UNVERIFIED = "reported by third parties"
"""Kind of a figure that was quoted by others than those who measured it; nobody here has verified it."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Reference(Frozen):
    """A figure that somebody published.

    Attributes:
        model: as its source calls it.
        metric: a name of ours, with its k.
        value: on our scale: 0.745 where 74.5 was printed.
        on: part of the set, where it is not all of it.
        kind: whether those published it who measured it.
        source: where it stands.
        note: what sets it apart from a figure measured here.
    """

    model: str = Field(min_length=1)
    metric: str = Field(min_length=1)
    value: float = Field(ge=0, le=1, allow_inf_nan=False)
    kind: Literal["first-hand", "reported by third parties"]
    source: str = Field(min_length=1)
    on: str = ""
    note: str = ""

    @property
    def verified(self) -> bool:
        """Return whether those who measured it have said so themselves."""
        return self.kind != UNVERIFIED


class Download(Frozen):
    """A file, or some files of a repository on a hub.

    Attributes:
        kind: what gives it.
        address: of the file, or of the page that leads to it.
        name: below the folder of the set, with ``/``; of a hub or of a page, words.
        what: is in it.
        source: where all this was read.
        bytes: size, where it is stated exactly.
        size: size, as it is stated.
        sha256: digest, where one is stated; likewise ``md5``.
        checksums: address of a list with a line ``sha256 address`` for each file.
        unpack: whether it is an archive to be unpacked.
        optional: whether the set can be measured without it.
        form: what has to be done by hand, and cannot be done by a program.
        forbidden: why the licence forbids that a program fetches it.
        repository: on the hub, ``owner/name``.
        revision: on the hub; branch, tag or commit.
        allow_patterns: files of the repository; none: all.
    """

    kind: Literal["file", "hub"] = "file"
    address: str
    name: str = Field(min_length=1)
    what: str = Field(min_length=1)
    source: str = Field(min_length=1)
    bytes: int | None = Field(default=None, ge=1)
    size: str = ""
    sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    md5: str = Field(default="", pattern="^([0-9a-f]{32})?$")
    checksums: str = ""
    unpack: bool = False
    optional: bool = False
    form: str = ""
    forbidden: str = ""
    repository: str = ""
    revision: str = ""
    allow_patterns: list[str] = Field(default_factory=list)

    @field_validator("address", "checksums")
    @classmethod
    def _secure(cls, address: str) -> str:
        found = urlsplit(address)
        if address and found.scheme != "https" and found.hostname not in LOOPBACK:
            raise ValueError(f"{address!r} is no https address")
        return address

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind == "hub") != bool(self.repository and self.revision):
            raise ValueError("repository and revision belong to kind 'hub', which needs both")
        parts = self.name.split("/")
        if self.automatic and self.kind == "file" and (not all(parts) or {".", ".."} & {*parts}):
            raise ValueError(f"name {self.name!r} is no path below the folder of the set")
        return self

    @property
    def automatic(self) -> bool:
        """Return whether a program may and can fetch it."""
        return not (self.form or self.forbidden)

    @property
    def stated_size(self) -> str:
        """Return the size in words, or that none is stated."""
        if self.bytes is not None:
            return f"{self.bytes:,} bytes"
        return self.size or "size not stated"

    @property
    def known_hash(self) -> str | None:
        """Return ``sha256:…`` or ``md5:…``, None where no digest is stated."""
        if self.sha256:
            return f"sha256:{self.sha256}"
        return f"md5:{self.md5}" if self.md5 else None


class Published(Frozen):
    """What is known of one set.

    Attributes:
        title: its name.
        homepage: of those who made it; likewise ``paper``, in words.
        licence: as stated, with the words of the source where they matter; empty: we could not read it.
        commercial: whether commercial use is allowed, as stated.
        protocol: whether who queries whom is the authors' or ours.
        protocol_note: who queries whom.
        official_metrics: names of ours for what the authors report.
        counts: as published, in words.
        layout: that reads it; empty: none of ours.
        path: of the set below the folder that it was fetched into.
        options: of the layout, without which it would read another set.
        sources: where all this was read.
        download: what there is to be had.
        reference: figures of others.
    """

    title: str = Field(min_length=1)
    protocol: Literal["official", "ours"]
    sources: list[str] = Field(min_length=1)
    homepage: str = ""
    paper: str = ""
    licence: str = ""
    commercial: Literal["yes", "no", "partly", "not stated"] = "not stated"
    protocol_note: str = ""
    official_metrics: list[str] = Field(default_factory=list)
    counts: str = ""
    layout: str = ""
    path: str = "."
    options: dict[str, str] = Field(default_factory=dict)
    download: list[Download] = Field(default_factory=list)
    reference: list[Reference] = Field(default_factory=list)


def published_keys() -> list[str]:
    """Return the keys of all sets, in order."""
    return sorted(path.stem for path in REFERENCES.glob("*.toml"))


def published(key: str) -> Published:
    """Return what is known of a set.

    Raises:
        SettingsError: no file of this key, or something in it is wrong.
    """
    keys = published_keys()
    if key not in keys:
        raise SettingsError(
            "published sets",
            found=f"{key!r}, of which nothing is known here",
            expected="the key of a published set",
            next_step=did_you_mean(key, keys),
        )
    path = REFERENCES / f"{key}.toml"
    where = f"{path.parent.name}/{path.name}"
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(where, found=f"no TOML: {error}") from None
    try:
        return Published.model_validate(table)
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, entry['loc'])) or 'the file'}: {entry['msg']}"
            for entry in error.errors(include_url=False)
        ]
        raise SettingsError(where, found="; ".join(wrong)) from None
