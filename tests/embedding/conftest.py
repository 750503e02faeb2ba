from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from embedding_builders import register_faulty

from pytest_prodbench import registry


@pytest.fixture(autouse=True, scope="module")
def faulty_library() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_added", {})
        register_faulty()
        yield


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
