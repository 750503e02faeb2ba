"""A gallery made ready to be searched: laid out by product, and its reduced copy made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pytest_prodbench.retrieval.quantised import Quantised

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

CONVERTED_AT_ONCE = 1024
"""Rows converted at a time, so that the second reading of them is from a cache."""

NORM_SLACK = 1.0 + 2.0**-10
"""Room for the float32 arithmetic in which norms themselves are computed: γ_d < 2⁻¹⁰ up to d = 16,000."""


class Gallery:
    """n unit vectors, float32 (n, d), in an order in which each product's images are neighbours.

    Attributes:
        vectors: float32 (n, d), as given.
        order: int64 (n,), row of ``vectors`` at each place; None where places are rows.
        products: int64 (n,), product at each place, numbered 0, 1, 2 …; None if not laid out by them.
    """

    def __init__(self, vectors: Floats, products: Ints | None = None) -> None:
        """``products``: codes (n,) to be made neighbours; None leaves the order alone."""
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self.order: Ints | None = None
        self.products: Ints | None = None
        self._ends: Ints | None = None
        if products is not None:
            if (np.diff(products) < 0).any():
                self.order = np.argsort(products, kind="stable")
                products = products[self.order]
            new = np.diff(products) != 0
            self._ends = np.append(np.flatnonzero(new) + 1, len(products))
            self.products = np.concatenate([[0], np.cumsum(new)]).astype(np.int64)[: len(products)]
        self._reduced: dict[str, Reduced] = {}
        self._quantised: Quantised | None = None
        self._moved: dict[str, Any] = {}
        self._places: Ints | None = None

    def in_order(self, order: Ints) -> Gallery:
        """The same vectors laid out in another order of rows, whatever their products."""
        other = Gallery(self.vectors)
        other.order = order
        return other

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dimension(self) -> int:
        """Components of a vector."""
        return int(self.vectors.shape[1])

    def rows(self, places: Ints) -> Ints:
        """Rows of ``vectors`` at some places."""
        return places if self.order is None else self.order[places]

    def places(self) -> Ints:
        """Place of each row, int64 (n,)."""
        if self._places is None:
            places = np.arange(len(self))
            if self.order is not None:
                places[self.order] = np.arange(len(self))
            # Only when it is filled: several threads may ask.
            self._places = places
        return self._places

    def is_laid_out_by(self, products: Ints) -> bool:
        """Whether the images of each of these products (n,), and they alone, are neighbours."""
        if self.products is None or len(products) != len(self):
            return False
        codes = products if self.order is None else products[self.order]
        same_ends = np.array_equal(np.diff(codes) != 0, np.diff(self.products) != 0)
        return same_ends and len(np.unique(codes)) == self.products[-1] + 1

    def part(self, start: int, stop: int) -> Floats:
        """Vectors at places start:stop; a view where the order allows it."""
        if self.order is None:
            return self.vectors[start:stop]
        part: Floats = self.vectors[self.order[start:stop]]
        return part

    def blocks(self, size: int) -> list[tuple[int, int]]:
        """Ranges of at most ``size`` places, or of one product if it alone has more.

        No product is in two blocks, so that its images can be counted once, block by block.
        """
        if self._ends is None:
            starts = range(0, len(self), size)
            return [(start, min(start + size, len(self))) for start in starts]
        found, start = [], 0
        while start < len(self):
            # The last end within reach, or else the first one beyond it.
            i = int(np.searchsorted(self._ends, start + size, side="right"))
            within = i > 0 and self._ends[i - 1] > start
            stop = int(self._ends[i - 1] if within else self._ends[i])
            found.append((start, stop))
            start = stop
        return found

    def reduced(self, device: str) -> Reduced:
        """Return the bfloat16 copy on a torch device; made at the first call and kept."""
        if device not in self._reduced:
            self._reduced[device] = Reduced(self, device)
        return self._reduced[device]

    def quantised(self) -> Quantised:
        """Return the copy in 8-bit integers; made at the first call and kept."""
        if self._quantised is None:
            from pytest_prodbench.retrieval.quantised import Quantised

            self._quantised = Quantised(self)
        return self._quantised

    def moved(self, device: str) -> Any:
        """Return the vectors as a float32 tensor (n, d) on a torch device, in the order of places; kept."""
        import torch

        if device not in self._moved:
            self._moved[device] = torch.from_numpy(self.part(0, len(self))).to(device)
        return self._moved[device]


class Reduced:
    """bfloat16 copy of a gallery, and by how much it differs.

    Attributes:
        tensor: torch.bfloat16 (n, d) on its device, in the order of places.
        residual: largest ‖x − x̃‖ of a vector and its copy.
        norm: largest ‖x‖.
    """

    def __init__(self, gallery: Gallery, device: str) -> None:
        import torch

        shape = (len(gallery), gallery.dimension)
        self.tensor: Any = torch.empty(shape, dtype=torch.bfloat16, device=device)
        # The default dtype is the caller's to set; in bfloat16 these would be rounded, and no bounds.
        most = torch.zeros(2, dtype=torch.float32, device=device)
        room = torch.empty(
            (CONVERTED_AT_ONCE, gallery.dimension), dtype=torch.float32, device=device
        )
        for start in range(0, len(gallery), CONVERTED_AT_ONCE):
            part = torch.from_numpy(gallery.part(start, start + CONVERTED_AT_ONCE)).to(device)
            copy = self.tensor[start : start + len(part)]
            copy.copy_(part)
            residual = torch.sub(part, copy, out=room[: len(part)])
            norms = [torch.linalg.vector_norm(some, dim=1).max() for some in (residual, part)]
            most = torch.maximum(most, torch.stack(norms))
        self.residual = float(most[0]) * NORM_SLACK
        self.norm = float(most[1]) * NORM_SLACK
