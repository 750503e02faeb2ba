"""Raw vectors to unit vectors; vectors that have no direction are an error, not a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_prodbench.errors import EmbeddingError
from pytest_prodbench.protocol.vectors import refuse_unusable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def normalise(vectors: NDArray[np.floating], name: Callable[[int], str]) -> NDArray[np.float32]:
    """Scale each row of (n, d) to length 1: x / ‖x‖₂, computed in float64, returned as float32.

    Args:
        vectors: float (n, d); not changed.
        name: row → what the user calls that image, for the message.

    Raises:
        EmbeddingError: not two-dimensional, not floating point, or a row that is not finite or all
            zero; names the first such image and says how many there are.
    """
    import numpy as np

    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise EmbeddingError(
            "embeddings",
            found=f"an array of shape {vectors.shape}",
            expected="shape (n, d), d >= 1",
        )
    if not np.issubdtype(vectors.dtype, np.floating):
        raise EmbeddingError(
            "embeddings",
            found=f"dtype {vectors.dtype}",
            expected="a floating-point dtype",
            next_step="convert with .astype('float32')",
        )
    refuse_unusable(vectors, name)
    # Scale by the largest component first: squares of tiny float64 numbers would vanish. Numbers of a wider
    # kind are scaled in that kind: float64 may not hold them.
    wide = vectors.astype(np.promote_types(vectors.dtype, np.float64))
    wide /= np.abs(wide).max(axis=1, keepdims=True)
    wide = wide.astype(np.float64, copy=False)
    wide /= np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    return wide.astype(np.float32)
