"""The shape of the TOML files, and messages that name file, key, what was found and expected."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from pytest_prodbench.errors import SettingsError, did_you_mean
from pytest_prodbench.settings.demand_tables import (
    BudgetEntry,
    RuleTable,
    ThresholdEntry,
    WaiverTable,
)
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.policy import (
    GateMode,
)
from pytest_prodbench.settings.types import (
    EngineName,
    EnginePrecision,
    Family,
    Interpolation,
    Pooling,
    Resampler,
    Resize,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names become test ids (``model:dataset``) and file names; so no colon, space or slash."""

PYTEST_MARKS = frozenset(
    ("filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xdist_group", "xfail")
)
"""A sector's tests bear its name as a mark: these would make pytest skip them, or forgive failures."""

T = TypeVar("T", bound=BaseModel)


def _source_table(value: object) -> object:
    return {"source": value} if isinstance(value, str) else value


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Edge = Annotated[int, Field(ge=1, le=16384)]


class PreprocessTable(Frozen):
    """``[models.NAME.preprocess]``; a size of one number is a square."""

    size: Edge | Annotated[list[Edge], Field(min_length=2, max_length=2)] | None = None
    resize: Resize | None = None
    crop: Annotated[float, Field(gt=0, le=1)] | None = None
    interpolation: Interpolation | None = None
    mean: Annotated[list[Finite], Field(min_length=3, max_length=3)] | None = None
    std: Annotated[list[Positive], Field(min_length=3, max_length=3)] | None = None
    resampler: Resampler | None = None


class HeadTable(Frozen):
    """``[models.NAME.head]``, or the path of its weights."""

    weights: str
    normalise: bool = False


def _head_table(value: object) -> object:
    return {"weights": value} if isinstance(value, str) else value


class ModelTable(Frozen):
    """``[models.NAME]``, or the string ``library:identifier`` in its place.

    Keys that it does not know belong to the library, which checks them.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    source: str
    checkpoint: str | None = None
    revision: str | None = None
    pooling: Pooling = "default"
    gem_power: float = Field(default=3.0, gt=0, allow_inf_nan=False)
    preprocess: PreprocessTable = PreprocessTable()
    head: Annotated[HeadTable, BeforeValidator(_head_table)] | None = None
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    trust_remote_code: bool = False
    engine: EngineName = "auto"
    engine_precision: EnginePrecision = "float32"
    price_per_1000: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_date: dt.date | None = None
    family: Family = "open"


ModelEntry = Annotated[ModelTable, BeforeValidator(_source_table)]


class DatasetTable(Frozen):
    """``[datasets.NAME]``; keys that it does not know belong to the layout, which checks them."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    path: str
    layout: str = "manifest"
    open_set: bool = False
    thresholds: dict[str, ThresholdEntry] = Field(default_factory=dict)


class SectorTable(Frozen):
    """A ``sector.toml``, or ``[tool.prodbench.sectors.NAME]``."""

    sector: str | None = None
    owner: str = ""
    datasets: dict[str, DatasetTable] = Field(default_factory=dict)
    thresholds: dict[str, ThresholdEntry] = Field(default_factory=dict)
    budget: BudgetEntry = Field(default_factory=dict)
    rules: list[RuleTable] = Field(default_factory=list)
    waivers: list[WaiverTable] = Field(default_factory=list)


class ModelsFile(Frozen):
    """A ``models.toml``."""

    models: dict[str, ModelEntry] = Field(default_factory=dict)


class RunTable(Frozen):
    """``[tool.prodbench.run]``: defaults for the options of the command line."""

    model: list[str] | None = None
    dataset: list[str] | None = None
    sector: list[str] | None = None
    models_file: list[str] | None = None
    cache_dir: str | None = None
    report_dir: str | None = None
    report: list[str] | None = None
    device: str | None = None
    precision: Literal["auto", "float32", "bfloat16", "float16"] | None = None
    batch_size: int | None = None
    threads: int | None = None
    backend: Literal["auto", "torch", "faiss"] | None = None
    max_pixels: int | None = None
    resamples: int | None = None
    seed: int | None = None
    baseline: str | None = None
    rebase: bool | None = None
    gate: GateMode | None = None
    require_full: bool | None = None


class ProjectTable(Frozen):
    """``[tool.prodbench]`` of a pyproject.toml."""

    models: dict[str, ModelEntry] = Field(default_factory=dict)
    sectors: dict[str, SectorTable] = Field(default_factory=dict)
    run: RunTable = Field(default_factory=RunTable)


def read_toml(path: Path, shown: str) -> dict[str, Any]:
    """Read one TOML file; ``shown`` is its name in messages.

    Raises:
        SettingsError: missing, not UTF-8, or not TOML (then with line and column).
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(shown, found=f"not valid TOML: {error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            shown,
            found=f"byte {error.start} is not UTF-8",
            expected="TOML in UTF-8",
            next_step="save the file as UTF-8",
        ) from error
    except (ValueError, RecursionError) as error:
        # Python's own limits: an integer of thousands of digits, tables nested a thousand deep.
        raise SettingsError(shown, found=f"cannot be parsed as TOML ({error})") from error
    except OSError as error:
        raise SettingsError(
            shown, found=f"cannot be read ({error.strerror})", expected="a TOML file"
        ) from error


def validate(table: type[T], data: object, shown: str, prefix: str = "") -> T:
    """Check parsed TOML against its shape.

    Raises:
        SettingsError: names the file (``shown``), each wrong key, what was found and expected, and for
            an unknown key the nearest known one.
    """
    if not isinstance(data, Mapping):
        found = f"{_brief(data)} ({type(data).__name__})"
        raise SettingsError(shown, found=f"key '{prefix}' is {found}; expected a table")
    try:
        return table.model_validate(dict(data))
    except ValidationError as error:
        problems = [_problem(table, item, prefix) for item in error.errors()]
        raise SettingsError(shown, found="; ".join(problems)) from error


def check_name(kind: str, name: str, where: str) -> None:
    """Raise SettingsError unless a name can stand in a test id and a file name."""
    if not NAME.fullmatch(name):
        raise SettingsError(
            where,
            found=f"{kind} name {name!r}",
            expected="letters, digits, '.', '_' and '-', beginning with a letter or digit",
        )
    if kind == "sector" and name in PYTEST_MARKS:
        raise SettingsError(
            where,
            found=f"sector name {name!r}, a mark of pytest that changes how its tests run",
            expected="another name",
        )


def _problem(table: type[BaseModel], item: Any, prefix: str) -> str:
    location = [str(part) for part in item["loc"]]
    key = prefix
    for part in item["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else part
    if item["type"] == "extra_forbidden":
        known = _fields_at(table, location[:-1])
        return f"unknown key '{key}'; {did_you_mean(location[-1], known)}"
    if item["type"] == "missing":
        return f"key '{key}' is missing"
    found = item["input"]
    message = item["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"key '{key}' is {_brief(found)} ({type(found).__name__}); expected {message}"


def _brief(value: object) -> str:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()  # as TOML writes it
    try:
        text = repr(value)
    except ValueError:  # an integer with more digits than Python is willing to print
        text = "a very large number"
    return text if len(text) <= 80 else text[:77] + "..."


def _fields_at(table: type[BaseModel], location: list[str]) -> list[str]:
    """Names of the fields of the table at a path of keys, to suggest the nearest one."""
    current: Any = table
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(part)
            current = None if field is None else field.annotation
        else:
            # A step into dict[str, Table]: the key is a name, the table is the value type.
            current = getattr(current, "__args__", (None, None))[-1]
        current = _table_of(current)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _table_of(annotation: Any) -> Any:
    """What stands behind Annotated[Table, …] and Table | None, one in the other or not."""
    if hasattr(annotation, "__metadata__"):
        return _table_of(annotation.__origin__)
    if get_origin(annotation) in {Union, UnionType}:
        parts = [part for part in get_args(annotation) if part is not NoneType]
        return _table_of(parts[0]) if len(parts) == 1 else annotation
    return annotation
