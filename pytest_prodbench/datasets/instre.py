"""Layout ``instre``: 250 objects in 28,543 photos, with the queries and positives of ``gnd_instre.mat``.

Wang and Jiang, "INSTRE: a New Benchmark for Instance-Level Object Retrieval and Recognition", ACM TOMM 2015,
http://123.57.42.89/instre/home.html (no licence seen). Queries and positives: Iscen et al., "Efficient
Diffusion on Region Manifolds", CVPR 2017, https://github.com/ahmetius/diffusion-retrieval.

Read: the home page (100 classes with one object in INSTRE-S1, 100 in INSTRE-S2; INSTRE-M has two objects of
S1 in each image; longest side 1,000 pixels), ``compute_map.m`` of diffusion-retrieval (average precision
over all ranks, by trapezoids), and public readers of the file: fields by position, positives from 1. They
dispute the box: os2d (``os2d/data/dataset.py``) crops corners ``x1 y1 x2 y2`` and warns that the ``.txt``
beside an image is ``x y width height``, another adds width and height to the corner, VISSL uses no box at
all. Neither the file nor the paper's text could be read here: the images decide the order (option
``box_order``), and that queries are cut at all is the habit of most readers (option ``query_box``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import field_validator

from pytest_prodbench.datasets.counts import verify_counts
from pytest_prodbench.datasets.instre_boxes import Order, query_boxes
from pytest_prodbench.datasets.instre_truth import Truth, read_truth
from pytest_prodbench.datasets.layout import Layout, Origin, Tables, image_table
from pytest_prodbench.datasets.paths import image_path, image_path_problem
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.datasets.release import StatedCounts, release_file
from pytest_prodbench.errors import ProblemList
from pytest_prodbench.protocol import Box, ImageTable
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.types import DatasetSpec

FILE = "gnd_instre.mat"
PUBLISHED = {"queries": 1250, "gallery images": 27293}


class InstreOptions(Frozen):
    """Options of the layout ``instre``.

    Attributes:
        images: folder that holds ``INSTRE-S1``, ``INSTRE-S2`` and ``INSTRE-M``, relative to path.
        query_box: ``box``: queries are cut to their box; ``whole``: they are not.
        box_order: what the four numbers of a box are; ``auto`` finds out from the sizes of the queries.
        expected_counts: for a subset on purpose, instead of the published counts.
    """

    images: str = "."
    query_box: Literal["box", "whole"] = "box"
    box_order: Order | Literal["auto"] = "auto"
    expected_counts: StatedCounts | None = None

    @field_validator("images")
    @classmethod
    def _relative(cls, folder: str) -> str:
        if problem := image_path_problem(folder):
            raise ValueError(problem)
        return image_path(folder)


def open_instre(spec: DatasetSpec, options: InstreOptions) -> Tables:
    """Read ``gnd_instre.mat`` into tables; see ``Layout.open``.

    The headers of the query images are read where the order of a box has to be found out.

    Raises:
        DatasetError: the file is missing or no such file, counts differ from the published ones, or the
            order of the boxes cannot be told.
        ProblemList: entries that are wrong.
    """
    root = spec.path.resolve()
    path = release_file(
        root,
        FILE,
        expected="the folder of INSTRE with the queries and positives of Iscen et al.",
        next_step=f"correct path, or fetch ftp://ftp.irisa.fr/local/texmex/corpus/instre/{FILE}",
    )
    problems: list[str] = []
    truth = read_truth(path, problems, with_boxes=options.query_box == "box")
    if problems:
        # Without all entries the counts below would be blamed for what is wrong with single ones.
        raise ProblemList(shown(path), problems)
    verify_counts(
        path,
        {
            "queries": len(truth.queries),
            "gallery images": len(truth.gallery),
            "query folders": len({_folder(image) for image in truth.queries}),
        },
        PUBLISHED,
        options.expected_counts,
    )
    images = (root / options.images).resolve()
    boxes: Sequence[Box | None] = [None] * len(truth.queries)
    order = ""
    if options.query_box == "box":
        boxes, order = query_boxes(images, truth, options.box_order, where=shown(path))
    products, gallery, answers, split = _products(truth)
    return Tables(
        root=images,
        queries=_table(truth.queries, products, boxes),
        gallery=_table(truth.gallery, gallery, [None] * len(gallery)),
        protocol_note=_note(truth, order, split),
        query_origin=Origin(f"{FILE} qimlist", "row", range(1, len(truth.queries) + 1)),
        gallery_origin=Origin(f"{FILE} imlist", "row", range(1, len(truth.gallery) + 1)),
        answers=answers,
        official_metrics=("oxford_map",),
        published="instre",
    )


def _products(truth: Truth) -> tuple[list[str], list[str], dict[str, tuple[str, ...]], int]:
    """Make products of the lists of positives.

    Queries of one folder with one list are one product, named by the folder. A gallery image that one
    product lists is that product; one that several list is named by all of them, joined by ``+``, and
    answers each; one that none lists is a distractor, a product of its own.

    Returns:
        products: of each query.
        gallery: of each gallery image.
        answers: product of a query → products of the gallery that answer it, where those are others.
        split: folders whose queries differ in their positives; each list is a product then.
    """
    names: dict[tuple[str, bytes], str] = {}
    lists_of: dict[str, int] = {}
    products: list[str] = []
    claims: list[list[str]] = [[] for _ in truth.gallery]
    for image, positives in zip(truth.queries, truth.positives, strict=True):
        folder = _folder(image)
        key = (folder, positives.tobytes())
        if key not in names:
            lists_of[folder] = lists_of.get(folder, 0) + 1
            number = lists_of[folder]
            names[key] = name = folder if number == 1 else f"{folder}#{number}"
            for place in positives.tolist():
                claims[place].append(name)
        products.append(names[key])
    # Many images have the same claims: each text is made once.
    joined: dict[tuple[str, ...], str] = {}
    gallery: list[str] = []
    for image, claim in zip(truth.gallery, claims, strict=True):
        gallery.append(joined.setdefault(tuple(claim), "+".join(claim)) if claim else image)
    held: dict[str, list[str]] = {}
    for claim_of, product in joined.items():
        for name in claim_of:
            held.setdefault(name, []).append(product)
    answers = {name: tuple(found) for name, found in held.items() if found != [name]}
    return products, gallery, answers, sum(count > 1 for count in lists_of.values())


def _folder(image: str) -> str:
    return image.rpartition("/")[0]


def _table(
    images: Sequence[str], products: Sequence[str], boxes: Sequence[Box | None]
) -> ImageTable:
    subsets = [image.partition("/")[0] for image in images]
    return image_table(images, products, boxes=boxes, conditions={"subset": subsets})


def _note(truth: Truth, order: str, split: int) -> str:
    cut = f"cut to their box ({order})" if order else "whole images, without their box"
    note = (
        f"Official (lists and metric of Iscen et al. 2017): query = {len(truth.queries):,} images {cut}, "
        f"gallery = {len(truth.gallery):,} images; positives are the lists of {FILE}; an image of two "
        "objects answers queries of both. Official metric: mean average precision over all ranks, by "
        "trapezoids (oxford_map), which is not map@k."
    )
    if split:
        note += f" Folders whose queries differ in their positives: {split:,}; there each list is a product."
    if truth.repeated:
        note += f" Positives that stood twice in one list: {truth.repeated:,}; they count once."
    return note


LAYOUT = Layout(options=InstreOptions, open=open_instre)
