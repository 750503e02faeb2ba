"""plan.toml: what it makes of CAD files, and what it says of mistakes."""

from pathlib import Path

import pytest

from pytest_prodbench.errors import DatasetError, SettingsError
from pytest_prodbench.rendering.pictures import Quality, plan
from pytest_prodbench.rendering.plan_file import read_plan


@pytest.fixture
def cad(tmp_path):
    """Files that only their names and bytes matter of."""
    files = [tmp_path / name for name in ("bracket-1.step", "bracket-2.step", "knob.stl")]
    for file in files:
        file.write_text(file.name)
    return files


def written(tmp_path, text):
    path = tmp_path / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_plan_all_files_are_one_family_of_steel(tmp_path, cad):
    catalog = read_plan(None, cad, tmp_path / "out")
    (family,) = catalog.families
    assert catalog.name == "out"
    assert [part.product_id for part in family.parts] == ["bracket-1", "bracket-2", "knob"]
    assert {part.parameters["material"] for part in family.parts} == {"steel_satin"}
    assert len([p for p in plan(catalog) if p.role == "query"]) == 12


def test_families_materials_ids_and_counts(tmp_path, cad):
    path = written(
        tmp_path,
        """
name = "shop"
seed = 7
queries = 2
views = [1, 2]
material = "zinc"
[families.brackets]
files = ["bracket-*"]
view = [10, 40]
azimuth = [-80, 100]
material = "brass"
turn = [90, 0, 0]
[families.rest]
files = ["*"]
[parts."bracket-2.step"]
product_id = "0042"
material = "copper"
""",
    )
    catalog = read_plan(path, cad, tmp_path / "out")
    brackets, rest = catalog.families
    assert (catalog.name, catalog.seed, brackets.view) == ("shop", 7, (10.0, 40.0))
    assert [part.product_id for part in brackets.parts] == ["bracket-1", "0042"]
    looks = [(p.parameters["material"], p.parameters["turn"]) for p in brackets.parts + rest.parts]
    assert looks == [("brass", [90, 0, 0]), ("copper", [90, 0, 0]), ("zinc", [0.0, 0.0, 0.0])]
    pictures = plan(catalog)
    assert sum(p.role == "query" for p in pictures) == 6
    assert sorted(p.image for p in pictures if p.family == "brackets" and p.role == "gallery") == [
        "gallery/0042-1.jpg", "gallery/bracket-1-1.jpg", "gallery/bracket-1-2.jpg",
    ]  # fmt: skip


def test_size_and_samples(tmp_path, cad):
    plain = read_plan(None, cad, tmp_path / "out").quality
    assert (plain, plain.checked) == (Quality(256, 64, 36), True)
    path = written(tmp_path, "size = 320\nsamples = [16, 9]\n")
    assert read_plan(path, cad, tmp_path / "out").quality == Quality(320, 16, 9)
    with pytest.raises(SettingsError, match="size"):
        read_plan(written(tmp_path, "size = 8\n"), cad, tmp_path / "out")


def test_another_file_under_the_name_is_another_part(tmp_path, cad):
    before = read_plan(None, cad, tmp_path).families[0].parts[0].digest
    cad[0].write_text("other geometry")
    assert read_plan(None, cad, tmp_path).families[0].parts[0].digest != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("material = 'steal'", "'material' is 'steal' .* a material; did you mean 'steel'"),
        ("colour = 'red'", "unknown key 'colour'"),
        ("[families.a]\nview = [1]", "'families.a.view"),
        ("queries = 0", "'queries' is 0"),
        (
            "[parts.'bracket-3.step']\nmaterial = 'zinc'",
            "no such file among those of --cad.*'bracket-",
        ),
        ("[families.a]\nfiles = ['bracket-*']", "knob.stl, which no family's files match"),
        (
            "[parts.'bracket-1.step']\nproduct_id = 'X'\n[parts.'knob.stl']\nproduct_id = 'X'",
            "product id 'X' of both",
        ),
        ("[parts.'knob.stl']\nproduct_id = '../../x'", "id '../../x'; expected one that can be"),
        ("seed = ", "not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, cad, text, said):
    with pytest.raises(SettingsError, match=said) as caught:
        read_plan(written(tmp_path, text), cad, tmp_path)
    assert "plan.toml" in str(caught.value)


def test_no_file_and_a_missing_one(tmp_path):
    with pytest.raises(SettingsError, match="--cad: no file"):
        read_plan(None, [], tmp_path)
    with pytest.raises(DatasetError, match=r"gone\.step: not readable"):
        read_plan(None, [Path(tmp_path, "gone.step")], tmp_path)
