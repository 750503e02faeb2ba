"""Layout ``online_products``: Stanford Online Products, and Retail-786k, which took over its lists.

Stanford Online Products: Oh Song, Xiang, Jegelka and Savarese, "Deep Metric Learning via Lifted Structured
Feature Embedding", CVPR 2016, https://cvgl.stanford.edu/projects/lifted_struct/. Its archive carries a
LICENSE file. Protocol read in inubushi/Deep-Metric-Learning-CVPR16 (``code/evaluation/evaluate_recall.py``,
the authors' evaluation in Python): each test image queries all other test images, ``class_id`` must be the
same, Recall@1, 10, 100, 1000. There only the image itself is left out; here copies of its pixels are too.

Retail-786k: Lamm and Keuper, "Retail-786k: a Large-Scale Dataset for Visual Entity Matching", 2023,
arXiv 2309.17164, https://github.com/retail786k/retail786k-dataset, CC BY-NC-ND 4.0. What counts there is the
entity, which is ``super_class_id`` and the name of the folder: the released test list has 3,298 of them, as
published, each with two images or more. Its ``class_id`` is finer (22,912 values in the test list, 15,920 of
them with one image), crosses entities 77 times, and nothing published says what it means: it is not used.
The authors' retrieval baseline runs on that list as on the one of Stanford Online Products; which of the two
columns its figures are about could not be read, so the protocol here is called ours.

Lists: ``image_id class_id super_class_id path`` in the first line, then one image a line, with one space (any
white space is taken) between. Images ``bicycle_final/<item>_<n>.JPG`` and ``test/<entity>/<image>.jpg``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.datasets.release import StatedCounts, numbered_lines, release_file
from pytest_prodbench.errors import DatasetError
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

HEADER = ("image_id", "class_id", "super_class_id", "path")
Split = Literal["test", "train"]


class OnlineProductsOptions(Frozen):
    """Options of the layout ``online_products``.

    Attributes:
        set: which of the two sets it is.
        split: whose images query each other.
        expected_counts: for subsets and tests, instead of the published counts.
    """

    set: Literal["stanford", "retail_786k"] = "stanford"
    split: Split = "test"
    expected_counts: StatedCounts | None = None


@dataclass(frozen=True, slots=True)
class _Release:
    name: str
    published: str
    lists: dict[str, str]
    product_column: int
    family_column: int | None
    product: str
    counts: dict[str, dict[str, int]]
    official_metrics: tuple[str, ...]
    note: str


_RELEASES = {
    "stanford": _Release(
        name="Stanford Online Products",
        published="stanford_online_products",
        lists={"test": "Ebay_test.txt", "train": "Ebay_train.txt"},
        product_column=1,
        family_column=2,
        product="products",
        counts={
            "test": {"test images": 60_502, "test products": 11_316},
            "train": {"train images": 59_551, "train products": 11_318},
        },
        official_metrics=("recall@1", "recall@10", "recall@100", "recall@1000"),
        note="each {split} image queries all other {split} images; family = super class.",
    ),
    "retail_786k": _Release(
        name="Retail-786k",
        published="retail_786k",
        lists={
            "test": "retail-786k_256_info_all_test.txt",
            "train": "retail-786k_256_info_all_train.txt",
        },
        product_column=2,
        family_column=None,
        product="entities",
        counts={
            "test": {"test images": 37_464, "test entities": 3_298},
            # How many entities the train list holds is published nowhere.
            "train": {"train images": 748_715},
        },
        official_metrics=(),
        note=(
            "each {split} image queries all other {split} images, as in Stanford Online Products. "
            "What is found is an entity (super_class_id), a group of products that are compared in "
            "price, not a SKU."
        ),
    ),
}


def open_online_products(spec: DatasetSpec, options: OnlineProductsOptions) -> Tables:
    """Read the list of one split into one table, which is queries and gallery; see ``Layout.open``.

    Raises:
        DatasetError: the list is missing or has another header, or counts differ from the published ones.
    """
    root = spec.path.resolve()
    release, split = _RELEASES[options.set], options.split
    name = release.lists[split]
    path = release_file(
        root,
        name,
        expected=f"the folder of {release.name}, with its list of images beside their folders",
        next_step="correct path, or choose another set or split with the options set and split",
    )
    images, products, families, lines, problems = _read_list(path, release)
    if not problems:
        verify_counts(
            path,
            {
                f"{split} images": len(images),
                f"{split} {release.product}": len(set(products)),
            },
            release.counts[split],
            options.expected_counts,
        )
    table = image_table(images, products, families=families)
    origin = Origin(name, "line", lines)
    official = options.set == "stanford" and split == "test"
    return Tables(
        root=root,
        queries=table,
        gallery=table,
        protocol_note=("Official: " if official else "Ours, not official: ")
        + release.note.format(split=split),
        query_origin=origin,
        gallery_origin=origin,
        problems=tuple(problems),
        official_metrics=release.official_metrics if official else (),
        # Figures are about the test split.
        published=release.published if split == "test" else "",
    )


def _read_list(
    path: Path, release: _Release
) -> tuple[list[str], list[str], list[str], list[int], list[str]]:
    rows = numbered_lines(path)
    _, header = next(rows, (1, ""))
    if tuple(header.split()) != HEADER:
        raise DatasetError(
            f"{shown(path)} line 1",
            found=repr(header) if header else "an empty file",
            expected=repr(" ".join(HEADER)),
            next_step=f"fetch {path.name} again as it was released",
        )
    images: dict[str, int] = {}
    products, families, problems = [], [], []
    for number, line in rows:
        # The path is last and may hold a space.
        fields = line.split(None, 3)
        if len(fields) != len(HEADER) or not all(map(_is_number, fields[:3])):
            problems.append(
                f"{path.name} line {number}: {line!r} is not three whole numbers and a path: "
                + " ".join(HEADER)
            )
            continue
        reason = image_path_problem(fields[3])
        image = image_path(fields[3])
        if not reason and image in images:
            reason = f"image {image!r} stands already in line {images[image]}; keep one of the two"
        if reason:
            problems.append(f"{path.name} line {number}: {reason}")
            continue
        images[image] = number
        products.append(fields[release.product_column])
        families.append("" if release.family_column is None else fields[release.family_column])
    return list(images), products, families, list(images.values()), problems


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


LAYOUT = Layout(options=OnlineProductsOptions, open=open_online_products)
