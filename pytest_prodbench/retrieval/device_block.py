"""A block of scores that stays where it was computed, as on a GPU; only counts and hits leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]


class DeviceBlock:
    """A float32 or bfloat16 tensor (r, w) of any torch device; see ``ScoreBlock``."""

    def __init__(self, tensor: Any) -> None:
        self._tensor = tensor

    def exclude(self, rows: Ints, columns: Ints) -> None:
        """Take pairs out."""
        import torch

        index = tuple(torch.from_numpy(i).to(self._tensor.device) for i in (rows, columns))
        self._tensor[index] = float("-inf")

    def largest(self, m: int) -> Floats:
        """The largest scores of each row, (r, min(m, w))."""
        found: Floats = (
            self._tensor.topk(min(m, self._tensor.shape[1]), dim=1).values.float().cpu().numpy()
        )
        return found

    def at_least(self, low: Floats) -> tuple[Ints, Ints, Floats]:
        """Rows, columns and scores of what reaches the limit of its row."""
        rows, columns = (self._tensor >= self._column(low)).nonzero(as_tuple=True)
        values = self._tensor[rows, columns].float()
        return rows.cpu().numpy(), columns.cpu().numpy(), values.cpu().numpy()

    def count(self, low: Floats, high: Floats) -> tuple[Ints, Ints, Ints]:
        """Counts above ``high``; rows and columns between the two."""
        limits = self._column(high)
        above = (self._tensor > limits).sum(dim=1)
        band = (self._tensor >= self._column(low)) & (self._tensor <= limits)
        rows, columns = band.nonzero(as_tuple=True)
        return above.cpu().numpy(), rows.cpu().numpy(), columns.cpu().numpy()

    def _column(self, limits: Floats) -> Any:
        import torch

        # float32 limits: comparing promotes bfloat16 scores, and loses nothing.
        return torch.from_numpy(limits).to(self._tensor.device)[:, None]
