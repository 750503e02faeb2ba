"""The options of a run, declared once: they serve pytest, the shell command, environment and TOML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_prodbench.errors import SettingsError


def _switch(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError(text)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _report(text: str) -> str:
    """A kind of report, perhaps with a file: see :func:`_placed`."""
    if not text.partition(":")[0].strip():
        raise ValueError(text)
    return text


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    ``--prodbench-NAME`` of pytest, ``--NAME`` of the ``prodbench`` command, ``PRODBENCH_NAME`` of the
    environment (upper case, underscores), ``name`` of ``[tool.prodbench.run]`` (underscores).

    Attributes:
        name: with hyphens.
        field: of ``RunSettings``.
        help: one sentence.
        convert: text of the command line or environment → value.
        choices: the only values, where there are few.
        repeat: may be given several times (in the environment: separated by commas).
    """

    name: str
    field: str
    help: str
    convert: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    repeat: bool = False

    @property
    def flag(self) -> bool:
        """Whether it stands alone on the command line, and is true or false elsewhere."""
        return self.convert is _switch

    @property
    def arguments(self) -> dict[str, Any]:
        """How a parser of command lines is told of it."""
        if self.flag:
            return {"action": "store_const", "const": "true"}
        return {
            "action": "append" if self.repeat else "store",
            "choices": self.choices or None,
            "metavar": self.name.rpartition("-")[2].upper(),
        }

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return "PRODBENCH_" + self.key.upper()

    @property
    def key(self) -> str:
        """Name with underscores: key in TOML, and destination on the command line."""
        return self.name.replace("-", "_")


OPTIONS: tuple[Option, ...] = (
    Option("model", "models", "Run this model only (repeatable).", repeat=True),
    Option("dataset", "datasets", "Run this dataset only (repeatable).", repeat=True),
    Option("sector", "sectors", "Run this sector only (repeatable).", repeat=True),
    Option(
        "models-file",
        "models_file",
        "Take the models under test from this TOML file (repeatable).",
        convert=Path,
        repeat=True,
    ),
    Option("cache-dir", "cache_dir", "Where embeddings are kept.", convert=Path),
    Option("report-dir", "report_dir", "Where runs are written.", convert=Path),
    Option("run", "run", "Name of this run's folder (default: date and time)."),
    Option(
        "report",
        "reports",
        "Write this kind of report only, with :DEST a copy of it there too (repeatable).",
        convert=_report,
        repeat=True,
    ),
    Option("device", "device", "auto, cpu, cuda or cuda:N."),
    Option(
        "precision",
        "precision",
        "Precision of the forward pass; auto is float32 on the CPU.",
        choices=("auto", "float32", "bfloat16", "float16"),
    ),
    Option("batch-size", "batch_size", "Images a forward pass; 0 chooses.", convert=int),
    Option(
        "threads",
        "threads",
        "Torch threads of a process, or passes of another engine; 0 is one, or one a processor.",
        convert=int,
    ),
    Option(
        "backend",
        "backend",
        "Who computes the scores: same ranks, other speed.",
        choices=("auto", "torch", "faiss"),
    ),
    Option("max-pixels", "max_pixels", "Refuse images with more pixels.", convert=int),
    Option("resamples", "resamples", "Bootstrap resamples behind an interval.", convert=int),
    Option("seed", "seed", "Seed of the bootstrap.", convert=int),
    Option(
        "baseline",
        "baseline",
        "Folder of the accepted run to compare with (default: baselines/production, once it is there).",
        convert=Path,
    ),
    Option(
        "rebase",
        "rebase",
        "Compare with the baseline although the dataset changed: the queries that both have.",
        convert=_switch,
    ),
    Option(
        "gate",
        "gate",
        "enforce; report: judge, and fail no test for it; off: do not judge.",
        choices=("enforce", "report", "off"),
    ),
    Option(
        "require-full",
        "require_full",
        "Exit with 2 unless every planned pair was evaluated and decided.",
        convert=_switch,
    ),
)


def resolve(
    command_line: Mapping[str, Any],
    environment: Mapping[str, str],
    toml: Mapping[str, Any],
    *,
    project: Path,
    working_dir: Path,
    prefix: str = "--prodbench-",
) -> dict[str, Any]:
    """Merge the three sources into keyword arguments of ``RunSettings``; the first that speaks wins.

    Args:
        command_line: ``Option.key`` → raw text, list of raw texts, or None where not given.
        environment: usually ``os.environ``.
        toml: ``[tool.prodbench.run]``, already checked.
        project: what relative paths in TOML and defaults are relative to.
        working_dir: what relative paths of the command line and environment are relative to.
        prefix: of the options, for messages.

    Raises:
        SettingsError: a value of the wrong kind; names the option or variable.
    """
    merged: dict[str, Any] = {}
    for option in OPTIONS:
        raw = command_line.get(option.key)
        if raw:
            merged[option.field] = _value(option, raw, prefix + option.name, working_dir)
        elif environment.get(option.variable):
            text = environment[option.variable]
            listed = _listed(text) if option.repeat else text
            merged[option.field] = _value(option, listed, option.variable, working_dir)
        elif toml.get(option.key) is not None:
            value = toml[option.key]
            where = f"tool.prodbench.run.{option.key}"
            merged[option.field] = _placed(option, value, project, where)
    for field in ("cache_dir", "report_dir"):
        default = {"cache_dir": Path(".prodbench/cache"), "report_dir": Path("reports")}[field]
        merged[field] = project / merged.get(field, default)
    return merged


def _value(option: Option, raw: Any, where: str, base: Path) -> Any:
    if option.repeat:
        return tuple(_placed(option, _one(option, text, where), base, where) for text in raw)
    return _placed(option, _one(option, raw, where), base, where)


def _one(option: Option, text: Any, where: str) -> Any:
    if option.choices and text not in option.choices:
        raise SettingsError(where, found=repr(text), expected="one of " + ", ".join(option.choices))
    try:
        return option.convert(text)
    except ValueError as error:
        expected = (
            "true or false"
            if option.flag
            else "KIND or KIND:DEST"
            if option.convert is _report
            else "a whole number"
        )
        raise SettingsError(where, found=repr(text), expected=expected) from error


def _placed(option: Option, value: Any, base: Path, where: str) -> Any:
    if isinstance(value, list):
        return tuple(_placed(option, part, base, where) for part in value)
    try:
        if option.convert is _report:
            kind, colon, destination = value.partition(":")
            return kind + colon + str(base / Path(destination).expanduser() if destination else "")
        return base / Path(value).expanduser() if option.convert is Path else value
    except RuntimeError as error:
        raise SettingsError(where, found=f"{str(value)!r} ({error})", expected="a path") from error
