"""``--check`` on a small catalog made of invented bytes; rendering again makes what is missing, no more."""

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from drawn_parts import small_catalog
from PIL import Image

from pytest_prodbench.atomic import atomic_write_bytes
from pytest_prodbench.cli import main
from pytest_prodbench.datasets.opening import open_dataset
from pytest_prodbench.rendering import catalog as files
from pytest_prodbench.rendering import work
from pytest_prodbench.rendering.pictures import digest, plan
from pytest_prodbench.settings.types import DatasetSpec

ROOT = Path(__file__).resolve().parents[2]

CATALOG = small_catalog()


@pytest.fixture
def out(tmp_path):
    """A catalog with a few bytes for every image."""
    folder = tmp_path / "small"
    pictures = plan(CATALOG)
    images = {}
    for picture in pictures:
        data = b"\xff\xd8\xff" + picture.image.encode()
        atomic_write_bytes(folder / picture.image, data)
        images[picture.image] = {"plan": digest(CATALOG, picture), "sha256": files.sha256(data)}
        if picture.role == "query":
            images[picture.image] |= {"told_by": 40, "nearest": "P-0"}
    manifest = files.manifest_bytes("small", pictures, images)
    atomic_write_bytes(folder / "manifest.csv", manifest)
    files.write_digests(folder, {"images": images, "manifest": files.sha256(manifest)})
    return folder


def run_check(out, capsys):
    status = main(["render", "--check", "--out", str(out)])
    return status, capsys.readouterr().out


def test_a_whole_catalog_passes(out, capsys):
    assert run_check(out, capsys) == (0, f"{out}: all files agree\n")


def test_a_changed_byte_is_found_and_its_file_named(out, capsys):
    path = out / "queries" / "001-2.jpg"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    status, said = run_check(out, capsys)
    assert status == 2
    assert said.count("\n") == 1
    assert "queries/001-2.jpg: differs" in said


def test_a_missing_image_is_named(out, capsys):
    (out / "gallery" / "001-1.jpg").unlink()
    status, said = run_check(out, capsys)
    assert status == 2
    assert "gallery/001-1.jpg: missing" in said


def test_an_extra_image_is_named(out, capsys):
    (out / "gallery" / "stranger.jpg").write_bytes(b"x")
    status, said = run_check(out, capsys)
    assert status == 2
    assert "gallery/stranger.jpg: in no row" in said


def test_a_lost_leading_zero_is_found(out, capsys):
    path = out / "manifest.csv"
    path.write_bytes(path.read_bytes().replace(b",001,", b",1,"))
    status, said = run_check(out, capsys)
    assert status == 2
    assert "manifest.csv: differs" in said


@pytest.mark.parametrize("name", ["manifest.csv", "digests.json"])
def test_a_missing_record_is_named(out, capsys, name):
    (out / name).unlink()
    status, said = run_check(out, capsys)
    assert status == 2
    assert f"{name}: missing" in said


def test_a_half_written_digest_file_is_an_error_not_a_pass(out, capsys):
    (out / "digests.json").write_text("{", encoding="utf-8")
    status, said = run_check(out, capsys)
    assert status == 2
    assert "digests.json: not readable" in said


def test_an_unmade_catalog_is_an_error(tmp_path, capsys):
    status, said = run_check(tmp_path, capsys)
    assert status == 2
    assert "missing" in said


def test_checking_loads_no_renderer():
    code = (
        "import sys\n"
        "from pytest_prodbench.cli import main\n"
        "main(['render', '--check', '--out', 'nowhere'])\n"
        "heavy = {'mitsuba', 'drjit', 'build123d', 'OCP', 'trimesh', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


class Photographer:
    """Stands for the renderer, which is tested where it is installed; counts what it is asked for."""

    def __init__(self, broken=()):
        self.asked, self.broken = [], broken

    def __call__(self, catalog, picture):
        self.asked.append(picture.image)
        if picture.product_id in self.broken:
            raise LookupError("no pose tells it from P-1")
        out = io.BytesIO()
        colour = hashlib.sha256(picture.image.encode()).digest()[:3]
        Image.new("RGB", (8, 8), tuple(colour)).save(out, "PNG")
        return work.Made(out.getvalue(), 33 if picture.role == "query" else 0, "P-1")


@pytest.fixture
def photographer(monkeypatch):
    made = Photographer()
    monkeypatch.setattr(work, "make", made)
    monkeypatch.setattr(work, "_tools", dict)
    return made


def render(folder, catalog=CATALOG, **options):
    said = []
    failed = work.render(catalog, folder, command="test", say=said.append, **options)
    return failed, said


def test_a_second_rendering_makes_nothing(tmp_path, photographer):
    pictures = plan(CATALOG)
    assert render(tmp_path)[0] == 0
    assert photographer.asked == [picture.image for picture in pictures]
    assert files.problems(tmp_path) == []
    before = (tmp_path / "digests.json").read_bytes()
    failed, said = render(tmp_path)
    assert (failed, said) == (0, [f"small: {len(pictures)} up to date, 0 to make"])
    assert len(photographer.asked) == len(pictures)
    assert (tmp_path / "digests.json").read_bytes() == before


def test_a_log_gets_a_line_for_each_picture(tmp_path, photographer):
    count = len(plan(CATALOG))
    _, said = render(tmp_path)
    assert [line.split(",")[0] for line in said[1:]] == [
        f"small {done}/{count} {image}" for done, image in enumerate(photographer.asked, 1)
    ]


def test_a_terminal_gets_a_bar(tmp_path):
    """On a real pseudo-terminal, with a failure printed above it."""
    pexpect = pytest.importorskip("pexpect", reason="drives a pseudo-terminal; in the dev extra")
    code = (
        "from pytest_prodbench.rendering.progress import shown\n"
        "with shown('gears', 3, print) as advance:\n"
        "    advance('[red]one.jpg')\n"
        "    print('FAILED two.jpg')\n"
        "    advance('')\n"
        "    advance('three.jpg')\n"
    )
    child = pexpect.spawn(
        sys.executable, ["-c", code], env=os.environ | {"TERM": "xterm", "NO_COLOR": "1"},
        encoding="utf-8", dimensions=(24, 100), timeout=60,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    shown = child.before
    assert "FAILED two.jpg" in shown
    assert "gears" in shown
    assert "3/3" in shown
    assert "━" in shown
    assert "left" not in shown


def test_what_is_missing_or_planned_otherwise_is_made_again(tmp_path, photographer):
    render(tmp_path)
    first = photographer.asked.copy()
    (tmp_path / first[3]).unlink()
    photographer.asked.clear()
    render(tmp_path)
    assert photographer.asked == [first[3]]
    photographer.asked.clear()
    render(tmp_path, small_catalog(seed=2))
    assert files.problems(tmp_path) == []  # also: what the new plan has not is gone
    queries = [image for image in photographer.asked if image.startswith("queries/")]
    assert len(queries) == sum(p.role == "query" for p in plan(small_catalog(seed=2)))


def test_a_part_that_fails_costs_itself_alone_and_names_its_parameters(tmp_path, photographer):
    photographer.broken = ("P-2",)
    failed, said = render(tmp_path)
    assert failed == sum(p.product_id == "P-2" for p in plan(CATALOG)) > 0
    (line, *_) = [line for line in said if line.startswith("FAILED")]
    assert "P-2" in line
    assert "{'knobs': 2}" in line
    assert "no pose tells it from P-1" in line
    assert said[-1].endswith("not complete, its manifest is left as it was")
    assert not (tmp_path / "manifest.csv").exists()
    photographer.asked.clear()
    photographer.broken = ()
    assert render(tmp_path)[0] == 0
    assert len(photographer.asked) == failed
    assert files.problems(tmp_path) == []


def test_only_some_products(tmp_path, photographer):
    render(tmp_path, only=["P-1"])
    assert photographer.asked
    assert all("P-1" in image for image in photographer.asked)


def test_a_rendered_catalog_is_a_dataset(tmp_path, photographer):
    """What tells a product apart is a note: it is no condition, and no number is made of an id."""
    render(tmp_path)
    spec = DatasetSpec(
        name="small",
        layout="manifest",
        path=tmp_path / "manifest.csv",
        open_set=True,
        options={"notes": list(files.NOTES)},
    )
    dataset = open_dataset(spec, max_pixels=10**8)
    assert set(dataset.queries.conditions) == {
        "light", "view", "ground", "occlusion", "distance", "camera",
    }  # fmt: skip
    assert {p for p in dataset.queries.product_ids if p.startswith("0")} >= {"001"}
