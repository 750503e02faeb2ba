"""The shape of the TOML files, and messages that name file, key, what was found and expected."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pytest_prodbench.errors import SettingsError, did_you_mean
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.policy import (
    COSTS,
    EVERY,
    Aggregate,
    GateMode,
    Inconclusive,
    Severity,
)
from pytest_prodbench.settings.types import Family, Pooling

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names become test ids (``model:dataset``) and file names; so no colon, space or slash."""

PYTEST_MARKS = frozenset(
    ("filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xdist_group", "xfail")
)
"""A sector's tests bear its name as a mark: these would make pytest skip them, or forgive failures."""

T = TypeVar("T", bound=BaseModel)

CostName = Literal[
    "latency_p95_ms", "images_per_s", "peak_memory_mib", "bytes_per_vector", "price_per_1000"
]


def _source_table(value: object) -> object:
    return {"source": value} if isinstance(value, str) else value


def _limit_table(value: object) -> object:
    return {"min": value} if _is_number(value) else value


def _cost_tables(value: object) -> object:
    """A bare number stands on the side on which the limit of that cost is."""
    if not isinstance(value, dict):
        return value
    return {
        name: {COSTS[name][0]: limit} if name in COSTS and _is_number(limit) else limit
        for name, limit in value.items()
    }


def _drop_table(value: object) -> object:
    return {"abs": value} if _is_number(value) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class ModelTable(Frozen):
    """``[models.NAME]``, or the string ``library:identifier`` in its place."""

    source: str
    checkpoint: str | None = None
    revision: str | None = None
    pooling: Pooling = "default"
    gem_power: float = Field(default=3.0, gt=0, allow_inf_nan=False)
    price_per_1000: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    family: Family = "open"


class DropTable(Frozen):
    """``max_drop = { abs = 0.01 }``, or the number in its place; ``{ rel = 0.02 }`` is a share."""

    abs: float | None = Field(default=None, allow_inf_nan=False)
    rel: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.abs is None) == (self.rel is None):
            raise ValueError(
                "one of abs (in units of the metric) and rel (a share of the baseline's)"
            )
        return self


DropEntry = Annotated[DropTable, BeforeValidator(_drop_table)]


class LimitTable(Frozen):
    """Keys of a limit: one of ``min`` and ``max``, or ``max_drop``."""

    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    max_drop: DropEntry | None = None

    @model_validator(mode="after")
    def _some_limit(self) -> Self:
        self._require_limit()
        return self

    def _require_limit(self) -> None:
        if self.min is not None and self.max is not None:
            raise ValueError("one of min (more is better) and max (less is better), not both")
        if self.min is None and self.max is None and self.max_drop is None:
            raise ValueError("min (more is better), max (less is better) or max_drop")


class DemandTable(LimitTable):
    """Keys that every rule has."""

    severity: Severity = "block"
    confidence: float | None = Field(default=None, gt=0.5, le=0.975)
    inconclusive: Inconclusive | None = None

    @model_validator(mode="after")
    def _inconclusive_of_what(self) -> Self:
        if self.inconclusive is not None and self.confidence is None:
            raise ValueError(
                "inconclusive only beside confidence: a measured value is never between"
            )
        return self


class ThresholdTable(DemandTable):
    """``{ min = 0.5 }``, or the number in its place."""


class RequireTable(Frozen):
    """``require = { beats = "lite*", by = 0.05 }``; ``beats`` may be ``family:open``."""

    beats: str
    by: float = Field(allow_inf_nan=False)


class ScopeTable(Frozen):
    """Keys that say what a rule or waiver is about."""

    metric: str
    datasets: str = EVERY
    models: str = EVERY
    condition: dict[str, str] = Field(default_factory=dict)
    worst_condition: str | None = None
    aggregate: Aggregate | None = None

    @field_validator("condition")
    @classmethod
    def _one_or_two(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > 2:
            raise ValueError("at most two columns, each with one value")
        return value

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        if self.worst_condition is not None and self.condition:
            raise ValueError("one of condition and worst_condition, not both")
        if self.aggregate is not None and self.datasets != EVERY:
            raise ValueError("an aggregate over all datasets of the sector, without datasets")
        return self


class ScopedLimitTable(ScopeTable, LimitTable):
    """A scope and its limit, which may be a lead over other models."""

    require: RequireTable | None = None

    def _require_limit(self) -> None:
        if self.require is None:
            super()._require_limit()
            return
        if self.min is not None or self.max is not None or self.max_drop is not None:
            raise ValueError("require alone, without min, max and max_drop")
        if self.aggregate is not None:
            raise ValueError("require for each dataset alone, without aggregate")


class RuleTable(ScopedLimitTable, DemandTable):
    """``[[rules]]``."""


class WaiverTable(ScopedLimitTable):
    """``[[waivers]]``."""

    reason: str
    owner: str
    granted: dt.date
    expires: dt.date

    @field_validator("reason", "owner")
    @classmethod
    def _said(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("some words")
        return value

    @field_validator("granted", "expires", mode="before")
    @classmethod
    def _a_day(cls, value: object) -> object:
        # A date with a time of day is a date to Python, and not to whoever reads "until 31 March".
        if isinstance(value, dt.datetime):
            raise ValueError("a day, as 2027-03-31, without a time")  # noqa: TRY004 - pydantic's way
        return value

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.max_drop is not None and (self.min is not None or self.max is not None):
            raise ValueError("one limit a waiver: min, max or max_drop")
        return self

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.expires < self.granted:
            raise ValueError(f"expires ({self.expires}) on or after granted ({self.granted})")
        return self


ModelEntry = Annotated[ModelTable, BeforeValidator(_source_table)]
ThresholdEntry = Annotated[ThresholdTable, BeforeValidator(_limit_table)]


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
    budget: Annotated[dict[CostName, ThresholdTable], BeforeValidator(_cost_tables)] = Field(
        default_factory=dict
    )
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
        # Annotated[Table, …] hides the table one level down.
        current = getattr(current, "__origin__", current) if _annotated(current) else current
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _annotated(annotation: Any) -> bool:
    return hasattr(annotation, "__metadata__")
