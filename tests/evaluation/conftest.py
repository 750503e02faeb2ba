from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from drawn_catalog import draw_catalog
from remembered_suite import Project, against, fresh


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Forty queries a dataset: enough for slices of twenty."""
    path = tmp_path_factory.mktemp("project")
    for seed, name in enumerate(("bolts", "nuts", "boxes"), 1):
        draw_catalog(path / name, products=10, queries=4, seed=seed)
    draw_catalog(path / "gone", seed=4)
    next((path / "gone").glob("*.png")).unlink()
    return Project(path, {})


@pytest.fixture(scope="module")
def opponent(project):
    """Model one, accepted; the suite of today has the same datasets."""
    record, tables = project.run(project.policy(), fresh())
    return against(record, tables)
