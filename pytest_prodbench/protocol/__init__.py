"""The types that pass between the rooms, and the definitions that make a number mean something."""

from pytest_prodbench.protocol.definitions import DEFINITIONS, PROTOCOL_VERSION
from pytest_prodbench.protocol.images import (
    Answers,
    Box,
    Dataset,
    ImageFiles,
    ImageTable,
    answering,
)
from pytest_prodbench.protocol.ranking import (
    NO_RANK,
    PositiveRanks,
    Ranking,
    VerificationPairs,
    read_only,
)

__all__ = [
    "DEFINITIONS",
    "NO_RANK",
    "PROTOCOL_VERSION",
    "Answers",
    "Box",
    "Dataset",
    "ImageFiles",
    "ImageTable",
    "PositiveRanks",
    "Ranking",
    "VerificationPairs",
    "answering",
    "read_only",
]
