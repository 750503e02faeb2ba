"""Command line over environment over TOML over default, for each option."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.options import OPTIONS, Option, resolve
from pytest_prodbench.settings.tables import RunTable, validate
from pytest_prodbench.settings.types import RunSettings

PROJECT, WORKING_DIR = Path("/srv/project"), Path("/srv/project/deep")

# Option → three values as text, as typed in TOML where that differs.
TEXTS: dict[str, tuple[str, str, str]] = {
    "precision": ("float32", "bfloat16", "float16"),
    "backend": ("torch", "faiss", "auto"),
    "device": ("cpu", "cuda", "cuda:1"),
    "resamples": ("100", "200", "300"),
    "gate": ("report", "off", "enforce"),
    "rebase": ("true", "no", "true"),
    "require-full": ("true", "no", "true"),
}


def texts(option: Option) -> tuple[str, str, str]:
    if option.name in TEXTS:
        return TEXTS[option.name]
    return ("11", "12", "13") if option.convert is int else ("one", "two", "three")


def settings(
    option: Option | None = None, line: Any = None, environment: str = "", toml: Any = None
) -> RunSettings:
    key, variable = (option.key, option.variable) if option else ("", "")
    checked = validate(RunTable, {key: toml} if toml is not None else {}, "pyproject.toml")
    merged = resolve(
        {key: line},
        {variable: environment},
        checked.model_dump(),
        project=PROJECT,
        working_dir=WORKING_DIR,
    )
    return RunSettings.checked(merged)


def expected(option: Option, text: str, base: Path) -> Any:
    value = base / text if option.convert is Path else option.convert(text)
    return (value,) if option.repeat else value


def in_toml(option: Option, text: str) -> Any:
    value = int(text) if option.convert is int else text
    if option.flag:
        value = option.convert(text)
    return [value] if option.repeat else value


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_who_speaks_first(option):
    one, two, three = texts(option)
    line = [one] if option.repeat else one
    # A run's name in a file would be taken at the second run.
    toml = None if option.name == "run" else in_toml(option, three)

    def value(**sources):
        return getattr(settings(option, **sources), option.field)

    assert value(line=line, environment=two, toml=toml) == expected(option, one, WORKING_DIR)
    assert value(environment=two, toml=toml) == expected(option, two, WORKING_DIR)
    if toml is not None:
        assert value(toml=toml) == expected(option, three, PROJECT)
        assert value(environment="", toml=toml) == expected(option, three, PROJECT)


def test_defaults():
    found = settings()
    assert found.cache_dir == PROJECT / ".prodbench/cache"
    assert found.report_dir == PROJECT / "reports"
    rest = {"cache_dir", "report_dir"}
    assert found.model_dump(exclude=rest) == RunSettings().model_dump(exclude=rest)


def test_every_option_is_a_field_and_every_field_an_option():
    assert {option.field for option in OPTIONS} == set(RunSettings.model_fields)
    assert {option.key for option in OPTIONS} - {"run"} == set(RunTable.model_fields)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.repeat], ids=lambda o: o.name)
def test_repeated(option):
    base = PROJECT if option.convert is Path else None
    for values in (
        settings(option, line=["a", "b"]),
        settings(option, environment=" a , b,"),
        settings(option, toml=["a", "b"]),
    ):
        found = getattr(values, option.field)
        names = tuple(path.name for path in found) if base else found
        assert names == ("a", "b")


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.convert is Path], ids=lambda o: o.name)
def test_absolute_and_home_paths_stay(option, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    for text, path in (("/srv/x", Path("/srv/x")), ("~/x", Path("/home/ada/x"))):
        for found in (
            settings(option, line=[text] if option.repeat else text),
            settings(option, environment=text),
            settings(option, toml=in_toml(option, text)),
        ):
            value = getattr(found, option.field)
            assert value == ((path,) if option.repeat else path)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.convert is int], ids=lambda o: o.name)
@pytest.mark.parametrize("text", ["x", "1.5", "1e3", " "])
def test_numbers_that_are_none(option, text):
    with pytest.raises(SettingsError, match="a whole number") as caught:
        settings(option, line=text)
    assert caught.value.where == f"--prodbench-{option.name}"
    with pytest.raises(SettingsError) as caught:
        settings(option, environment=text)
    assert caught.value.where == option.variable


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.convert is int], ids=lambda o: o.name)
def test_numbers_out_of_range_name_every_place_they_may_come_from(option):
    with pytest.raises(SettingsError) as caught:
        settings(option, environment="-1")
    for name in (f"--prodbench-{option.name}", option.variable, f"run.{option.key}"):
        assert name in str(caught.value)
    assert "-1" in str(caught.value)


@pytest.mark.parametrize("option", [o for o in OPTIONS if o.choices], ids=lambda o: o.name)
def test_choices(option):
    with pytest.raises(SettingsError, match=f"one of {option.choices[0]}") as caught:
        settings(option, environment="fast")
    assert caught.value.where == option.variable


flags = pytest.mark.parametrize("option", [o for o in OPTIONS if o.flag], ids=lambda o: o.name)


@flags
@pytest.mark.parametrize("text", ["1", "true", "YES", "on", "0", "False", "no", "OFF"])
def test_a_flag_is_true_or_false_in_words(option, text):
    wanted = text.lower() in {"1", "true", "yes", "on"}
    assert getattr(settings(option, environment=text), option.field) is wanted


@flags
@pytest.mark.parametrize("text", ["2", "maybe", "tru", " "])
def test_a_flag_that_is_neither(option, text):
    with pytest.raises(SettingsError, match="true or false") as caught:
        settings(option, environment=text)
    assert caught.value.where == option.variable


@flags
def test_a_flag_stands_alone_on_the_command_line(option):
    parser = argparse.ArgumentParser()
    parser.add_argument(f"--{option.name}", dest=option.key, **option.arguments)
    for line, wanted in (([], False), ([f"--{option.name}"], True)):
        given = getattr(parser.parse_args(line), option.key)
        assert getattr(settings(option, line=given), option.field) is wanted


@flags
def test_a_flag_that_a_file_sets_can_be_taken_back_in_the_environment(option):
    assert getattr(settings(option, toml=True), option.field) is True
    assert getattr(settings(option, environment="off", toml=True), option.field) is False


def test_a_home_that_nobody_has():
    option = next(o for o in OPTIONS if o.name == "cache-dir")
    for sources, where in (
        ({"line": "~nobody-of-that-name/x"}, "--prodbench-cache-dir"),
        ({"environment": "~nobody-of-that-name/x"}, "PRODBENCH_CACHE_DIR"),
        ({"toml": "~nobody-of-that-name/x"}, "tool.prodbench.run.cache_dir"),
    ):
        with pytest.raises(SettingsError) as caught:
            settings(option, **sources)
        assert caught.value.where == where
