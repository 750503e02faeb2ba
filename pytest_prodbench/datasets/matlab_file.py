"""Reads lists, texts, numbers and structs from a MATLAB 5 file, as ``gnd_instre.mat`` is one.

``scipy.io.loadmat`` reads more, but ends the interpreter on some damaged files (segmentation fault, SciPy
1.17, found by changing three bytes at a time), and an evaluation must not die of a bad download. What is read
here is written by ``scipy.io.savemat`` in the tests. Form: MathWorks, "MAT-File Format", level 5.

Shapes are dropped: whether a list lies, stands or is a matrix, it is read column by column. A numeric array
becomes ``list[float]``, characters ``list[str]`` (a text a row), a cell array a list of these, a struct
array a list of dicts.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

_HEADER = 128
_LARGEST = 2**28
"""Bytes that a compressed variable may unpack to."""
_DEEPEST = 16

_COMPRESSED, _MATRIX = 15, 14
_CELL, _STRUCT, _CHARACTERS = 1, 2, 4
_NUMERIC = range(6, 16)
_COMPLEX = 0x0800

# Type of a data element → how its values are stored.
_NUMBERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}


def read_matlab(data: bytes, wanted: Container[str]) -> dict[str, Any]:
    """Return the wanted variables of a file by name; see above for what they become.

    Raises:
        ValueError: no MATLAB 5 file, not whole, or a wanted variable is of another kind.
    """
    if len(data) < _HEADER:
        raise ValueError(f"it has {len(data)} bytes, the header alone has {_HEADER}")
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    version = data[125:123:-1] if order == "<" else data[124:126]
    if order is None or version != b"\x01\x00":
        kind = "7.3 (HDF5)" if data.startswith(b"MATLAB 7.3") else "unknown"
        raise ValueError(f"its version is {kind}, expected 5")
    found: dict[str, Any] = {}
    whole = _Bytes(data, order, _HEADER)
    while whole.place < len(data):
        kind_of, content = whole.element()
        if kind_of == _COMPRESSED:
            kind_of, content = _Bytes(_unpacked(content), order).element()
        if kind_of != _MATRIX:
            raise ValueError(f"a variable of type {kind_of}, expected {_MATRIX}")
        name, value = _matrix(_Bytes(content, order), wanted, 0)
        if name in wanted:
            found[name] = value
    return found


@dataclass
class _Bytes:
    """Data elements one after the other."""

    data: bytes
    order: str
    place: int = 0

    def element(self) -> tuple[int, bytes]:
        """Return type and bytes of the next element."""
        tag = self.data[self.place : self.place + 8]
        if len(tag) < 8:
            raise ValueError("it ends in the middle of an element")
        kind, size = struct.unpack(f"{self.order}II", tag)
        if kind >> 16:  # a small element has its bytes in its tag
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise ValueError(f"a small element of {size} bytes")
            self.place += 8
            return kind, tag[4 : 4 + size]
        start = self.place + 8
        content = self.data[start : start + size]
        if len(content) < size:
            raise ValueError("it ends in the middle of an element")
        # All but compressed elements are filled up to 8 bytes.
        self.place = start + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        return kind, content

    def numbers(self) -> list[Any]:
        """Return the values of the next element."""
        kind, content = self.element()
        if not content:
            return []
        if kind not in _NUMBERS:
            raise ValueError(f"numbers of type {kind}")
        size = struct.calcsize(_NUMBERS[kind])
        if len(content) % size:
            raise ValueError(f"{len(content)} bytes of numbers of {size} bytes")
        return list(struct.unpack(f"{self.order}{len(content) // size}{_NUMBERS[kind]}", content))

    def text(self) -> str:
        """Return the next element as text."""
        kind, content = self.element()
        if not content:
            return ""
        if kind not in _TEXTS:
            raise ValueError(f"text of type {kind}")
        encoding = _TEXTS[kind]
        if encoding in ("utf-16", "utf-32"):
            encoding += "-le" if self.order == "<" else "-be"
        return content.decode(encoding)


def _unpacked(content: bytes) -> bytes:
    reader = zlib.decompressobj()
    try:
        data = reader.decompress(content, _LARGEST)
    except zlib.error as error:
        raise ValueError(f"a compressed variable is damaged: {error}") from None
    if not reader.eof:
        raise ValueError("a compressed variable is not whole, or too large")
    return data


def _matrix(source: _Bytes, wanted: Container[str], depth: int) -> tuple[str, Any]:
    """Return name and value of a variable; no value where its name is not wanted."""
    if depth > _DEEPEST:
        raise ValueError(f"arrays in arrays, more than {_DEEPEST} deep")
    if source.place == len(source.data):
        return "", []  # an empty array may have no bytes at all
    flags = source.numbers()
    sizes = source.numbers()
    name = source.text()
    if not flags or len(sizes) < 2 or min(sizes) < 0:
        raise ValueError(f"an array of flags {flags} and sizes {sizes}")
    if depth == 0 and name not in wanted:
        return name, None
    kind, count = flags[0] & 0xFF, math.prod(sizes)
    if kind == _CELL:
        return name, [_inner(source, depth) for _ in _counted(source, count)]
    if kind == _STRUCT:
        fields = _fields(source)
        return name, [
            {field: _inner(source, depth) for field in fields} for _ in _counted(source, count)
        ]
    if kind == _CHARACTERS:
        text = source.text()
        _same(len(text), count)
        return name, [text[row :: sizes[0]] for row in range(sizes[0] if text else 0)]
    if kind not in _NUMERIC or flags[0] & _COMPLEX:
        raise ValueError(f"an array of class {kind}, expected numbers, texts, cells or structs")
    numbers = [float(number) for number in source.numbers()]
    _same(len(numbers), count)
    return name, numbers


def _inner(source: _Bytes, depth: int) -> Any:
    kind, content = source.element()
    if kind != _MATRIX:
        raise ValueError(f"an inner array of type {kind}, expected {_MATRIX}")
    return _matrix(_Bytes(content, source.order), (), depth + 1)[1]


def _counted(source: _Bytes, count: int) -> range:
    """Return a range of that many inner arrays, each of which has 8 bytes at least."""
    if count > (len(source.data) - source.place) // 8:
        raise ValueError(f"{count} inner arrays, more than there are bytes for")
    return range(count)


def _fields(source: _Bytes) -> list[str]:
    length = source.numbers()
    names = source.text()
    if len(length) != 1 or length[0] < 1 or len(names) % length[0]:
        raise ValueError(f"names of fields {names!r} of length {length}")
    size = length[0]
    fields = [names[i : i + size].partition("\0")[0] for i in range(0, len(names), size)]
    if not fields or len(set(fields)) < len(fields):
        raise ValueError(f"names of fields {fields}")
    return fields


def _same(found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(f"an array of {found} values, but sizes that say {expected}")
