"""``--check`` on a small catalog made of invented bytes."""

import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.render import check
from fixtures.render.__main__ import main
from fixtures.render.plan import plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def out(tmp_path):
    """A catalog of the retail plan with a few bytes for every image."""
    folder = tmp_path / "retail"
    pictures = plan("retail", 3)
    images = {}
    for picture in pictures:
        data = b"\xff\xd8\xff" + picture.image.encode()
        check.write_atomic(folder / picture.image, data)
        images[picture.image] = {"plan": picture.digest, "sha256": check.sha256(data)}
    manifest = check.manifest_bytes(pictures)
    check.write_atomic(folder / "manifest.csv", manifest)
    check.write_digests(folder, {"images": images, "manifest": check.sha256(manifest)})
    return tmp_path


def run_check(out, capsys):
    status = main(["--check", "--sector", "retail", "--out", str(out)])
    return status, capsys.readouterr().err


def test_a_whole_catalog_passes(out, capsys):
    assert run_check(out, capsys) == (0, "")


def test_a_changed_byte_is_found_and_its_file_named(out, capsys):
    path = out / "retail" / "queries" / "0071204-2.jpg"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    status, said = run_check(out, capsys)
    assert status == 1
    assert said.count("\n") == 1
    assert "queries/0071204-2.jpg: differs" in said


def test_a_missing_image_is_named(out, capsys):
    (out / "retail" / "gallery" / "0071204.jpg").unlink()
    status, said = run_check(out, capsys)
    assert status == 1
    assert "gallery/0071204.jpg: missing" in said


def test_an_extra_image_is_named(out, capsys):
    (out / "retail" / "gallery" / "stranger.jpg").write_bytes(b"x")
    status, said = run_check(out, capsys)
    assert status == 1
    assert "gallery/stranger.jpg: in no row" in said


def test_a_lost_leading_zero_is_found(out, capsys):
    path = out / "retail" / "manifest.csv"
    path.write_bytes(path.read_bytes().replace(b",0071204,", b",71204,"))
    status, said = run_check(out, capsys)
    assert status == 1
    assert "manifest.csv: differs" in said


@pytest.mark.parametrize("name", ["manifest.csv", "digests.json"])
def test_a_missing_record_is_named(out, capsys, name):
    (out / "retail" / name).unlink()
    status, said = run_check(out, capsys)
    assert status == 1
    assert f"{name}: missing" in said


def test_a_half_written_digest_file_is_an_error_not_a_pass(out, capsys):
    (out / "retail" / "digests.json").write_text("{", encoding="utf-8")
    status, said = run_check(out, capsys)
    assert status == 1
    assert "digests.json: not readable" in said


def test_an_unmade_catalog_is_an_error(tmp_path, capsys):
    status, said = run_check(tmp_path, capsys)
    assert status == 1
    assert "missing" in said


def test_checking_and_planning_load_no_renderer():
    code = (
        "import sys\n"
        "from fixtures.render.__main__ import main\n"
        "main(['--check', '--out', 'nowhere'])\n"
        "heavy = {'mitsuba', 'drjit', 'build123d', 'OCP', 'numpy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
