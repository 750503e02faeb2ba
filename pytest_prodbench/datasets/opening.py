"""From a dataset's settings to a checked ``Dataset``: the one door for every layout."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_prodbench import registry
from pytest_prodbench.datasets import checks
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.errors import (
    DatasetError,
    ImageError,
    ProblemList,
    SettingsError,
    did_you_mean,
)
from pytest_prodbench.protocol import Dataset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from pytest_prodbench.datasets.known_files import KnownFiles
    from pytest_prodbench.datasets.layout import Layout, Tables
    from pytest_prodbench.settings.types import DatasetSpec


def validate_options(spec: DatasetSpec) -> BaseModel:
    """Return the layout's options, checked; opens nothing.

    Raises:
        SettingsError: nothing registers the layout, an option is unknown or of the wrong type; names
            the file and key.
    """
    return _options(spec, _layout(spec))


def open_dataset(
    spec: DatasetSpec,
    *,
    max_pixels: int,
    check_images: bool = True,
    known: KnownFiles | None = None,
) -> Dataset:
    """Return the dataset behind its settings, with everything checked that can be without decoding.

    Args:
        spec: what to open.
        max_pixels: largest accepted width x height of an image, in pixels.
        check_images: read the header of every image (existence, format, size, boxes). Off, opening
            a million rows takes seconds, and a broken image is found when it is decoded.
        known: of files that have not changed since, the header is not read again.

    Raises:
        SettingsError: as ``validate_options``.
        DatasetError: the source as a whole cannot be read.
        ProblemList: what is wrong with rows and images, all of it in one error.
    """
    where = _where(spec)
    tables = read_tables(spec)
    problems = [*tables.problems, *checks.repeated_rows(tables)]
    if not tables.problems:
        # Rows with problems are in no table: what depends on all of them would be blamed for it.
        empty = checks.empty_roles(tables)
        problems += empty
        if not empty and not spec.open_set:
            problems += checks.queries_without_positive(tables)
    if check_images:
        problems += _image_problems(tables, max_pixels, known)
    if problems:
        raise ProblemList(where, problems)
    return Dataset(
        name=spec.name,
        sector=spec.sector,
        layout=spec.layout,
        root=tables.root,
        queries=tables.queries,
        gallery=tables.gallery,
        open_set=spec.open_set,
        protocol_note=tables.protocol_note,
        files=tables.files,
        answers=tables.answers,
        official_metrics=tables.official_metrics,
        published=tables.published,
    )


def read_tables(spec: DatasetSpec) -> Tables:
    """Return what the layout finds, with its problems and before any check of ours.

    Raises:
        SettingsError: as ``validate_options``.
        DatasetError: the source as a whole cannot be read.
    """
    layout = _layout(spec)
    options = _options(spec, layout)
    if not spec.path.exists():
        raise DatasetError(
            _where(spec),
            found="no such file or folder",
            expected=f"what the layout {spec.layout!r} reads",
            next_step=f"correct path in {spec.where}, or fetch the data first",
        )
    return layout.open(spec, options)


def _where(spec: DatasetSpec) -> str:
    return f"dataset {spec.name!r} ({shown(spec.path)})"


def _image_problems(tables: Tables, max_pixels: int, known: KnownFiles | None) -> list[str]:
    from pytest_prodbench.datasets.decoding import read_header, refuse_large

    files = tables.files
    folder = known.below(tables.root) if known and files is None else None

    def read_size(image: str) -> tuple[int, int] | str:
        source = tables.root / image if files is None else partial(files.open, image)
        read = partial(read_header, source, max_pixels=max_pixels, where=image)
        try:
            size = read() if folder is None else folder.size(image, read)
            refuse_large(size, where=image, max_pixels=max_pixels)
        except ImageError as error:
            # Without its place, which the caller knows better: line and image.
            return str(error).removeprefix(f"{image}: ")
        return size

    return checks.unreadable_images(tables, read_size)


def _layout(spec: DatasetSpec) -> Layout[Any]:
    layout: Layout[Any] = registry.load("prodbench.datasets", spec.layout, where=spec.where)
    return layout


def _options(spec: DatasetSpec, layout: Layout[Any]) -> BaseModel:
    from pydantic import ValidationError

    try:
        options: BaseModel = layout.options.model_validate(spec.options)
    except ValidationError as error:
        known = sorted(layout.options.model_fields)
        wrong = [_describe(dict(entry), known) for entry in error.errors()]
        raise SettingsError(
            f"{spec.where}, {', '.join(key for key, _ in wrong)}",
            found="; ".join(text for _, text in wrong),
            expected=f"options of the layout {spec.layout!r}: {', '.join(known)}",
        ) from None
    return options


def _describe(entry: Mapping[str, Any], known: list[str]) -> tuple[str, str]:
    """Return the key that is wrong and what is wrong with it."""
    key = ".".join(str(part) for part in entry["loc"])
    if entry["type"] == "extra_forbidden":
        hint = f" ({did_you_mean(key, known)})" if len(entry["loc"]) == 1 else ""
        return key, f"unknown option {key!r}{hint}"
    if entry["type"] == "missing":
        return key, f"{key} is not stated"
    value = entry["input"]
    message = str(entry["msg"]).removeprefix("Value error, ")
    if not key:
        # Of options that do not go together; their values may hold what no message should.
        return "options", message
    return key, f"{key} = {value!r} ({type(value).__name__}): {message}"
