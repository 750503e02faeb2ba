"""Which pictures a catalog has: products by role, catalog views, queries and their poses."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.rendering import RECIPE, design
from pytest_prodbench.rendering.parts import Family, Part

SECOND_VIEW = (12.0, 40.0)
"""Angle of further catalog images to the first, degrees."""

ATTEMPTS = 40
"""Poses tried for a query before its product is given up."""

COVERS, CLUTTER = 3, 4
"""Other parts at hand for each query: to be tried as what covers the product, and to lie around."""


@dataclass(frozen=True)
class Counts:
    """How many products of each family, and images of each product.

    Attributes:
        searched: in the gallery and asked for; None: all that the other two leave over.
        absent: asked for, not in the gallery (open set).
        distractors: in the gallery, never asked for.
        queries: of a product that is asked for.
        views: catalog images of searched products, dealt out in turn; distractors have one.
    """

    searched: int | None = 10
    absent: int = 1
    distractors: int = 15
    queries: int = 4
    views: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True)
class Quality:
    """How carefully pictures are made.

    Attributes:
        size: edge of every image, pixels.
        gallery, query: paths traced per pixel; a catalog is photographed with more care. Squares are best.
        checked: whether each query must show what tells its product from its siblings. What is only
            learnt from may have a few that do not, and takes a fraction of the time.
    """

    size: int = 256
    gallery: int = 64
    query: int = 36
    checked: bool = True

    def samples(self, role: str) -> int:
        """Paths traced per pixel of a picture in a role."""
        return self.gallery if role == "gallery" else self.query


@dataclass(frozen=True)
class Catalog:
    """What is made of some families: one sector, or a team's own parts."""

    name: str
    families: tuple[Family, ...]
    seed: int
    counts: Counts = Counts()
    quality: Quality = Quality()

    def part(self, product: str) -> Part:
        """The part of a product."""
        return self._find(product)[1]

    def family(self, product: str) -> Family:
        """The family of a product."""
        return self._find(product)[0]

    def _find(self, product: str) -> tuple[Family, Part]:
        for family in self.families:
            for part in family.parts:
                if part.product_id == product:
                    return family, part
        raise KeyError(product)


@dataclass(frozen=True)
class Pose:
    """From where a part is seen; angles in degrees, ``shift`` in half frames."""

    azimuth: float
    elevation: float
    roll: float
    fill: float
    shift: tuple[float, float]
    light_turn: float
    others: tuple[str, ...]
    seed: int


@dataclass(frozen=True)
class Picture:
    """One image: which product, in which role, under which conditions (``""`` in a catalog)."""

    image: str
    product_id: str
    role: str
    family: str
    number: int
    conditions: Mapping[str, str]


def angle_between(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Degrees between two (azimuth, elevation) directions."""
    az0, el0, az1, el1 = (math.radians(v) for v in (*a, *b))
    cosine = math.sin(el0) * math.sin(el1) + math.cos(el0) * math.cos(el1) * math.cos(az0 - az1)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def roles(catalog: Catalog, family: Family) -> dict[str, list[str]]:
    """Products of a family by what they are for: ``searched``, ``absent``, ``distractors``."""
    counts = catalog.counts
    names = [part.product_id for part in family.parts]
    rest = counts.absent + counts.distractors
    searched = max(1, len(names) - rest) if counts.searched is None else counts.searched
    if len(names) < searched + rest:
        raise SettingsError(
            f"family {family.name!r}",
            found=f"{len(names)} products",
            expected=f"{searched + rest}: {searched} searched for, {counts.absent} absent, "
            f"{counts.distractors} distractors",
        )
    random.Random(f"roles:{catalog.seed}:{catalog.name}:{family.name}").shuffle(names)
    ends = searched, searched + counts.absent
    return {
        "searched": sorted(names[: ends[0]]),
        "absent": sorted(names[ends[0] : ends[1]]),
        "distractors": sorted(names[ends[1] : searched + rest]),
    }


def plan(catalog: Catalog) -> list[Picture]:
    """All pictures of a catalog: family by family the catalog images, then the queries."""
    counts = catalog.counts
    nothing = dict.fromkeys(design.LEVELS, "")
    gallery: list[Picture] = []
    asked: list[tuple[str, str]] = []
    for family in catalog.families:
        by_role = roles(catalog, family)
        shown = [
            (product, counts.views[k % len(counts.views)])
            for k, product in enumerate(by_role["searched"])
        ]
        shown += [(product, 1) for product in by_role["distractors"]]
        gallery += [
            Picture(f"gallery/{product}-{v + 1}.jpg", product, "gallery", family.name, v, nothing)
            for product, views in shown
            for v in range(views)
        ]
        asked += [(family.name, product) for product in by_role["searched"] + by_role["absent"]]
    each = counts.queries
    rows = design.draw(len(asked) * each, each, seed=f"{catalog.seed}:{catalog.name}")
    queries = [
        Picture(f"queries/{product}-{q + 1}.jpg", product, "query", name, q, rows[i * each + q])
        for i, (name, product) in enumerate(asked)
        for q in range(each)
    ]
    return gallery + queries


def pose(catalog: Catalog, picture: Picture, attempt: int = 0) -> Pose:
    """From where a picture is taken; another attempt is another draw.

    Raises:
        SettingsError: the family's limits leave no view in the band asked for.
    """
    family = catalog.family(picture.product_id)
    rng = random.Random(f"pose:{catalog.seed}:{catalog.name}:{picture.image}:{attempt}")
    if picture.role == "gallery":
        azimuth, elevation = family.view
        if picture.number:
            azimuth, elevation = _view(family, SECOND_VIEW, rng)
        return Pose(round(azimuth, 2), round(elevation, 2), 0.0, 0.82, (0.0, 0.0),
                    round(azimuth, 2), (), 0)  # fmt: skip
    conditions = picture.conditions
    azimuth, elevation = _view(family, design.VIEWS[conditions["view"]], rng)
    strangers = [
        part.product_id
        for other in catalog.families
        if other.name != family.name or len(catalog.families) == 1
        for part in other.parts
        if part.product_id != picture.product_id
    ]
    fill = rng.uniform(*design.FILLS[conditions["distance"]])
    free = 0.9 - fill
    return Pose(
        round(azimuth, 2),
        round(elevation, 2),
        round(rng.uniform(-14, 14), 2),
        round(fill, 3),
        (round(rng.uniform(-free, free), 3), round(rng.uniform(-free, free), 3)),
        round(azimuth + rng.uniform(-60, 60), 2),
        tuple(rng.sample(strangers, min(COVERS + CLUTTER, len(strangers)))),
        rng.randrange(1, 2**31),
    )


def _view(family: Family, band: tuple[float, float], rng: random.Random) -> tuple[float, float]:
    for _ in range(5000):
        candidate = (rng.uniform(*family.azimuth), rng.uniform(*family.elevation))
        if band[0] <= angle_between(candidate, family.view) <= band[1]:
            return candidate
    raise SettingsError(
        f"family {family.name!r}",
        found=f"no view {band[0]:g} to {band[1]:g} degrees away from its catalog view {family.view} inside "
        f"azimuth {family.azimuth} and elevation {family.elevation}",
        next_step="widen azimuth or elevation",
    )


def digest(catalog: Catalog, picture: Picture) -> str:
    """Changes when anything that decides the pixels does: geometry, siblings, design, recipe."""
    family = catalog.family(picture.product_id)
    every = {
        "picture": asdict(picture),
        "pose": asdict(pose(catalog, picture)),
        "part": catalog.part(picture.product_id).digest,
        # Siblings decide whether a pose tells the product apart.
        "siblings": [part.digest for part in family.parts]
        if picture.role == "query" and catalog.quality.checked
        else [],
        "seed": catalog.seed,
        "recipe": RECIPE,
        "size": catalog.quality.size,
        "samples": catalog.quality.samples(picture.role),
    }
    return hashlib.sha256(json.dumps(every, sort_keys=True).encode()).hexdigest()[:16]
