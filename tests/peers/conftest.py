"""Other evaluators, one fixture each; a missing one skips its tests, or fails them where CI demands it."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

    from tie_free import TieFree


def _peer(name: str) -> ModuleType:
    """Import a peer. One that is installed and broken is an error, never a skip."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        missing = f"{error.name} is not installed: pip install -c constraints.txt -e '.[dev,peers]'"
        if os.environ.get("PRODBENCH_REQUIRE_PEERS"):
            pytest.fail(missing)
        pytest.skip(missing)


def _fixture(fixture: str, module: str) -> Any:
    @pytest.fixture(scope="session", name=fixture)
    def imported() -> ModuleType:
        return _peer(module)

    return imported


faiss = _fixture("faiss", "faiss")
mteb_metrics = _fixture("mteb_metrics", "mteb._evaluators.retrieval_metrics")
mteb_evaluator = _fixture("mteb_evaluator", "mteb._evaluators.retrieval_evaluator")
pml = _fixture("pml", "pytorch_metric_learning.utils.accuracy_calculator")
pytrec_eval = _fixture("pytrec_eval", "pytrec_eval")
ranx = _fixture("ranx", "ranx")
sentence_transformers = _fixture(
    "sentence_transformers", "sentence_transformers.sentence_transformer.evaluation"
)
sklearn = _fixture("sklearn", "sklearn.metrics")
torchmetrics = _fixture("torchmetrics", "torchmetrics.functional.retrieval")
torchmetrics_scores = _fixture("torchmetrics_scores", "torchmetrics.functional.classification")


@pytest.fixture(scope="session", params=[0, 1, 2], ids=lambda seed: f"seed{seed}")
def data(request: pytest.FixtureRequest) -> TieFree:
    """Random data without ties."""
    from tie_free import tie_free

    return tie_free(request.param)
