"""A block of scores that stays where it was computed, as on a GPU; only counts and hits leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_prodbench.retrieval.blocks import Band, Hits
from pytest_prodbench.retrieval.bounds import NEVER
from pytest_prodbench.retrieval.products import Runs, gather_to_the_right

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Room = NDArray[np.floating[Any]]
    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


class DeviceBlock:
    """A float32 or bfloat16 tensor (r, w) of any torch device; see ``ScoreBlock``."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor
        self.width = int(tensor.shape[1])

    def exclude(self, rows: Ints, columns: Ints) -> None:
        """Take pairs out."""
        self._tensor[self._moved(rows), self._moved(columns)] = float("-inf")

    def largest(self, m: int) -> Floats:
        """The largest scores of each row, (r, min(m, w))."""
        found: Floats = (
            self._tensor.topk(min(m, self._tensor.shape[1]), dim=1).values.float().cpu().numpy()
        )
        return found

    def at_least(self, low: Floats, room: Room | None = None) -> Hits:
        """Find what reaches the limit of its row."""
        counts, rows, columns = self._listed(self._tensor >= self._column(low), room)
        scores = self._tensor[rows, columns].float()
        return Hits(counts, rows.cpu().numpy(), columns.cpu().numpy(), scores.cpu().numpy())

    def above(self, limits: Floats) -> Ints:
        """Count what exceeds the limit of its row."""
        counts: Ints = (self._tensor > self._column(limits)).sum(dim=1).cpu().numpy()
        return counts

    def count(self, low: Floats, high: Floats, room: Room | None = None) -> Band:
        """Count above ``high``; find what is between the two."""
        limits = self._column(high)
        above = (self._tensor > limits).sum(dim=1)
        band = (self._tensor >= self._column(low)) & (self._tensor <= limits)
        counts, rows, columns = self._listed(band, room)
        return Band(above.cpu().numpy(), counts, rows.cpu().numpy(), columns.cpu().numpy())

    def products(
        self, limits: Floats, above: Ints, codes: Ints, rows: Ints, columns: Ints
    ) -> tuple[Ints, Mask]:
        """Count the products that have a score above the limit of its row."""
        runs = Runs(codes)
        mask = self._tensor > self._column(np.where(above > 0, limits, NEVER))
        gather_to_the_right(mask, ((step, self._moved(inside)) for step, inside in runs.steps()))
        counted = mask[self._moved(rows), self._moved(runs.last[columns])]
        mask &= self._moved(runs.is_last)
        counts: Ints = mask.sum(dim=1).cpu().numpy()
        return counts, counted.cpu().numpy()

    def _listed(self, mask: Any, room: Room | None) -> tuple[Ints, Any, Any]:
        """Count what is set in each row, and list it where a row has room; empties the other rows."""
        counts: Ints = mask.sum(dim=1).cpu().numpy()
        if room is not None and (counts > room).any():
            mask &= self._column(counts <= room)
        rows, columns = mask.nonzero(as_tuple=True)
        return counts, rows, columns

    def _column(self, limits: NDArray[Any]) -> Any:
        # float32 limits: comparing promotes bfloat16 scores, and loses nothing.
        return self._moved(limits)[:, None]

    def _moved(self, array: NDArray[Any]) -> Any:
        import torch

        return torch.from_numpy(array).to(self._tensor.device)
