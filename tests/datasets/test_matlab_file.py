"""MATLAB 5 files: what SciPy writes is read back; damaged ones are an error and never more."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from pytest_prodbench.datasets.matlab_file import read_matlab

NUMBERS = [
    "uint8",
    "int8",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "int64",
    "uint64",
    "float32",
    "float64",
]


def written(variables: dict[str, Any], *, compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=compressed)
    return buffer.getvalue()


def cell(*values: Any) -> Any:
    array = np.empty((1, len(values)), dtype=object)
    for i, value in enumerate(values):
        array[0, i] = value
    return array


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("compressed", [False, True])
def test_numbers(kind: str, compressed: bool) -> None:
    array = np.array([[1, 2, 3], [4, 5, 100]], dtype=kind)
    data = written({"a": array, "empty": np.zeros((0, 3), dtype=kind)}, compressed=compressed)
    # Column by column, as MATLAB counts.
    assert read_matlab(data, ("a", "empty")) == {"a": [1, 4, 2, 5, 3, 100], "empty": []}


@pytest.mark.parametrize("compressed", [False, True])
def test_texts_cells_and_structs(compressed: bool) -> None:
    entry = {"ok": np.array([[1, 2]]), "bbx": "café 中", "inner": cell("x", np.array([[0.5]]))}
    variables = {
        "text": "a",
        "none": "",
        "rows": np.array(["ab", "cde"]),
        "cells": cell("long enough to be no small element", cell(), 7),
        "one": entry,
        "many": np.array([(1, "p"), (2, "q")], dtype=[("n", object), ("name", object)]),
    }
    inner = {"ok": [1, 2], "bbx": ["café 中"], "inner": [["x"], [0.5]]}
    assert read_matlab(written(variables, compressed=compressed), variables) == {
        "text": ["a"],
        "none": [],
        "rows": ["ab ", "cde"],
        "cells": [["long enough to be no small element"], [], [7]],
        "one": [inner],
        "many": [{"n": [1], "name": ["p"]}, {"n": [2], "name": ["q"]}],
    }


def test_what_is_not_wanted_is_passed_over() -> None:
    data = written({"a": np.array([[1j]]), "b": 2})
    assert read_matlab(data, ("b", "c")) == {"b": [2]}
    with pytest.raises(ValueError, match="an array of class 6, expected numbers, texts, cells or"):
        read_matlab(data, ("a",))


def test_big_endian() -> None:
    name = struct.pack(">HHc3x", 1, 1, b"a")
    flags = struct.pack(">IIII", 6, 8, 6, 0)
    sizes = struct.pack(">IIii", 5, 8, 1, 2)
    content = flags + sizes + name + struct.pack(">IIdd", 9, 16, 1.5, -2)
    data = (
        b"made by hand".ljust(124) + b"\x01\x00MI" + struct.pack(">II", 14, len(content)) + content
    )
    assert loadmat(io.BytesIO(data))["a"].tolist() == [[1.5, -2]]
    assert read_matlab(data, ("a",)) == {"a": [1.5, -2]}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "it has 0 bytes, the header alone has 128"),
        (b"x" * 200, "its version is unknown, expected 5"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM", r"its version is 7\.3 \(HDF5\)"),
        (written({"a": 1})[:-4], "ends in the middle"),
        (written({"a": np.arange(99)}, compressed=True)[:-4], "ends in the middle"),
    ],
)
def test_files_of_another_kind(data: bytes, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        read_matlab(data, ("a",))


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + b"\0" * (-len(content) % 8)


def array(kind: int, sizes: tuple[int, ...], *content: bytes) -> bytes:
    """A file with one array, named ``a``."""
    parts = (
        element(6, struct.pack("<II", kind, 0)),
        element(5, struct.pack(f"<{len(sizes)}i", *sizes)),
        element(1, b"a"),
        *content,
    )
    return b"made by hand".ljust(124) + b"\x00\x01IM" + element(14, b"".join(parts))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (array(6, (1, 1), struct.pack("<HHI", 9, 5, 0)), "a small element of 5 bytes"),
        (array(6, (1, 1), element(20, b"12345678")), "numbers of type 20"),
        (array(6, (1, 1), element(9, b"1234")), "4 bytes of numbers of 8 bytes"),
        (array(6, (1, 2), element(9, b"12345678")), "1 values, but sizes that say 2"),
        (array(6, (-1, 2)), r"sizes \[-1, 2\]"),
        (array(4, (1, 1), element(9, b"12345678")), "text of type 9"),
        (array(4, (1, 2), element(16, b"abc")), "3 values, but sizes that say 2"),
        (array(1, (1, 10**6), element(14, b"")), "1000000 inner arrays, more than there are bytes"),
        (array(1, (1, 1), element(9, b"12345678")), "an inner array of type 9"),
        (array(2, (1, 1), element(5, struct.pack("<i", 0)), element(1, b"ab")), "names of fields"),
        (array(2, (1, 1), element(5, struct.pack("<i", 1)), element(1, b"aa")), "names of fields"),
        (
            b"made by hand".ljust(124) + b"\x00\x01IM" + element(9, b"12345678"),
            "variable of type 9",
        ),
    ],
)
def test_arrays_that_contradict_themselves(data: bytes, found: str) -> None:
    with pytest.raises(ValueError, match=found):
        read_matlab(data, ("a",))


def test_arrays_in_arrays_have_a_limit() -> None:
    value: Any = "x"
    for _ in range(20):
        value = cell(value, "y")
    with pytest.raises(ValueError, match="more than 16 deep"):
        read_matlab(written({"a": value}), ("a",))


EXAMPLES = [
    written(
        {
            "a": cell("INSTRE-S1/a/1.jpg", "b.jpg", cell("c")),
            "b": np.array([([1, 2], "x")] * 3, dtype=[("ok", object), ("bbx", object)]),
            "c": np.arange(6.0).reshape(2, 3),
        },
        compressed=compressed,
    )
    for compressed in (False, True)
]


@settings(max_examples=400, deadline=None)
@given(
    which=st.sampled_from(EXAMPLES),
    changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), max_size=4),
    keep=st.one_of(st.none(), st.integers(0, 2**11)),
)
def test_damaged_bytes_are_an_error_and_never_more(
    which: bytes, changes: list[tuple[int, int]], keep: int | None
) -> None:
    data = bytearray(which)
    for place, value in changes:
        data[128 + place % (len(data) - 128)] = value
    try:
        read_matlab(bytes(data[:keep]), ("a", "b", "c"))
    except ValueError:
        return
