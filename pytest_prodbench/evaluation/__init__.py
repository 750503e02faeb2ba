"""The straight way in one call: images → vectors → ranks → numbers.

The names below are loaded when they are first used: a report needs little of what stands beside them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_prodbench.evaluation.comparing import Comparison, compare, compare_all
    from pytest_prodbench.evaluation.embeddings import evaluate_embeddings
    from pytest_prodbench.evaluation.images import evaluate
    from pytest_prodbench.evaluation.result import Evaluation

__all__ = ["Comparison", "Evaluation", "compare", "compare_all", "evaluate", "evaluate_embeddings"]

_MODULES = {
    "Comparison": "comparing",
    "Evaluation": "result",
    "compare": "comparing",
    "compare_all": "comparing",
    "evaluate": "images",
    "evaluate_embeddings": "embeddings",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
