"""Find and read the files that define a suite: models, sectors, their datasets and thresholds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_prodbench.errors import SettingsError, did_you_mean
from pytest_prodbench.settings.demands import rules_of, waivers_of
from pytest_prodbench.settings.lines import Located, key_lines
from pytest_prodbench.settings.model_options import check_options, check_remote_code
from pytest_prodbench.settings.places import MODELS_FILE, SECTOR_FILE, find_sector_files, nearest
from pytest_prodbench.settings.sources import parse_source
from pytest_prodbench.settings.tables import (
    DatasetTable,
    ModelsFile,
    ModelTable,
    ProjectTable,
    RunTable,
    SectorTable,
    check_name,
    read_toml,
    validate,
)
from pytest_prodbench.settings.types import (
    DatasetSpec,
    Head,
    ModelSpec,
    Preprocess,
    SectorSpec,
    Suite,
)


def load_suite(
    places: Sequence[Path], project: Path, *, models_files: Sequence[Path] = ()
) -> Suite:
    """Read everything that defines the suite around some paths.

    Args:
        places: files or folders, as given to pytest.
        project: folder where looking upwards ends; its ``pyproject.toml`` may hold ``[tool.prodbench]``.
        models_files: files with models instead of the nearest ``models.toml`` of each sector.

    Raises:
        SettingsError: a file that cannot be read, an unknown key, a wrong type, or one name defined
            twice; names both places.
    """
    sector_files = find_sector_files(places, project)
    chosen = list(dict.fromkeys(path.resolve() for path in models_files))
    if not chosen:
        found = (nearest(path.parent, MODELS_FILE, project) for path in sector_files)
        chosen = sorted({path for path in found if path is not None})
    builder = _Builder(project)
    table = project_table(project)
    if table is not None:
        builder.add_project_table(table, project / "pyproject.toml", ("tool", "prodbench"))
    for path in chosen:
        shown = shown_path(path, project)
        content = validate(ModelsFile, read_toml(path, shown), shown)
        builder.files.add(path)
        at = Located(shown, key_lines(path.read_text(encoding="utf-8")))
        for name, model in content.models.items():
            builder.add_model(name, model, at.where("models", name), path.parent)
    for path in sector_files:
        shown = shown_path(path, project)
        sector = validate(SectorTable, read_toml(path, shown), shown)
        builder.files.add(path)
        builder.add_sector(sector.sector or path.parent.name, sector, path, ())
    return builder.suite()


def load_bench_file(path: Path, project: Path) -> tuple[Suite, RunTable]:
    """Read a suite that stands in one file: ``[models]``, ``[sectors.NAME…]`` and ``[run]``.

    The keys are those of ``[tool.prodbench]``, without that prefix; paths are relative to the file.

    Raises:
        SettingsError: as ``load_suite``.
    """
    shown = shown_path(path, project)
    table = validate(ProjectTable, read_toml(path, shown), shown)
    builder = _Builder(project)
    builder.add_project_table(table, path.resolve(), ())
    return builder.suite(), table.run


def project_table(project: Path) -> ProjectTable | None:
    """Return ``[tool.prodbench]`` of a project's pyproject.toml; None if it has none."""
    pyproject = project / "pyproject.toml"
    if not pyproject.is_file():
        return None
    shown = shown_path(pyproject, project)
    tool = read_toml(pyproject, shown).get("tool")
    data = tool.get("prodbench") if isinstance(tool, dict) else None
    return None if data is None else validate(ProjectTable, data, shown, "tool.prodbench")


def sector_of(suite: Suite, test_file: Path) -> SectorSpec | None:
    """Return the sector that a test file belongs to; None if no file says so.

    The nearest folder above the test with a ``sector.toml``, else the sector that bears the name of the
    test's folder.

    Raises:
        SettingsError: the nearest ``sector.toml`` was not read, so that another one's rules would hold.
    """
    by_folder = {
        spec.source.parent: spec
        for spec in suite.sectors.values()
        if spec.source.name == SECTOR_FILE
    }
    for folder in test_file.resolve().parents:
        if folder in by_folder:
            return by_folder[folder]
        if (folder / SECTOR_FILE).is_file():
            raise SettingsError(
                str(folder / SECTOR_FILE),
                found=f"the sector of {test_file.name}, but too far below what was named to be found",
                expected="a sector.toml at most two folders below it",
                next_step=f"name {folder} itself on the command line",
            )
    return suite.sectors.get(test_file.resolve().parent.name)


def policy_digest(suite: Suite) -> str:
    """Sha256 (hex) over every file of a suite and every rule: an edit in mid-run changes it.

    The rules are in the files already, but for those that a ``conftest.py`` adds.

    Raises:
        SettingsError: a file is gone.
    """
    digest = hashlib.sha256()
    for path in suite.files:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SettingsError(
                str(path),
                found=f"cannot be read any more ({error.strerror})",
                expected="the file that was there when the run began",
            ) from error
        digest.update(f"{path.name}\0{len(data)}\0".encode())
        digest.update(data)
    for sector in suite.sectors.values():
        for demand in (*sector.rules, *sector.waivers):
            digest.update(demand.model_dump_json(exclude={"where"}).encode())
    return digest.hexdigest()


def shown_path(path: Path, project: Path) -> str:
    """Path as it is shown to people: relative to the project or, with ``~``, to the home folder."""
    path = path.resolve()
    # What is shown ends up in evidence, which must not carry the home folder of a machine.
    for base, prefix in ((project.resolve(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base):
            return prefix + path.relative_to(base).as_posix()
    return str(path)


def model_spec(name: str, table: ModelTable, where: str, folder: Path) -> ModelSpec:
    """Make a spec of a table; relative checkpoints are relative to ``folder``."""
    check_name("model", name, where)
    library, identifier = parse_source(table.source, where=where)
    checkpoint = table.checkpoint
    if checkpoint is not None and not checkpoint.startswith(("package:", "random:")):
        checkpoint = str(_placed(checkpoint, folder, f"{where}, checkpoint"))
    stated = table.preprocess.model_dump(exclude_none=True)
    if isinstance(stated.get("size"), int):
        stated["size"] = [stated["size"]] * 2
    options: Mapping[str, Any] = table.model_extra or {}
    check_options(library, options, where, f"models.{name}")
    if table.trust_remote_code:
        check_remote_code(library, where, f"models.{name}")
    head = None
    if table.head is not None:
        weights = _placed(table.head.weights, folder, f"{where}, head.weights")
        head = Head(weights=weights, normalise=table.head.normalise)
    known = set(ModelTable.model_fields) - {"source", "checkpoint", "preprocess", "head"}
    return ModelSpec(
        name=name,
        library=library,
        identifier=identifier,
        checkpoint=checkpoint,
        preprocess=Preprocess.model_validate(
            {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in stated.items()
            }
        ),
        head=head,
        options=dict(options),
        where=where,
        **table.model_dump(include=known),
    )


def dataset_spec(
    name: str, sector: str, table: DatasetTable, where: str, folder: Path
) -> DatasetSpec:
    """Make a spec of a table; a relative path is relative to ``folder``."""
    options: Mapping[str, Any] = table.model_extra or {}
    return DatasetSpec(
        name=name,
        sector=sector,
        layout=table.layout,
        path=_placed(table.path, folder, f"{where}, path"),
        open_set=table.open_set,
        options=dict(options),
        where=where,
    )


def _placed(text: str, folder: Path, where: str) -> Path:
    try:
        return (folder / Path(text).expanduser()).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        # ~nobody, a NUL character, a loop of links.
        raise SettingsError(where, found=f"{text!r} ({error})", expected="a path") from error


class _Builder:
    """Collects definitions and refuses a name that is defined twice."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self.files: set[Path] = set()
        self._models: dict[str, ModelSpec] = {}
        self._sectors: dict[str, SectorSpec] = {}
        self._datasets: dict[str, str] = {}
        self._known_lines: dict[Path, Mapping[tuple[str | int, ...], int]] = {}

    def add_project_table(self, table: ProjectTable, path: Path, prefix: tuple[str, ...]) -> None:
        self.files.add(path)
        at = Located(shown_path(path, self._project), self._lines(path), prefix)
        for name, model in table.models.items():
            self.add_model(name, model, at.where("models", name), path.parent)
        for name, sector in table.sectors.items():
            self.add_sector(name, sector, path, (*prefix, "sectors", name))

    def add_model(self, name: str, table: ModelTable, where: str, folder: Path) -> None:
        if name in self._models:
            raise _twice(f"model {name!r}", where, self._models[name].where)
        self._models[name] = model_spec(name, table, where, folder)

    def add_sector(
        self, name: str, table: SectorTable, path: Path, prefix: tuple[str, ...]
    ) -> None:
        at = Located(shown_path(path, self._project), self._lines(path), prefix)
        shown = at.shown
        check_name("sector", name, at.where("sector"))
        if name in self._sectors:
            other = shown_path(self._sectors[name].source, self._project)
            raise _twice(f"sector {name!r}", shown, other)
        datasets: dict[str, DatasetSpec] = {}
        for key, entry in table.datasets.items():
            where = at.where("datasets", key)
            check_name("dataset", key, where)
            if key in self._datasets:
                raise _twice(f"dataset {key!r}", where, self._datasets[key])
            self._datasets[key] = where
            datasets[key] = dataset_spec(key, name, entry, where, path.parent)
        self._sectors[name] = SectorSpec(
            name=name,
            owner=table.owner,
            datasets=datasets,
            rules=rules_of(table, name, at),
            waivers=waivers_of(table, name, at),
            source=path,
        )

    def _lines(self, path: Path) -> Mapping[tuple[str | int, ...], int]:
        if path not in self._known_lines:
            self._known_lines[path] = key_lines(path.read_text(encoding="utf-8"))
        return self._known_lines[path]

    def suite(self) -> Suite:
        return Suite(models=self._models, sectors=self._sectors, files=tuple(sorted(self.files)))


def _twice(what: str, where: str, other: str) -> SettingsError:
    return SettingsError(
        where,
        found=f"{what} is defined here and in {other}",
        expected="one definition",
        next_step="rename or remove one",
    )


def unknown_name(kind: str, name: str, known: Sequence[str], where: str) -> SettingsError:
    """Error for a name that was asked for and is not defined."""
    return SettingsError(
        where,
        found=f"{kind} {name!r}, which nothing defines",
        expected=f"a defined {kind}",
        next_step=did_you_mean(name, known),
    )
