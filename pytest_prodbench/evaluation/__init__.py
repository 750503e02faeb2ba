"""The straight way in one call: images → vectors → ranks → numbers."""

from pytest_prodbench.evaluation.comparing import Comparison, compare, compare_all
from pytest_prodbench.evaluation.embeddings import evaluate_embeddings
from pytest_prodbench.evaluation.images import evaluate
from pytest_prodbench.evaluation.result import Evaluation

__all__ = ["Comparison", "Evaluation", "compare", "compare_all", "evaluate", "evaluate_embeddings"]
