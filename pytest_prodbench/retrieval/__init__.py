"""Query and gallery matrices → exact ranks."""

from pytest_prodbench.retrieval.backends import choose_backend
from pytest_prodbench.retrieval.exclusion import Pairs, distinct_pairs, matching_pairs, union
from pytest_prodbench.retrieval.gallery import Gallery
from pytest_prodbench.retrieval.labels import Labels
from pytest_prodbench.retrieval.normalise import normalise
from pytest_prodbench.retrieval.rank import rank
from pytest_prodbench.retrieval.search import search
from pytest_prodbench.retrieval.verification import verification_pairs

__all__ = [
    "Gallery",
    "Labels",
    "Pairs",
    "choose_backend",
    "distinct_pairs",
    "matching_pairs",
    "normalise",
    "rank",
    "search",
    "union",
    "verification_pairs",
]
