"""Which vectors have a direction at all; asked where they are made and again where they are ranked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_prodbench.errors import EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def refuse_unusable(vectors: NDArray[np.floating], name: Callable[[int], str]) -> None:
    """Check that each row of a float (n, d) can be normalised; ``name`` maps a row to its image.

    Raises:
        EmbeddingError: a row that is not finite or all zero; names the first such image and says how
            many there are.
    """
    import numpy as np

    for good, what in (
        (np.isfinite(vectors).all(axis=1), "a vector that is not finite (NaN or infinity)"),
        (vectors.any(axis=1), "a vector that is all zero"),
    ):
        bad = np.flatnonzero(~good)
        if len(bad):
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            raise EmbeddingError(
                f"image {name(int(bad[0]))}{more}",
                found=what,
                expected="finite numbers, at least one of them not zero",
                next_step="look at the image and at the model's output for it; try precision float32",
            )
