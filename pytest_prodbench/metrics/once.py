"""What several statistics of one ranking begin with, such as its scores in their order, is made once."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_prodbench.protocol import Ranking

    Units = NDArray[np.intp]

T = TypeVar("T")


def once(make: Callable[[Ranking, Units], T]) -> Callable[[Ranking, Units], T]:
    """Keep what a function made of a ranking and units, as long as both live, for who asks with the same.

    Only for units that are read only, as an estimate's are: others may have changed since.
    """
    kept: weakref.WeakKeyDictionary[Ranking, tuple[weakref.ref[Units], T]] = (
        weakref.WeakKeyDictionary()
    )

    @wraps(make)
    def made(ranking: Ranking, units: Units) -> T:
        if units.flags.writeable:
            return make(ranking, units)
        found = kept.get(ranking)
        if found is not None and found[0]() is units:
            return found[1]
        new = make(ranking, units)
        kept[ranking] = weakref.ref(units), new
        return new

    return made
