"""Where commands find pictures that runs have left: thumbnails and charts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_prodbench.settings.files import project_table
from pytest_prodbench.settings.options import resolve

if TYPE_CHECKING:
    from pathlib import Path


def pictures_cache(project: Path) -> Path | None:
    """Return the project's cache, where runs leave thumbnails and charts; None where there is none yet.

    A command that only looks at runs makes no cache.
    """
    table = project_table(project)
    toml: dict[str, Any] = {} if table is None else table.run.model_dump()
    merged = resolve({}, os.environ, toml, project=project, working_dir=project)
    found: Path = merged["cache_dir"]
    return found if found.is_dir() else None
