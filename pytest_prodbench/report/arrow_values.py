"""Arrow values made of their bytes.

``pa.array`` and ``pa.scalar`` look whether they were given something of pandas, and import it for that where
it is installed: half a second, for a page that has nothing of it.
"""

from __future__ import annotations

import struct
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    import pyarrow as pa


def strings(texts: Collection[str]) -> pa.StringArray:
    """Return texts as an array.

    Raises:
        UnicodeEncodeError: a text is none that UTF-8 can hold.
    """
    import pyarrow as pa

    parts = [text.encode() for text in texts]
    ends = [0, *accumulate(map(len, parts))]
    offsets = pa.py_buffer(struct.pack(f"={len(ends)}i", *ends))
    return pa.StringArray.from_buffers(len(parts), offsets, pa.py_buffer(b"".join(parts)))


def integers(numbers: Collection[int]) -> pa.Int64Array:
    """Return whole numbers as an array."""
    import pyarrow as pa

    data = pa.py_buffer(struct.pack(f"={len(numbers)}q", *numbers))
    return pa.Int64Array.from_buffers(pa.int64(), len(numbers), [None, data])
