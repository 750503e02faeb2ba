"""A plugin of pytest: what one run of a small suite has measured, the next run takes up.

Tests of the plugin are about what becomes of a measurement: who judges it, which row and which exit code it
gets, who loses it. Hundreds of runs would measure the same four pairs. Here the first one measures, by the
real way from pixels to intervals; the others read what it found and do all else themselves: they open and
read the catalog, make a handle of the model, judge, write. What fills in the page of a run is compiled once.

In use where ``PYTEST_PLUGINS`` names it and ``MEASURED_ONCE`` a folder: see ``tests/plugin/conftest.py``.
Tests of what a number is, or whether two runs give the same one, measure each time.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

FOLDER = "MEASURED_ONCE"
"""Variable with the folder of measurements."""

NOT_OF_A_NUMBER = {
    *("models", "datasets", "sectors", "models_file", "cache_dir", "report_dir", "run", "reports"),
    *("baseline", "rebase", "gate", "require_full", "threads", "batch_size"),
}
"""Settings that say what is run, who judges it and where it is written."""


def key_of(handle: Any, digests: Any, dataset: Any, settings: Any, metrics: Any) -> str:
    """Everything that a measurement of these tests depends on."""
    parts = [
        handle.spec.model_dump_json(),
        dataset.name,
        str(dataset.open_set),
        digests.digest,
        settings.model_dump_json(exclude=NOT_OF_A_NUMBER),
        *metrics,
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def take_up(folder: Path) -> None:
    """Make every pair of this process look there first."""
    from pytest_prodbench.evaluation import bench
    from pytest_prodbench.evaluation.images import dataset_record

    measure = bench.evaluate_opened

    @wraps(measure)
    def measured(
        handle: Any, dataset: Any, digests: Any, settings: Any, *, project: Path, **options: Any
    ) -> Any:
        key = key_of(handle, digests, dataset, settings, options.get("metrics", ()))
        path = folder / key
        if path.exists():
            # Written by a run of these tests in a folder of their own.
            found = pickle.loads(path.read_bytes())  # noqa: S301
            return replace(found, dataset=dataset_record(dataset, digests, project))
        found = measure(handle, dataset, digests, settings, project=project, **options)
        part = path.with_name(f"{key}.{os.getpid()}")
        part.write_bytes(pickle.dumps(found))
        part.replace(path)
        return found

    bench.evaluate_opened = measured


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Before the first pair of a process that measures."""
    take_up(Path(os.environ[FOLDER]))


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Before a controller writes its page: half of the time for a small page goes into its templates."""
    config = session.config
    if hasattr(config, "workerinput") or config.option.prodbench_report:
        return
    from jinja2 import FileSystemBytecodeCache

    from pytest_prodbench.report.html import environment

    environment().bytecode_cache = FileSystemBytecodeCache(os.environ[FOLDER])
