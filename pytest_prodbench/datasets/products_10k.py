"""Layout ``products_10k``: Products-10K, shop images of about ten thousand products of JD.com.

Bai, Chen, Yu, Wang and Zhang, "Products-10K: A Large-scale Product Recognition Dataset", 2020,
arXiv 2008.10545, https://products-10k.github.io; non-commercial research and education only (terms read in
products-10k/products-10k.github.io, ``challenge.html``). Its authors define a classification task; the
retrieval protocol is ours and the report says so. They publish round numbers only ("nearly 190,000
images"), so that no count is held against them; third parties train on 141,931 images of 9,691 classes.

``train.csv`` has the columns name, class and group and belongs to the folder ``train``,
``test_kaggletest.csv`` has name and class and belongs to ``test``. The latter has a third column, whose
header could not be read (third parties call it usage or visibility); it is not used.
"""

from __future__ import annotations

from pathlib import Path

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.manifest_rows import Rows
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import product_id_problem
from pytest_prodbench.datasets.release import StatedCounts, csv_columns, release_file
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

TRAIN, TEST = "train.csv", "test_kaggletest.csv"


class Products10kOptions(Frozen):
    """Options of the layout ``products_10k``.

    Attributes:
        expected_counts: counts that the set must have; none are published.
    """

    expected_counts: StatedCounts | None = None


def open_products_10k(spec: DatasetSpec, options: Products10kOptions) -> Tables:
    """Read both lists into tables; see ``Layout.open``.

    Raises:
        DatasetError: a list is missing or not CSV, or counts differ from the stated ones.
    """
    root = spec.path.resolve()
    train = _list(root, TRAIN, "class", "group")
    test = _list(root, TEST, "class")
    problems = [*train.problems, *test.problems]
    gallery = _sound_rows(train, TRAIN, "train", problems)
    queries = _sound_rows(test, TEST, "test", problems)
    if not problems:
        found = {
            "train images": len(gallery),
            "train products": len({train.columns["class"][i] for i in gallery}),
            "test images": len(queries),
            "test products": len({test.columns["class"][i] for i in queries}),
        }
        verify_counts(root, found, {}, options.expected_counts)
    groups = _group_of_class(train, gallery)
    return Tables(
        root=root,
        queries=image_table(
            [image_path(f"test/{test.columns['name'][i]}") for i in queries],
            [test.columns["class"][i] for i in queries],
            families=[groups.get(test.columns["class"][i], "") for i in queries],
        ),
        gallery=image_table(
            [image_path(f"train/{train.columns['name'][i]}") for i in gallery],
            [train.columns["class"][i] for i in gallery],
            families=[train.columns["group"][i] for i in gallery],
        ),
        protocol_note=(
            "Ours, not official (the set is made for classification): query = test images, gallery = "
            "train images; product = class, family = group of the class in train.csv."
        ),
        query_origin=Origin(TEST, "line", [test.numbers[i] for i in queries]),
        gallery_origin=Origin(TRAIN, "line", [train.numbers[i] for i in gallery]),
        problems=tuple(problems),
        published="products_10k",
    )


def _list(root: Path, name: str, *columns: str) -> Rows:
    path = release_file(
        root,
        name,
        expected=f"the folder of Products-10K: {TRAIN}, {TEST}, train and test",
        next_step=(
            f"correct path, or fetch {name} too"
            + ("; test.csv of the challenge has no classes" if name == TEST else "")
        ),
    )
    return csv_columns(path, "name", *columns)


def _sound_rows(rows: Rows, name: str, folder: str, problems: list[str]) -> list[int]:
    """Return the rows without a problem; the others are named."""
    kept = []
    classes = rows.columns["class"]
    for i, image in enumerate(rows.columns["name"]):
        reason = image_path_problem(image) or product_id_problem(classes[i])
        if not reason and not image_path(f"{folder}/{image}").startswith(f"{folder}/"):
            reason = f"image {image!r} is outside the folder {folder}"
        if reason:
            problems.append(f"{name} line {rows.numbers[i]}: {reason}")
        else:
            kept.append(i)
    return kept


def _group_of_class(train: Rows, kept: list[int]) -> dict[str, str]:
    """Return the group of each class; ``""`` for a class whose rows do not agree on one."""
    groups: dict[str, str] = {}
    for i in kept:
        name, group = train.columns["class"][i], train.columns["group"][i]
        if groups.setdefault(name, group) != group:
            groups[name] = ""
    return groups


LAYOUT = Layout(options=Products10kOptions, open=open_products_10k)
