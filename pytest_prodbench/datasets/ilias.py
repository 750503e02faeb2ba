"""Layout ``ilias``: one object on a clean background is searched for among cluttered photos and distractors.

Kordopatis-Zilos et al., "ILIAS: Instance-Level Image retrieval At Scale", CVPR 2025, arXiv 2502.11748,
https://github.com/ilias-vrg/ilias (code MIT). Images taken by the authors and their helpers are CC BY 4.0,
those from the internet have the licence of their own address (``*_url.txt``); distractors are YFCC100M.

Read in that repository: ``download/README.md`` (folders, box files), ``evaluation/src/dataset.py`` (id files,
map@1000 divided by min(k, R), 0 where no positive is among the first k, instance = the id before "/"),
``feature_extraction`` (queries are whole images unless ``--crop_resize`` cuts them to the smallest box
around all boxes of the file), ``knn_search`` (mini-ILIAS: the distractors of a list of keys). Not known:
what the fields behind the id in ``image_query_ids.txt`` mean (they are not read there either), and the exact
number of distractors in either list; neither is verified here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import ValidationInfo, field_validator, model_validator

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.ilias_distractors import Distractors, read_distractors
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.manifest_rows import read_text
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem, shown
from pytest_prodbench.datasets.release import StatedCounts, numbered_lines, release_file
from pytest_prodbench.errors import DatasetError, ProblemList
from pytest_prodbench.protocol import Box, ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

PUBLISHED = {"image queries": 1232, "positive images": 4715, "instances": 1000}

CORE = "ilias_core"
QUERY_IDS = "image_ids/image_query_ids.txt"
POSITIVE_IDS = "image_ids/positive_ids.txt"


class IliasOptions(Frozen):
    """Options of the layout ``ilias``.

    Attributes:
        part: ``core`` has no distractors, ``mini`` the published 5 million, ``full`` the 100 million.
        distractors: folder of YFCC100M's tar shards, or of images unpacked from them; relative to path.
        distractor_list: a list of distractors of your own (``.txt`` or ``.txt.gz``), relative to path;
            with part ``core`` only.
        query_box: ``whole``: queries are whole images, as published. ``union``: they are cut to the
            smallest box around all boxes of their file.
        taxonomy: ``misc/taxonomy.json`` of the repository, relative to path; gives families and the
            condition ``category``.
        expected_counts: for a subset on purpose, instead of the published counts.
    """

    part: Literal["core", "mini", "full"] = "core"
    distractors: str = "yfcc100m"
    distractor_list: str = ""
    query_box: Literal["whole", "union"] = "whole"
    taxonomy: str = ""
    expected_counts: StatedCounts | None = None

    @field_validator("distractors", "distractor_list", "taxonomy")
    @classmethod
    def _relative(cls, path: str, info: ValidationInfo) -> str:
        if not path and info.field_name != "distractors":
            return path
        if problem := image_path_problem(path):
            raise ValueError(problem)
        return image_path(path)

    @model_validator(mode="after")
    def _one_list(self) -> IliasOptions:
        if self.distractor_list and self.part != "core":
            raise ValueError(
                f"distractor_list replaces the published list of part {self.part!r}: state part = 'core'"
            )
        return self


def open_ilias(spec: DatasetSpec, options: IliasOptions) -> Tables:
    """Read the released id files into tables; see ``Layout.open``.

    Raises:
        DatasetError: a file is missing, or counts differ from the published ones.
    """
    root = spec.path.resolve()
    problems: list[str] = []
    queries, query_lines = _read_ids(root, QUERY_IDS, "query", problems)
    positives, positive_lines = _read_ids(root, POSITIVE_IDS, "pos", problems)
    taxonomy = _read_taxonomy(root / options.taxonomy) if options.taxonomy else {}
    distractors = read_distractors(
        root,
        folder=options.distractors,
        part=options.part,
        own_list=options.distractor_list,
        problems=problems,
    )
    boxes: list[Box | None] = [None] * len(queries)
    if options.query_box == "union":
        boxes = [_union(root, image, problems) for image in queries]
    if problems:
        # Without all lines the counts below would be blamed for what is wrong with single ones.
        raise ProblemList(shown(root), problems)
    instances = {_instance(image) for image in (*queries, *positives)}
    verify_counts(
        root,
        {
            "image queries": len(queries),
            "positive images": len(positives),
            "instances": len(instances),
            "distractors": len(distractors.images),
        },
        PUBLISHED,
        options.expected_counts,
    )
    return Tables(
        root=root,
        queries=_table(queries, (), taxonomy, boxes),
        gallery=_table(positives, distractors.images, taxonomy, None),
        protocol_note=_note(options, len(queries), len(positives), distractors),
        query_origin=Origin(QUERY_IDS, "line", query_lines),
        # The lines of one file only can be named; with distractors there are two.
        gallery_origin=None if distractors.images else Origin(POSITIVE_IDS, "line", positive_lines),
        files=distractors.files,
        official_metrics=("map@1000",),
        published="ilias",
    )


def _read_ids(
    root: Path, name: str, kind: Literal["query", "pos"], problems: list[str]
) -> tuple[list[str], list[int]]:
    """Return the images of an id file, relative to the root, and the line of each."""
    path = release_file(
        root,
        name,
        expected=f"the folder of ILIAS, which holds {CORE}/ and image_ids/",
        next_step="correct path, or fetch the id files with evaluation/download_ids.sh of the "
        "repository ilias-vrg/ilias",
    )
    images, lines = [], []
    for number, line in numbered_lines(path):
        image, *rest = [field.strip() for field in line.split(",")]
        reason = _id_problem(image, kind)
        if kind == "pos" and not reason and not _scale_and_clutter(rest):
            reason = f"{line!r} is not 'id,scale,clutter' with a number and a whole number"
        if reason:
            problems.append(f"{name} line {number}: {reason}")
            continue
        images.append(f"{CORE}/{image}")
        lines.append(number)
    return images, lines


def _id_problem(image: str, kind: str) -> str | None:
    parts = image.split("/")
    if len(parts) != 3 or parts[1] != kind or not parts[2].endswith(".jpg"):
        return f"id {image!r} is not '<instance>/{kind}/<name>.jpg'"
    return product_id_problem(parts[0]) or image_path_problem(image)


def _scale_and_clutter(fields: list[str]) -> bool:
    """Tell whether the two fields are there; they describe a positive, so no query can be sliced by them."""
    try:
        scale, clutter = fields
        return float(scale) >= 0 and int(clutter) >= 0
    except ValueError:
        return False


def _instance(image: str) -> str:
    return image.split("/")[1]


def _union(root: Path, image: str, problems: list[str]) -> Box | None:
    """Return the smallest box around all boxes of a query, as the authors' ``--crop_resize`` cuts."""
    name = image.removesuffix(".jpg") + "_bbox.txt"
    if not (root / name).is_file():
        problems.append(
            f"{name}: no such file, but query_box = 'union' needs the box of each query"
        )
        return None
    edges: list[tuple[float, float, float, float]] = []
    for number, line in numbered_lines(root / name):
        try:
            x, y, width, height = (int(field) for field in line.split())
        except ValueError:
            problems.append(f"{name} line {number}: {line!r} is not 'x y width height'")
            return None
        if width <= 0 or height <= 0:
            problems.append(f"{name} line {number}: box {line!r} (x y width height) holds no pixel")
            return None
        edges.append((x, y, x + width, y + height))
    if not edges:
        problems.append(f"{name}: no box, expected a line 'x y width height' for each appearance")
        return None
    # The authors' code clips at 0 too; what reaches outside on the right is told by the common check.
    left, top = (max(0, min(edge[i] for edge in edges)) for i in (0, 1))
    right, bottom = (max(edge[i] for edge in edges) for i in (2, 3))
    return (left, top, right - left, bottom - top)


def _read_taxonomy(path: Path) -> dict[str, tuple[str, str]]:
    """Return instance → (category, subcategory) from ``{coarse: {mid: {fine: [instance, …]}}}``."""
    if not path.is_file():
        raise DatasetError(
            f"{shown(path)}, option taxonomy",
            found="no such file",
            expected="misc/taxonomy.json of the repository ilias-vrg/ilias",
        )
    try:
        tree = json.loads(read_text(path))
        return {
            str(instance): (coarse, f"{coarse}/{mid}")
            for coarse, middle in tree.items()
            for mid, fine in middle.items()
            for instances in fine.values()
            for instance in instances
        }
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{shown(path)} line {error.lineno}", found=f"no JSON: {error.msg}"
        ) from None
    except (AttributeError, TypeError):
        raise DatasetError(
            shown(path),
            found="JSON of another shape",
            expected="categories of subcategories of lists of instances",
        ) from None


def _table(
    images: list[str],
    distractors: tuple[str, ...],
    taxonomy: dict[str, tuple[str, str]],
    boxes: list[Box | None] | None,
) -> ImageTable:
    known = [_instance(image) for image in images]
    labels = [taxonomy.get(instance, ("", "")) for instance in known]
    blank = ("",) * len(distractors)
    return image_table(
        (*images, *distractors),
        # Each distractor is a product of its own: as one product, product_recall would count it once.
        (*known, *distractors),
        families=(*(family for _, family in labels), *blank),
        boxes=boxes,
        conditions={"category": (*(name for name, _ in labels), *blank)} if taxonomy else None,
    )


def _note(options: IliasOptions, queries: int, positives: int, distractors: Distractors) -> str:
    searched = f"gallery = {positives:,} positive images"
    if distractors.images:
        searched += f" and {len(distractors.images):,} distractors ({distractors.source})"
    if options.part == "core":
        rule = "Ours, not official"
        why = " The paper reports with 5 million (mini) or 100 million distractors only"
        why += (
            "; the list here is our own."
            if distractors.images
            else "; without any it is far easier."
        )
    else:
        rule, why = f"Official ({options.part} ILIAS)", ""
    boxes = (
        "whole images, as published"
        if options.query_box == "whole"
        else "cut to the smallest box around all boxes of their file, which is not the published default"
    )
    return (
        f"{rule}: query = {queries:,} image queries, {searched}; a positive is an image of the "
        f"same instance; official metric map@1000, divided by min(1000, R).{why} Queries are {boxes}. "
        "Text queries are ignored: images are compared here. Scale and clutter describe positives, not "
        "queries, so they are no conditions."
    )


LAYOUT = Layout(options=IliasOptions, open=open_ilias)
