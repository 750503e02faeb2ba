"""Decide whether a visual product-search model may ship: the identical SKU, per sector, with evidence.

The names below are loaded when they are first used, so that importing the package (as pytest does in
every repository where the plugin is installed) costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_prodbench.evaluation import (
        Comparison,
        Evaluation,
        compare,
        compare_all,
        evaluate,
        evaluate_embeddings,
    )

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "Evaluation",
    "__version__",
    "compare",
    "compare_all",
    "evaluate",
    "evaluate_embeddings",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from pytest_prodbench import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
