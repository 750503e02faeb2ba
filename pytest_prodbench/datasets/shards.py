"""Layout ``shards``: a web-dataset, tar files whose members belong together by their key.

``<key>.jpg`` (or ``<key>.front.jpg``, ``<key>.back.jpg``: several images of one product) stand beside
``<key>.json``, ``<key>.cls`` or ``<key>.txt``, which say what is on them. The key ends at the first dot of
the file name, as in the webdataset library (https://github.com/webdataset/webdataset, file format).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Literal

from pydantic import Field, field_validator, model_validator

from pytest_prodbench.datasets.folder import EXTENSIONS
from pytest_prodbench.datasets.layout import Layout, Tables
from pytest_prodbench.datasets.manifest_json import BadRowError, literal_object, literal_text
from pytest_prodbench.datasets.paths import image_path_problem
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.datasets.role_rows import RoleRows
from pytest_prodbench.datasets.shard_files import ShardFiles
from pytest_prodbench.datasets.shard_index import Span
from pytest_prodbench.datasets.shard_patterns import expand, shards_below
from pytest_prodbench.errors import DatasetError, ProblemList
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

__all__ = ["LAYOUT", "ShardFiles", "ShardsOptions", "open_shards"]

Role = Literal["query", "gallery"]
ROLES: tuple[Role, ...] = ("query", "gallery")
_RESERVED = {"image", "product_id", "family", "group", "bbox"}
_MAX_LABEL_BYTES = 10_000_000


class ShardsOptions(Frozen):
    """Options of the layout ``shards``.

    A field is a key of ``<key>.json``, or with a dot in front a member of its own: ``".cls"``.

    Attributes:
        shards: patterns of shards of both roles, below the dataset's path; ``role`` tells them apart.
        gallery: patterns of shards that hold gallery images only; with ``queries``, instead of ``shards``.
        queries: the same for queries.
        product_id: field of the SKU.
        role: field that says ``query`` or ``gallery``.
        family, group, bbox: fields as in a manifest; ``""``: none.
        conditions: fields that say how a photo was taken.
    """

    shards: list[str] = Field(default_factory=list)
    gallery: list[str] = Field(default_factory=list)
    queries: list[str] = Field(default_factory=list)
    product_id: str = Field(default="product_id", min_length=1)
    role: str = Field(default="role", min_length=1)
    family: str = ""
    group: str = ""
    bbox: str = ""
    conditions: list[str] = Field(default_factory=list)

    @field_validator("shards", "gallery", "queries", mode="before")
    @classmethod
    def _one_or_more(cls, patterns: Any) -> Any:
        return [patterns] if isinstance(patterns, str) else patterns

    @field_validator("shards", "gallery", "queries")
    @classmethod
    def _below(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            problem = image_path_problem(pattern)
            if problem or ".." in pattern.split("/"):
                raise ValueError(problem or f"{pattern!r} leads out of the dataset's path")
            expand(pattern)
        return patterns

    @field_validator("conditions")
    @classmethod
    def _distinct(cls, fields: list[str]) -> list[str]:
        names = [_condition(name) for name in fields]
        if len(set(names)) < len(names) or "" in names or {*names} & _RESERVED:
            raise ValueError(
                f"every condition needs a name of its own, none of {sorted(_RESERVED)}"
            )
        return fields

    @model_validator(mode="after")
    def _one_way(self) -> ShardsOptions:
        if bool(self.gallery) != bool(self.queries) or (self.gallery and self.shards):
            raise ValueError("state shards, or gallery and queries")
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that labels are read from, but for the role."""
        single = (self.product_id, self.family, self.group, self.bbox)
        return tuple(name for name in (*single, *self.conditions) if name)


@dataclass(slots=True)
class _Sample:
    images: list[str] = field(default_factory=list)
    labels: dict[str, Span] = field(default_factory=dict)


def open_shards(spec: DatasetSpec, options: ShardsOptions) -> Tables:
    """Read the headers and labels of all shards into tables; see ``Layout.open``.

    Raises:
        DatasetError: no shard, or one that is missing, compressed or damaged.
    """
    root = spec.path.resolve()
    if not root.is_dir():
        raise DatasetError(
            shown(root),
            found="a file",
            expected="the folder of the shards",
            next_step="name the folder in path and the shard in the option shards",
        )
    files = ShardFiles(root)
    conditions = tuple(map(_condition, options.conditions))
    rows = {role: RoleRows(conditions) for role in ROLES}
    problems: list[str] = []
    fixed: dict[Role, list[str]] = {"gallery": options.gallery, "query": options.queries}
    for role, patterns in fixed.items():
        for shard in shards_below(root, patterns):
            _read_shard(files, shard, options, role, rows, problems)
    if not options.gallery:
        for shard in shards_below(root, options.shards or ["*.tar"]):
            _read_shard(files, shard, options, None, rows, problems)
    found = [*problems, *rows["query"].problems, *rows["gallery"].problems]
    queries, gallery = (rows[role].table(conditions)[0] for role in ROLES)
    if found and not len(queries) and not len(gallery):
        raise ProblemList(shown(root), found)
    told = "which shard an image is in" if options.gallery else f"the field {options.role!r}"
    return Tables(
        root=root,
        queries=queries,
        gallery=gallery,
        protocol_note=f"Queries and gallery as {told} says; not an official split.",
        problems=tuple(found),
        files=files,
    )


def _read_shard(
    files: ShardFiles,
    shard: str,
    options: ShardsOptions,
    role: Role | None,
    rows: dict[Role, RoleRows],
    problems: list[str],
) -> None:
    members = files.members(shard)
    problems += members.problems
    fields = options.fields if role else (*options.fields, options.role)
    with (files.root / shard).open("rb") as tar:
        for key, sample in _samples(members.spans):
            where = f"{shard}: sample {key!r}"
            if not sample.images:
                problems.append(f"{where} has labels and no image ({', '.join(EXTENSIONS)})")
                continue
            try:
                labels = _labels(tar, sample, fields, options.product_id)
                here = role or _role(labels[options.role], options.role)
            except BadRowError as error:
                problems.append(f"{where}: {error}")
                continue
            row = {
                "product_id": labels[options.product_id],
                "family": labels.get(options.family, ""),
                "group": labels.get(options.group, ""),
                "bbox": labels.get(options.bbox, ""),
            }
            stated = {_condition(name): labels[name] for name in options.conditions}
            for image in sample.images:
                where = f"{shard}: {image!r}"
                rows[here].add({**stated, **row, "image": f"{shard}/{image}"}, where=where)


def _condition(name: str) -> str:
    return name.removeprefix(".")


def _samples(spans: dict[str, Span]) -> Iterator[tuple[str, _Sample]]:
    """Group the members of a shard by key, wherever they stand in it."""
    samples: dict[str, _Sample] = {}
    for name, span in spans.items():
        folder, slash, file = name.rpartition("/")
        stem, dot, ending = file.partition(".")
        if not dot:
            continue
        sample = samples.setdefault(f"{folder}{slash}{stem}", _Sample())
        if f".{ending.rpartition('.')[2].lower()}" in EXTENSIONS:
            sample.images.append(name)
        else:
            sample.labels[ending] = span
    yield from samples.items()


def _labels(
    tar: IO[bytes], sample: _Sample, fields: tuple[str, ...], product_field: str
) -> dict[str, str]:
    """Return field → text; ``""`` where a field is not stated."""
    needs_json = any(not name.startswith(".") for name in fields)
    stated: dict[str, Any] = {}
    if needs_json and "json" in sample.labels:
        stated = literal_object(_text(tar, sample.labels["json"], "json"))
    labels: dict[str, str] = {}
    for name in fields:
        if name.startswith("."):
            span = sample.labels.get(name[1:])
            # The end of the line is the file's, not the label's.
            labels[name] = "" if span is None else _text(tar, span, name[1:]).rstrip("\r\n")
        else:
            labels[name] = literal_text(
                name, stated.get(name), name == product_field and name in stated
            )
    if not labels[product_field]:
        member = product_field[1:] if product_field.startswith(".") else "json"
        missing = member not in sample.labels
        raise BadRowError(
            f"no member .{member}, which says the product"
            if missing
            else f"{product_field!r} is not stated; name its field with the option product_id"
        )
    return labels


def _text(tar: IO[bytes], span: Span, member: str) -> str:
    start, size = span
    if size > _MAX_LABEL_BYTES:
        raise BadRowError(f".{member} has {size:,} bytes, which is no label")
    tar.seek(start)
    try:
        return tar.read(size).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        bad = error.object[error.start : error.start + 4].hex(" ")
        raise BadRowError(f".{member} holds bytes {bad} that are not UTF-8") from None


def _role(text: str, name: str) -> Role:
    for role in ROLES:
        if text == role:
            return role
    raise BadRowError(
        f"{name} is {text!r}, expected query or gallery; or name the shards of each with the options "
        "gallery and queries"
    )


LAYOUT = Layout(options=ShardsOptions, open=open_shards)
