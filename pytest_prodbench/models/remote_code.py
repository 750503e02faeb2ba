"""Code that comes with weights: never run unless the model's entry says ``trust_remote_code = true``.

A config names classes of such code in ``auto_map``: ``module.Class`` of its own folder, or
``org/name--module.Class`` of another repository (transformers, *Building custom models*).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import model_error, weights_missing
from pytest_prodbench.models.hub import Snapshot, cached_snapshot, repository_folder

if TYPE_CHECKING:
    from pytest_prodbench.errors import ModelError
    from pytest_prodbench.settings.types import ModelSpec

CODE = "*.py"
_ELSEWHERE = "--"


def code_files(spec: ModelSpec, folder: Path) -> list[Path]:
    """Return the files of code that may run with a model, its own and those of repositories it refers to.

    They decide its numbers too. Empty where the entry does not allow them.

    Raises:
        ModelError: a repository that a config refers to is not on this machine.
    """
    if not spec.trust_remote_code:
        return []
    folders = [folder, *(snapshot.folder for snapshot in _elsewhere(spec, folder))]
    return sorted(path for one in folders for path in one.rglob(CODE))


def code_refs(spec: ModelSpec, folder: Path) -> list[Path]:
    """Return the files that say which commits of other repositories the code is of.

    Raises:
        ModelError: such a repository is not on this machine.
    """
    found = _elsewhere(spec, folder) if spec.trust_remote_code else []
    return [ref for snapshot in found for ref in snapshot.decides()]


def repositories_named(folder: Path) -> list[str]:
    """Return the other repositories whose code the configs of a folder name, sorted."""
    found = set()
    for path in sorted(folder.glob("*.json")):
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue  # whoever needs that file will say so
        named = config.get("auto_map") if isinstance(config, dict) else None
        for value in named.values() if isinstance(named, dict) else ():
            classes = value if isinstance(value, list) else [value]
            found |= {
                one.partition(_ELSEWHERE)[0]
                for one in classes
                if isinstance(one, str) and _ELSEWHERE in one
            }
    return sorted(found)


def _elsewhere(spec: ModelSpec, folder: Path) -> list[Snapshot]:
    found = []
    for repository in repositories_named(folder):
        snapshot = cached_snapshot(repository, None)
        if snapshot is None:
            raise weights_missing(spec, f"the code in {repository}", repository_folder(repository))
        found.append(snapshot)
    return found


def code_refused(spec: ModelSpec, folder: Path) -> ModelError:
    """Build the error for a model that needs code of its own, which its entry does not allow."""
    return model_error(
        spec,
        found=f"{folder} needs code that came with the weights",
        expected="a model whose code is in the library",
        next_step=f"read the {CODE} files there; to run them, write trust_remote_code = true in "
        f"[models.{spec.name}], which the report will say",
    )
