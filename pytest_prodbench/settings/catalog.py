"""Add models, datasets and libraries from Python: what a team's ``conftest.py`` does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_prodbench import registry
from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.demands import threshold_rules
from pytest_prodbench.settings.files import dataset_spec, model_spec
from pytest_prodbench.settings.lines import Located
from pytest_prodbench.settings.tables import DatasetTable, ModelTable, check_name, validate
from pytest_prodbench.settings.types import Suite


class Catalog:
    """A suite that can still grow.

    Attributes:
        suite: what is defined so far.
    """

    def __init__(self, suite: Suite, project: Path) -> None:
        self.suite = suite
        self._project = project

    def add_library(self, name: str, library: Any) -> None:
        """Register a model library (a class with the ``ModelLibrary`` protocol) for this process."""
        registry.add("prodbench.models", name, library)

    def add_layout(self, name: str, layout: Any) -> None:
        """Register a dataset layout (a ``Layout``) for this process."""
        registry.add("prodbench.datasets", name, layout)

    def add_model(
        self,
        name: str,
        source: str,
        *,
        by_default: bool = True,
        where: str = "conftest.py",
        **keys: Any,
    ) -> None:
        """Add a model under test.

        Args:
            name: unique; part of the test id.
            source: ``library:identifier``.
            by_default: False: it runs only where ``--prodbench-model NAME`` asks for it.
            where: who adds it, for messages.
            **keys: ``checkpoint``, ``pooling`` and so on, as in ``models.toml``; a relative checkpoint is
                relative to the project.

        Raises:
            SettingsError: the name is taken, or a key is wrong.
        """
        if name in self.suite.models:
            raise self._taken("model", name, where, self.suite.models[name].where)
        table = validate(ModelTable, {"source": source, **keys}, where, f"models.{name}")
        spec = model_spec(name, table, where, self._project)
        spec = spec.model_copy(update={"by_default": by_default})
        self.suite = self.suite.model_copy(update={"models": {**self.suite.models, name: spec}})

    def add_dataset(
        self,
        name: str,
        *,
        sector: str,
        path: Path,
        layout: str = "manifest",
        open_set: bool = False,
        thresholds: Mapping[str, float | Mapping[str, Any]] | None = None,
        where: str = "conftest.py",
        **options: Any,
    ) -> None:
        """Add a dataset to a sector that a file defines; the sector's thresholds hold for it too.

        Args:
            name: unique; part of the test id.
            sector: of a ``sector.toml``.
            path: manifest or folder; relative to the project.
            layout: a registered layout.
            open_set: queries whose product is absent are declared.
            thresholds: metric → limit, as in the TOML table; in the place of the sector's on the metric.
            where: who adds it, for messages.
            **options: keys of the layout.

        Raises:
            SettingsError: the name is taken, there is no such sector, or a value is of the wrong type.
        """
        check_name("dataset", name, where)
        for other in self.suite.sectors.values():
            if name in other.datasets:
                raise self._taken("dataset", name, where, other.datasets[name].where)
        found = self.suite.sectors.get(sector)
        if found is None:
            raise SettingsError(
                where,
                found=f"dataset {name!r} in sector {sector!r}, which no file defines",
                expected="one of " + ", ".join(sorted(self.suite.sectors)),
            )
        table = validate(
            DatasetTable,
            {
                **options,
                "path": str(path),
                "layout": layout,
                "open_set": open_set,
                "thresholds": dict(thresholds or {}),
            },
            where,
            f"datasets.{name}",
        )
        spec = dataset_spec(name, sector, table, f"{where}: dataset {name}", self._project)
        at = Located(f"{where}: dataset {name}", {})
        rules = threshold_rules(table.thresholds, sector, name, at, "thresholds")
        changed = found.model_copy(
            update={
                "datasets": {**found.datasets, name: spec},
                "rules": (*found.rules, *rules),
            }
        )
        sectors = {**self.suite.sectors, sector: changed}
        self.suite = self.suite.model_copy(update={"sectors": sectors})

    def _taken(self, kind: str, name: str, where: str, other: str) -> SettingsError:
        return SettingsError(
            where,
            found=f"{kind} {name!r}, which {other} defines already",
            expected="a new name",
        )
