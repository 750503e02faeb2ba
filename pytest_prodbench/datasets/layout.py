"""What an on-disk layout is: one file with an options type and a function, registered by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel

from pytest_prodbench.protocol import Dataset
from pytest_prodbench.settings.types import DatasetSpec


@dataclass(frozen=True, slots=True)
class Layout:
    """One on-disk layout.

    Attributes:
        options: pydantic model of the keys that only this layout knows (``extra="forbid"``).
        open: reads the tables and returns the dataset, without touching a pixel. Called with the spec
            and an instance of ``options``. Raises ``DatasetError`` or ``ProblemList``.
    """

    options: type[BaseModel]
    open: Callable[[DatasetSpec, BaseModel], Dataset]
