"""``prodbench render`` with the real renderer and the real CAD kernel, on small pictures."""

import csv
import io
import os

import numpy as np
import pytest
from PIL import Image

from pytest_prodbench.cli import main
from pytest_prodbench.rendering import plan_file
from pytest_prodbench.rendering.pictures import Quality

if os.environ.get("PRODBENCH_REQUIRE_RENDER") == "1":
    import build123d
    import mitsuba  # noqa: F401
    import trimesh
else:
    build123d = pytest.importorskip("build123d")
    pytest.importorskip("mitsuba")
    trimesh = pytest.importorskip("trimesh")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Small and noisy: it is not the beauty that is tested."""
    monkeypatch.setattr(plan_file, "Quality", lambda *asked: Quality(64, 4, 4))
    monkeypatch.setenv("FIXTURES_RENDER_VARIANT", "scalar_rgb")


@pytest.fixture
def cad(tmp_path):
    """Two brackets that differ in a hole, as STEP; a knob as STL."""
    plain = build123d.Box(40, 25, 6) + build123d.Pos(-17, 0, 12) * build123d.Box(6, 25, 24)
    bored = plain - build123d.Pos(8, 0, 0) * build123d.Cylinder(7, 30)
    for name, solid in (("bracket-a", plain), ("bracket-b", bored)):
        build123d.export_step(solid, str(tmp_path / f"{name}.step"))
    trimesh.creation.icosphere(2, 10.0).export(tmp_path / "knob.stl")
    return [str(tmp_path / name) for name in ("bracket-a.step", "bracket-b.step", "knob.stl")]


def render(*arguments):
    return main(["render", *arguments])


def test_a_catalog_of_cad_files(tmp_path, cad, capsys):
    plan = tmp_path / "plan.toml"
    plan.write_text('queries = 1\n[families.brackets]\nfiles = ["bracket-*"]\n[families.knobs]\n')
    out = tmp_path / "out"
    arguments = ("--cad", *cad, "--plan", str(plan), "--out", str(out))
    assert render(*arguments) == 0, capsys.readouterr().out
    assert render("--check", "--out", str(out)) == 0
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted((r["product_id"], r["role"]) for r in rows) == [
        (name, role) for name in ("bracket-a", "bracket-b", "knob") for role in ("gallery", "query")
    ]
    assert all(int(r["told_by"]) >= 14 for r in rows if r["role"] == "query")
    assert {r["nearest"] for r in rows if r["product_id"] == "bracket-a"} == {"", "bracket-b"}
    capsys.readouterr()
    assert render(*arguments) == 0
    assert "6 up to date, 0 to make" in capsys.readouterr().out


def test_the_same_plan_gives_the_same_bytes_in_two_processes_too(tmp_path, cad):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        assert render("--cad", *cad, "--out", str(folder)) == 0
    for path in sorted(folders[0].rglob("*.jpg")):
        again = folders[1] / path.relative_to(folders[0])
        # The folder names the catalog, and the name is part of the seed: so compare catalog images alone.
        if path.parent.name == "gallery":
            assert path.read_bytes() == again.read_bytes()


def test_a_part_is_in_the_picture_it_is_said_to_be_in(tmp_path, cad):
    out = tmp_path / "out"
    assert render("--cad", *cad, "--out", str(out)) == 0
    grey = np.asarray(Image.open(out / "gallery" / "knob-1.jpg").convert("L"), float)
    assert grey.shape == (64, 64)
    # A knob in the middle of an even page.
    assert grey[24:40, 24:40].std() > 3 * grey[:4].std()
    assert Image.open(io.BytesIO((out / "gallery" / "knob-1.jpg").read_bytes())).getexif() == {}


def test_a_file_that_is_no_geometry_costs_itself_alone(tmp_path, cad, capsys):
    broken = tmp_path / "broken.stl"
    broken.write_text("not a solid")
    status = render("--cad", cad[2], str(broken), "--out", str(tmp_path / "out"))
    said = capsys.readouterr().out
    assert status == 2
    assert "FAILED" in said
    assert "broken.stl" in said
    assert (tmp_path / "out" / "gallery" / "knob-1.jpg").is_file()
