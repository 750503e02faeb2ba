"""The distractors of ILIAS: which ones a list names, and where they lie, in tar shards or unpacked.

An id is ``<shard>/<key>`` (``distractor_ids.txt.gz``) or a bare key (the list of mini-ILIAS); the image is
the member ``<key>.jpg`` of that shard (``feature_extraction/src/datasets/generators.py`` and
``knn_search/src/dataset.py`` of ilias-vrg/ilias). 100 million lines are possible: each is read once.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_prodbench.datasets.paths import image_path_problem
from pytest_prodbench.datasets.problems import shown
from pytest_prodbench.datasets.release import numbered_lines, release_file
from pytest_prodbench.datasets.tar_members import TarMembers
from pytest_prodbench.errors import DatasetError
from pytest_prodbench.protocol import ImageFiles

MINI_IDS = "image_ids/mini_ilias_yfcc100m_ids.txt"
ALL_IDS = "image_ids/distractor_ids.txt.gz"
ADDRESS = "https://vrg.fel.cvut.cz/ilias_data/"


@dataclass(frozen=True, slots=True)
class Distractors:
    """Distractor images, in the order of shards, so that a shard is looked through once.

    Attributes:
        images: path of each, relative to the dataset's folder.
        source: name of the list that named them, ``""`` where there are none.
        files: what reads them where they lie in tar shards.
    """

    images: tuple[str, ...] = ()
    source: str = ""
    files: ImageFiles | None = None


def read_distractors(
    root: Path,
    *,
    folder: str,
    part: Literal["core", "mini", "full"],
    own_list: str,
    problems: list[str],
) -> Distractors:
    """Find the distractors of a part; see ``IliasOptions``. Appends what is wrong with single lines.

    Raises:
        DatasetError: the list or the folder is missing or cannot be read.
    """
    name = own_list or {"core": "", "mini": MINI_IDS, "full": ALL_IDS}[part]
    if not name:
        return Distractors()
    release_file(
        root,
        name,
        expected="the list of distractors, an id a line",
        next_step="correct distractor_list" if own_list else f"fetch {ADDRESS}{name}",
    )
    if not (root / folder).is_dir():
        raise DatasetError(
            shown(root),
            found=f"no folder {folder}",
            expected="the tar shards of YFCC100M, or the images unpacked from them",
            next_step=f"correct the option distractors, or fetch {ADDRESS}yfcc100m/",
        )
    shards, keys, lines = _read_list(root, name, problems)
    tars: frozenset[str] = frozenset()
    if _is_sharded(root / folder):
        _find_shards(root, name, shards, keys, lines, problems)
        places, tars = _shards_on_disk(root, folder, name, shards, problems)
        images = [
            f"{places[shard]}/{key}.jpg"
            for shard, key in zip(shards, keys, strict=True)
            if shard in places
        ]
    else:
        images = [f"{folder}/{key}.jpg" for key in keys]
    images.sort()
    return Distractors(tuple(images), name, TarMembers(root, tars) if tars else None)


def _read_list(
    root: Path, name: str, problems: list[str]
) -> tuple[list[str], list[str], list[int]]:
    """Return shard (``""`` where a line has none), key and line of each distractor."""
    shards, keys, lines = [], [], []
    known: dict[str, str] = {}
    for number, text in numbered_lines(root / name):
        shard, _, key = text.rpartition("/")
        reason = image_path_problem(text)
        if not reason and ("/" in shard or not key or {shard, key} & {".", ".."}):
            reason = f"{text!r} is not '<shard>/<key>' or '<key>'"
        if reason:
            problems.append(f"{name} line {number}: {reason}")
            continue
        shards.append(known.setdefault(shard, shard))
        keys.append(key)
        lines.append(number)
    return shards, keys, lines


def _is_sharded(folder: Path) -> bool:
    """Tell whether images lie in shards (tars or folders of their own), not side by side."""
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(".tar") or entry.is_dir() for entry in entries)


def _find_shards(
    root: Path,
    name: str,
    shards: list[str],
    keys: list[str],
    lines: list[int],
    problems: list[str],
) -> None:
    """Fill in the shard of each bare key, from the list of all distractors."""
    wanted: dict[str, int] = {}
    for i, key in enumerate(keys):
        if not shards[i] and wanted.setdefault(key, i) != i:
            problems.append(f"{name} line {lines[i]}: repeats line {lines[wanted[key]]}; keep one")
    if not wanted:
        return
    release_file(
        root,
        ALL_IDS,
        expected=f"it, because the lines of {name} do not say in which shard a distractor lies",
        next_step=f"fetch {ADDRESS}{ALL_IDS}, or unpack the images side by side into one folder",
    )
    known: dict[str, str] = {}
    for _, text in numbered_lines(root / ALL_IDS):
        shard, _, key = text.rpartition("/")
        if key in wanted:
            shards[wanted.pop(key)] = known.setdefault(shard, shard)
    problems += [
        f"{name} line {lines[i]}: distractor {key!r} is not in {ALL_IDS}"
        for key, i in wanted.items()
    ]


def _shards_on_disk(
    root: Path, folder: str, name: str, shards: list[str], problems: list[str]
) -> tuple[dict[str, str], frozenset[str]]:
    """Return shard → path of its tar or folder, and those that are tars."""
    places, tars = {}, set()
    for shard, count in Counter(shards).items():
        if not shard:
            continue
        candidates = [f"{folder}/{shard}", f"{folder}/{shard.removesuffix('.tar')}"]
        place = next((each for each in candidates if (root / each).exists()), None)
        if place is None:
            problems.append(
                f"{folder}: no shard {shard}, of which {name} names {count:,} distractors"
            )
            continue
        places[shard] = place
        if (root / place).is_file():
            tars.add(place)
    return places, frozenset(tars)
