"""The snippets of the guides: parsed, validated, run."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docs_reading import GUIDES, README, ROOT, Block, blocks, checked
from PIL import Image
from suite_cache import take_over

from pytest_prodbench.cli import _parser
from pytest_prodbench.datasets.opening import open_dataset, validate_options
from pytest_prodbench.evidence.types import Measurement
from pytest_prodbench.evidence.values import MetricValue
from pytest_prodbench.gate import Demand, check_policy, judge_measurement
from pytest_prodbench.rendering.plan_file import read_plan
from pytest_prodbench.settings.files import load_bench_file, load_suite, project_table
from pytest_prodbench.settings.options import OPTIONS
from pytest_prodbench.settings.policy import Rule
from pytest_prodbench.settings.types import DatasetSpec

WAYS = (
    r"(sector|models|pyproject|bench|plan)\.toml|entry-points|run( \w+\.py)?|conftest\.py"
    r"|test|manifest|message|no, .+|upgrade .+"
)


def each(how: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", checked(how), ids=str)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "block", [b for b in blocks(*GUIDES) if b.language in {"toml", "python"}], ids=str
)
def test_every_block_says_how_it_is_tried(block: Block) -> None:
    assert re.fullmatch(WAYS, block.check), block


@each("sector.toml")
def test_sector_files(block: Block, tmp_path: Path) -> None:
    write(tmp_path / "suites/diy/sector.toml", block.text)
    suite = load_suite([tmp_path / "suites"], tmp_path)
    (sector,) = suite.sectors.values()
    assert sector.datasets
    # A model for each name and pattern, on a day when every waiver holds.
    demands = (*sector.rules, *sector.waivers)
    models = {"lite0", *(demand.models.replace("*", "x") for demand in demands)}
    today = max((waiver.granted for waiver in sector.waivers), default=dt.date(2026, 1, 1))
    check_policy([sector], sorted(models), today)
    for dataset in sector.datasets.values():
        validate_options(dataset)


@each("models.toml")
def test_models_files(block: Block, tmp_path: Path) -> None:
    path = write(tmp_path / "models.toml", block.text)
    assert load_suite([], tmp_path, models_files=[path]).models


@each("plan.toml")
def test_plans_of_rendering(block: Block, tmp_path: Path) -> None:
    files = [write(tmp_path / f"angle-{number}.step", "") for number in (16, 17)]
    catalog = read_plan(write(tmp_path / "plan.toml", block.text), files, tmp_path)
    assert {part.product_id for family in catalog.families for part in family.parts} == {
        "angle-16",
        "0017",
    }


@each("pyproject.toml")
def test_project_tables(block: Block, tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", block.text)
    assert project_table(tmp_path) is not None


@each("bench.toml")
def test_suites_in_one_file(block: Block, tmp_path: Path) -> None:
    suite, _ = load_bench_file(write(tmp_path / "bench.toml", block.text), tmp_path)
    check_policy(suite.sectors.values(), list(suite.models), dt.date(2026, 1, 1))
    assert suite.models
    assert suite.sectors


@each("entry-points")
def test_entry_points_name_what_the_page_defines(block: Block) -> None:
    ((group, entries),) = tomllib.loads(block.text)["project"]["entry-points"].items()
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert group in ours["project"]["entry-points"]
    page = block.page.read_text(encoding="utf-8")
    for target in entries.values():
        name = target.partition(":")[2]
        assert re.search(rf"^(class |def )?{name}\b", page, re.MULTILINE)


@each("test")
def test_the_test_file_is_the_one_that_init_writes(block: Block) -> None:
    assert block.text == (ROOT / "pytest_prodbench/cli/templates/test_sector.py.txt").read_text()


@each("manifest")
def test_manifests_open(block: Block, tmp_path: Path) -> None:
    path = write(tmp_path / "manifest.csv", block.text)
    for shade, line in enumerate(block.text.splitlines()[1:]):
        image = tmp_path / line.partition(",")[0]
        image.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (shade, 0, 0)).save(image)
    opened = open_dataset(DatasetSpec(name="diy", layout="manifest", path=path), max_pixels=64)
    assert opened.queries.product_ids == ("0071204", "0071205")
    assert opened.queries.conditions["light"] == ("dim", "studio")


@each("message")
def test_the_failure_message_is_the_one_that_the_gate_writes(block: Block) -> None:
    value = MetricValue(value=0.742, low=0.691, high=0.789, n=500, products=120, method="wilson")
    measurement = Measurement(
        metrics={"recall@1": value},
        ties=0,
        near_ties=0,
        excluded=0,
        precision="float32",
        device="cpu",
        seed=0,
        resamples=2000,
    )
    where = 'suites/diy/sector.toml:8: thresholds."recall@1"'
    rule = Rule(metric="recall@1", limit=0.8, sector="diy", where=where)
    (check,), verdict = judge_measurement("candidate", "bolts", measurement, [Demand(rule)])
    assert verdict == "reject"
    assert block.text == check.message + "\n"


@pytest.mark.parametrize(
    "block", [b for b in blocks(*GUIDES, README) if b.language in {"", "sh"}], ids=str
)
def test_commands_parse(block: Block) -> None:
    options = {f"--prodbench-{option.name}" for option in OPTIONS}
    for line in block.text.splitlines():
        for part in line.removeprefix("$ ").split(" && "):
            if not part.startswith(("prodbench ", "pytest ")):
                continue
            command, *arguments = shlex.split(part, comments=True)
            if command == "prodbench":
                _parser().parse_args(arguments)
            else:
                assert {a for a in arguments if a.startswith("--prodbench")} <= options


@pytest.mark.parametrize("block", [b for b in blocks(README) if b.language == "toml"], ids=str)
def test_tables_of_the_first_page(block: Block, tmp_path: Path) -> None:
    """There the first line says which file it is."""
    path = write(tmp_path / block.text.splitlines()[0].removeprefix("# "), block.text)
    if path.name == "models.toml":
        assert load_suite([], tmp_path, models_files=[path]).models
    else:
        assert load_suite([path], tmp_path).sectors


@pytest.mark.parametrize("block", [b for b in blocks(README) if b.language == "python"], ids=str)
def test_python_of_the_first_page(
    block: Block, repository: Path, python: Callable[..., Any]
) -> None:
    (repository / "fixtures").symlink_to(ROOT / "fixtures")
    take_over(repository / ".prodbench" / "cache")
    write(repository / "snippet.py", block.text)
    ran = python(repository, "snippet.py")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "page", [p for p in GUIDES if checked("run", p)], ids=lambda page: page.name
)
def test_python_runs(
    page: Path, repository: Path, python: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    if page.name in {"evidence.md", "export.md", "notebook.md"}:
        shutil.copytree(request.getfixturevalue("with_a_run"), repository, dirs_exist_ok=True)
    write(repository / "snippets.py", "\n".join(block.text for block in checked("run", page)))
    ran = python(repository, "snippets.py")
    assert ran.returncode == 0, ran.stderr


@each("conftest.py")
def test_conftests_are_taken(block: Block, repository: Path, python: Callable[..., Any]) -> None:
    """What a page's conftest.py adds is planned, and runs where its data are there."""
    for module in blocks(block.page):
        if module.check.startswith("run ") and module.check != "run":
            write(repository / module.check.removeprefix("run "), module.text)
    write(repository / "conftest.py", block.text)
    if "candidate-gem" in block.text:
        arguments = ["--collect-only", "--prodbench-model=candidate-gem"]
        expected = ["candidate-gem:diy", "candidate-gem:returns-desk"]
    elif "thumbnail" in block.text:
        arguments, expected = ["-v", "--prodbench-model=thumbnail-8"], ["thumbnail-8:diy] PASSED"]
    else:
        arguments, expected = ["-v", "--prodbench-model=lite0"], ["lite0:desk] PASSED"]
    ran = python(repository, "-m", "pytest", "suites", *arguments)
    assert ran.returncode == 0, ran.stdout
    for text in expected:
        assert text in ran.stdout
