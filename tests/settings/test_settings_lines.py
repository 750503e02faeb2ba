"""Lines of keys in TOML files: comments, tables, arrays of tables, statements of several lines."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_prodbench.settings.lines import MOST_LINES, key_lines

TEXT = """\
# not a key = 1
owner = "x"   # owner = 2

[thresholds]    # for all
"recall@1" = 0.5
'map@20' = { min = 0.4, severity = "warn" }
long = \"""
a = 3
[b]
\"""

[[rules]]
metric = "recall@1"
datasets = [
  "a",   # "b"
  "c",
]

[[rules]]
metric = "mrr"
condition.light = "dim"
[datasets.a]
path = "x"
"""


def test_each_key_has_the_line_of_its_statement():
    found = key_lines(TEXT)
    assert found == {
        ("owner",): 2,
        ("thresholds",): 4,
        ("thresholds", "recall@1"): 5,
        ("thresholds", "map@20"): 6,
        ("thresholds", "map@20", "min"): 6,
        ("thresholds", "map@20", "severity"): 6,
        ("thresholds", "long"): 7,
        ("rules",): 12,
        ("rules", 0): 12,
        ("rules", 0, "metric"): 13,
        ("rules", 0, "datasets"): 14,
        ("rules", 1): 19,
        ("rules", 1, "metric"): 20,
        ("rules", 1, "condition"): 21,
        ("rules", 1, "condition", "light"): 21,
        ("datasets",): 22,
        ("datasets", "a"): 22,
        ("datasets", "a", "path"): 23,
    }


KEYS = st.text(min_size=1, max_size=8).map(lambda text: text.encode("utf-8", "ignore").decode())


@given(
    st.dictionaries(KEYS, st.integers(), max_size=8), st.lists(st.sampled_from(["", "# note", " "]))
)
def test_any_keys_with_anything_in_between(values, between):
    lines, wanted = [], {}
    for i, (key, value) in enumerate(values.items()):
        lines += between[: i % 3]
        escaped = "".join(f"\\U{ord(letter):08X}" for letter in key)
        wanted[key,] = len(lines) + 1
        lines.append(f'"{escaped}" = {value}')
    text = "\n".join(lines)
    assert tomllib.loads(text) == values
    assert key_lines(text) == wanted


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_line_endings(ending):
    assert key_lines(f"a = 1{ending}{ending}b = 2")["b",] == 3


def test_a_file_of_thousands_of_lines_is_not_searched():
    text = "".join(f"k{i} = 1\n" for i in range(MOST_LINES + 1))
    assert key_lines(text) == {}
