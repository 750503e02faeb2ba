"""``plan.toml``: how a catalog is made of a team's own CAD files."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, field_validator

from pytest_prodbench.errors import SettingsError, did_you_mean
from pytest_prodbench.rendering import cad
from pytest_prodbench.rendering.materials import MATERIALS
from pytest_prodbench.rendering.parts import Family, Part
from pytest_prodbench.rendering.pictures import Catalog, Counts, Quality
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.tables import read_toml, validate


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value  # TOML has arrays


Angles = Annotated[tuple[float, float], BeforeValidator(_tuple)]
Turn = Annotated[tuple[float, float, float], BeforeValidator(_tuple)]
Names = Annotated[tuple[str, ...], BeforeValidator(_tuple)]
Numbers = Annotated[tuple[int, ...], BeforeValidator(_tuple)]


Counted = tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]


class _Looks(Frozen):
    material: str | None = None
    turn: Turn | None = None

    @field_validator("material")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        if name is not None and name not in MATERIALS:
            raise ValueError(f"a material; {did_you_mean(name, list(MATERIALS))}")
        return name


class PartTable(_Looks):
    """``[parts."file name"]``.

    Attributes:
        product_id: its id; the file's name without suffix if not said.
        material, turn: as in ``[families.NAME]``.
    """

    product_id: str | None = Field(default=None, min_length=1)


class FamilyTable(_Looks):
    """``[families.NAME]``: look-alikes.

    Attributes:
        files: patterns of file names, as ``bracket-*.step``.
        material: of what they are, a name of ``rendering/materials.py``.
        turn: degrees about x, y and z that lay a part on the table.
        view: azimuth and elevation of the first catalog image.
        azimuth, elevation: limits of all other views.
    """

    files: Names = ("*",)
    view: Angles = (25.0, 38.0)
    azimuth: Angles = (-75.0, 115.0)
    elevation: Angles = (15.0, 80.0)


class PlanTable(_Looks):
    """A whole ``plan.toml``.

    Attributes:
        name: of the catalog; the folder's if not said.
        seed: of the design.
        queries: photos of a product.
        views: catalog images of a product, dealt out in turn.
        absent, distractors: how many products of a family are searched for in vain, or only lie in the
            catalog; all others are searched for and lie in it.
        size: edge of the images, pixels.
        samples: paths traced per pixel of a catalog image and of a query.
        material, turn: of parts of which nothing else is said.
        families: in the order in which a file belongs to the first that wants it; one of all if none.
        parts: what is said of single files.
    """

    name: str | None = None
    seed: int = 0
    queries: int = Field(default=4, ge=1)
    views: Numbers = Field(default=(1,), min_length=1)
    absent: int = Field(default=0, ge=0)
    distractors: int = Field(default=0, ge=0)
    size: int = Field(default=Quality.size, ge=64, le=2048)
    samples: Annotated[Counted, BeforeValidator(_tuple)] = (Quality.gallery, Quality.query)
    families: dict[str, FamilyTable] = Field(default_factory=dict)
    parts: dict[str, PartTable] = Field(default_factory=dict)


def read_plan(path: Path | None, cad_files: Sequence[Path], folder: Path) -> Catalog:
    """Make the catalog of some CAD files.

    Args:
        path: of the plan; None: one family, all files in steel.
        cad_files: STEP and STL files.
        folder: where the catalog will lie; names it if the plan does not.

    Raises:
        SettingsError: the plan cannot be read, names a file that is not there, or leaves one over.
        DatasetError: a CAD file cannot be read.
    """
    shown = str(path) if path else "plan"
    table = PlanTable() if path is None else validate(PlanTable, read_toml(path, shown), shown)
    _check_files(shown, table, cad_files)
    families = table.families or {"parts": FamilyTable()}
    by_family: dict[str, list[Part]] = {name: [] for name in families}
    taken: dict[str, Path] = {}
    for file in sorted(cad_files):
        name = _family_of(shown, file, families)
        part = _part(file, table, families[name])
        if Path(part.product_id).name != part.product_id:
            raise SettingsError(
                f'{shown}, [parts."{file.name}"]',
                found=f"product id {part.product_id!r}",
                expected="one that can be part of a file's name",
            )
        if part.product_id in taken:
            raise SettingsError(
                shown,
                found=f"product id {part.product_id!r} of both {taken[part.product_id]} and {file}",
                next_step=f'give one of them another in [parts."{file.name}"]',
            )
        taken[part.product_id] = file
        by_family[name].append(part)
    made = tuple(
        Family(
            name,
            families[name].view,
            families[name].azimuth,
            families[name].elevation,
            tuple(parts),
        )
        for name, parts in by_family.items()
        if parts
    )
    counts = Counts(None, table.absent, table.distractors, table.queries, table.views)
    quality = Quality(table.size, *table.samples)
    return Catalog(table.name or folder.resolve().name, made, table.seed, counts, quality)


def _check_files(shown: str, table: PlanTable, cad_files: Sequence[Path]) -> None:
    if not cad_files:
        raise SettingsError("--cad", found="no file", expected=" or ".join(cad.SUFFIXES))
    names = [file.name for file in cad_files]
    for name in table.parts:
        if name not in names:
            raise SettingsError(
                f'{shown}, [parts."{name}"]',
                found="no such file among those of --cad",
                next_step=did_you_mean(name, names),
            )


def _family_of(shown: str, file: Path, families: dict[str, FamilyTable]) -> str:
    for name, family in families.items():
        if any(fnmatchcase(file.name, pattern) for pattern in family.files):
            return name
    raise SettingsError(
        shown,
        found=f"{file}, which no family's files match",
        next_step="add its name to the files of a [families.NAME]",
    )


def _part(file: Path, table: PlanTable, family: FamilyTable) -> Part:
    own = table.parts.get(file.name, PartTable())
    return Part(
        own.product_id or file.stem,
        "pytest_prodbench.rendering.cad:read",
        {
            "path": str(file),
            "sha256": cad.file_digest(file),
            "material": own.material or family.material or table.material or "steel_satin",
            "turn": list(own.turn or family.turn or table.turn or (0.0, 0.0, 0.0)),
        },
    )
