"""The CI examples: as the guide prints them, parsed, with commands that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from docs_reading import ROOT, text_of

from pytest_prodbench.cli import _parser
from pytest_prodbench.settings.options import OPTIONS

EXAMPLES = sorted((ROOT / "examples").iterdir())
VARIABLE = re.compile(r"\$\{\{[^}]*\}\}|\$\{\w+\}|\$\w+")


def commands(example: Path) -> list[list[str]]:
    """Every call of pytest and prodbench, variables replaced by a word."""
    text = VARIABLE.sub("diy", example.read_text(encoding="utf-8"))
    found = re.findall(r"((?:pytest|prodbench) (?:suites|merge|accept)[^'\"\n]*)", text)
    return [shlex.split(line) for line in found]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_guide_prints_the_example(example: Path) -> None:
    assert example.read_text(encoding="utf-8") in text_of(ROOT / "docs/ci.md")


@pytest.mark.parametrize(
    "example", [path for path in EXAMPLES if path.suffix == ".yml"], ids=lambda path: path.name
)
def test_examples_are_yaml(example: Path) -> None:
    assert isinstance(yaml.safe_load(example.read_text(encoding="utf-8")), dict)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_commands_of_the_examples_exist(example: Path) -> None:
    found = commands(example)
    assert {line[0] for line in found} == {"pytest", "prodbench"}
    options = {f"--prodbench-{option.name}" for option in OPTIONS} | {"-n"}
    for line in found:
        if line[0] == "prodbench":
            _parser().parse_args(line[1:])
        else:
            assert {word for word in line if word.startswith("-")} <= options
