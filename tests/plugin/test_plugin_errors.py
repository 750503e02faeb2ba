"""Mistakes of the user: found before anything is embedded, named with file, key and next step."""

from __future__ import annotations

import pytest
from PIL import Image


@pytest.mark.parametrize("xdist", [["-p", "no:xdist"], ["-n2"], ["-n", "auto"]])
@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "suites/diy/sector.toml",
            "[datasets.a]\npath = 'x'\n[treshold]\n",
            "suites/diy/sector.toml: unknown key 'treshold'; did you mean 'thresholds'?",
        ),
        ("suites/models.toml", "[models\n", "suites/models.toml: not valid TOML*line 1"),
        (
            "suites/diy/sector.toml",
            "[datasets.a]\npath = 'x'\n[thresholds]\n'recal@1' = 0.5\n",
            "*suites/diy/sector.toml:4: thresholds.\"recal@1\"*did you mean 'recall'?",
        ),
        (
            "suites/diy/sector.toml",
            "[datasets.a]\npath = 'x'\n[thresholds]\n'recall@1' = 1.5\n",
            '*suites/diy/sector.toml:4: thresholds."recall@1": a minimum of 1.5*',
        ),
        (
            "suites/diy/sector.toml",
            "[datasets.boxes]\npath = 'x'\n",
            "*dataset 'boxes' is defined here and in suites/*",
        ),
    ],
)
def test_configuration(repository, xdist, name, text, said):
    repository.write(name, text)
    result = repository.run(*xdist)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*ERROR: prodbench: *{said.lstrip('*')}*"])
    assert not (repository.path / "reports").exists()


@pytest.mark.parametrize("kind", ["model", "dataset", "sector"])
def test_a_name_that_nothing_defines(repository, kind):
    result = repository.run("-p", "no:xdist", f"--prodbench-{kind}=nonsuch")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--prodbench-{kind} nonsuch: {kind} 'nonsuch', which nothing*"])


def test_a_test_outside_every_sector(repository):
    repository.write("suites/test_stray.py", "def test_x(prodbench): pass\n")
    result = repository.run("-p", "no:xdist")
    assert result.ret != 0
    result.stdout.fnmatch_lines(
        ["*test_stray.py uses the prodbench fixture, but there is no sector.toml*"]
    )


def test_weights_that_are_not_here_are_a_failure_with_the_next_step(
    repository, monkeypatch, tmp_path
):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    repository.write("suites/models.toml", '[models]\ndino = "transformers:facebook/dinov2-base"\n')
    result = repository.run("-p", "no:xdist", "-k", "bolts")
    result.assert_outcomes(failed=3, deselected=1, skipped=1)
    result.stdout.fnmatch_lines(["*prodbench download dino*"])
    assert repository.pairs()["dino:bolts"]["status"] == "failed"


def test_bad_images_are_all_named_at_once_and_nothing_else_is_lost(cold_repository, tmp_path):
    catalog = tmp_path / "bad"
    catalog.mkdir()
    photo = Image.effect_noise((80, 60), 50).convert("RGB")
    photo.save(catalog / "good.jpg", quality=95)
    data = (catalog / "good.jpg").read_bytes()
    (catalog / "truncated.jpg").write_bytes(data[: len(data) // 2])
    (catalog / "empty.jpg").write_bytes(b"")
    (catalog / "text.jpg").write_text("hello")
    rows = ["image,product_id,role"]
    rows += [f"{name}.jpg,007,gallery" for name in ("good", "empty", "text", "missing")]
    rows += ["truncated.jpg,007,query", "<script>alert(1)</script>/x.jpg,8,gallery"]
    (catalog / "manifest.csv").write_text("\n".join(rows) + "\n")
    cold_repository.catalogs = tmp_path
    cold_repository.sector("diy", "bad")
    result = cold_repository.run("-p", "no:xdist", "-k", "one and bad")
    assert result.ret == 1
    said = result.stdout.str()
    for name in ("empty.jpg", "text.jpg", "missing.jpg", "x.jpg"):
        assert name in said
    # With those mended, the truncated one (whose header is whole) is found when it is decoded.
    rows = ["image,product_id,role", "good.jpg,007,gallery", "truncated.jpg,007,query"]
    (catalog / "manifest.csv").write_text("\n".join(rows) + "\n")
    result = cold_repository.run("-p", "no:xdist", "-k", "one and bad")
    result.stdout.fnmatch_lines(["*truncated.jpg*"])
    assert cold_repository.pairs()["one:bad"]["status"] == "failed"
    assert list((cold_repository.cache / "vectors").glob("*/*.safetensors")), "good.jpg was kept"
    html = (cold_repository.path / "reports/run/index.html").read_text()
    assert "<script>alert" not in html


def test_an_existing_run_is_never_written_over(repository):
    repository.run("-p", "no:xdist", "-k", "one and bolts")
    evidence = (repository.path / "reports/run/evidence.json").read_bytes()
    result = repository.pytester.runpytest_subprocess(
        "suites",
        "-p",
        "no:xdist",
        "--prodbench-run=run",
        f"--prodbench-cache-dir={repository.cache}",
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*reports/run: a run of this name*--prodbench-run*"])
    assert (repository.path / "reports/run/evidence.json").read_bytes() == evidence
