"""``prodbench models show`` and ``prodbench doctor``, on models that embed and on models that do not."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pytest_prodbench.cli import main
from pytest_prodbench.embedding.checkup import drawn_images

CODE = '''
import torch


class Net(torch.nn.Module):
    """Colours of the image, by an untrained map."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.layer = torch.nn.Conv2d(3, 8, 4, stride=4)

    def forward(self, x):
        return self.layer(x).mean(dim=(2, 3))


class Dropout(Net):
    def forward(self, x):
        return torch.nn.functional.dropout(super().forward(x), 0.5, training=True)


class BatchStatistics(Net):
    def forward(self, x):
        found = super().forward(x)
        return found - found.mean(dim=0) / 2


class Collapsed(Net):
    def forward(self, x):
        return super().forward(x) * 1e-4 + 1


class Deaf(Net):
    def forward(self, x):
        return super().forward(torch.zeros_like(x))


class NotFinite(Net):
    def forward(self, x):
        return super().forward(x) / 0


class Zero(Net):
    def forward(self, x):
        return super().forward(x) * 0


class OneAtATime(Net):
    def forward(self, x):
        return super().forward(x).reshape(1, 8)


class Fastidious(Net):
    preprocessing = "32 x 32, of images that are large enough"

    def preprocess(self, image):
        if min(image.size) < 32:
            raise ValueError("too small for me")
        from torchvision.transforms.functional import to_tensor

        return to_tensor(image.resize((32, 32))) * 2 - 1


class OnlyGrey(Fastidious):
    def preprocess(self, image):
        if len(image.getcolors(1 << 20)) > 1:
            raise KeyError("colours")
        return super().preprocess(image)
'''

NAMES = (
    "Net",
    "Dropout",
    "BatchStatistics",
    "Collapsed",
    "Deaf",
    "NotFinite",
    "Zero",
    "OneAtATime",
)
OWN = ("Fastidious", "OnlyGrey")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import sys

    (tmp_path / "nets_of_the_doctor.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    models = "[models]\n" + "".join(
        f'[models.{name.lower()}]\nsource = "module:nets_of_the_doctor:{name}"\n'
        "preprocess = { size = 32, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] }\n"
        for name in NAMES
    )
    models += "".join(
        f'[models.{name.lower()}]\nsource = "module:nets_of_the_doctor:{name}"\n' for name in OWN
    )
    (tmp_path / "suites/diy").mkdir(parents=True)
    (tmp_path / "suites/models.toml").write_text(models)
    (tmp_path / "suites/diy/sector.toml").write_text('[datasets.bolts]\npath = "manifest.csv"\n')
    yield tmp_path
    sys.modules.pop("nets_of_the_doctor", None)


@pytest.mark.parametrize(
    ("name", "failing"),
    [
        ("net", []),
        ("dropout", ["deterministic", "batch invariant"]),
        ("batchstatistics", ["batch invariant"]),
        ("collapsed", ["not collapsed"]),
        ("deaf", ["not collapsed", "input sensitive"]),
        ("notfinite", ["finite vectors"]),
        ("zero", ["finite vectors"]),
        ("oneatatime", ["batch invariant", "batches of 8"]),
        ("fastidious", ["preprocessing"]),
        ("onlygrey", ["preprocessing"]),
    ],
)
def test_the_doctor_finds_what_is_wrong(project, capsys, name, failing):
    assert main(["doctor", name]) == int(bool(failing))
    lines = capsys.readouterr().out.splitlines()
    found = [line.split("FAILS")[1].partition(":")[0].strip() for line in lines if "FAILS" in line]
    # What dropout makes of single vectors may also look like something else.
    assert set(failing) <= set(found)
    assert name == "dropout" or found == failing
    assert sum("expected" in line for line in lines) == len(found)
    assert name in ("oneatatime", "onlygrey") or any("throughput" in line for line in lines)


def test_the_doctor_says_what_a_users_code_raised(project, capsys):
    assert main(["doctor", "oneatatime"]) == 1
    assert "batch invariant: RuntimeError: shape '[1, 8]' is invalid" in capsys.readouterr().out
    assert main(["doctor", "fastidious"]) == 1
    assert "preprocessing: 3 x 2: ValueError: too small for me" in capsys.readouterr().out


def test_all_images_are_refused(project, capsys):
    (project / "strips").mkdir()
    for n in range(2):
        Image.new("RGB", (3000, 1), (n, 0, 0)).save(project / f"strips/{n}.png")
    assert main(["doctor", "net", "--images", "strips"]) == 1
    assert "images: none of 2 can be embedded, 2 refused" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["doctor"], ["models", "show"]])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("broken_package_of_the_doctor.nets:Net", "RuntimeError at import: no licence"),
        ("builtins:abs", "output"),
    ],
)
def test_a_module_that_cannot_be_imported_or_has_no_file(project, capsys, command, name, told):
    (project / "broken_package_of_the_doctor").mkdir()
    init = project / "broken_package_of_the_doctor/__init__.py"
    init.write_text('raise RuntimeError("no licence")\n')
    (project / "suites/models.toml").write_text(
        f'[models.m]\nsource = "module:{name}"\nversion = "1"\n'
        "preprocess = { size = 32, mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5] }\n"
    )
    assert main([*command, "m"]) == 4
    assert told in capsys.readouterr().err


def test_the_doctor_looks_at_photos_of_a_folder(project, capsys):
    for n in range(40):
        pixels = np.random.default_rng(n).integers(0, 256, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(project / f"{n}.png")
    assert main(["doctor", "net", "--images", "."]) in (0, 1)
    assert "images: 14 embedded" in capsys.readouterr().out
    (project / "empty").mkdir()
    assert main(["doctor", "net", "--images", "empty"]) == 4
    assert "0 photos; expected two or more" in capsys.readouterr().err
    assert main(["doctor", "net", "--images", "nowhere"]) == 4


def test_a_model_by_its_source_needs_no_suite(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "timm:tf_efficientnet_lite0"]) == 0
    assert main(["models", "show", "timm:tf_efficientnet_lite0"]) == 0
    said = capsys.readouterr().out
    assert "input          224 x 224" in said
    assert "overridden     nothing" in said
    # By the doctor and by show.
    proven = "float32; on sample images cosine to torch float32 ≥ 1.0000000, 0 changed ranks"
    assert said.count(f"onnxruntime {version('onnxruntime')}, {proven}") == 2


def test_why_it_is_torch_is_shown(capsys):
    assert main(["models", "show", "baseline:pixels"]) == 0
    said = capsys.readouterr().out
    assert "float32; onnxruntime: baseline has no network that could be exported" in said


def test_overrides_are_shown(project, capsys):
    assert main(["models", "show", "net"]) == 0
    said = capsys.readouterr().out
    for told in (
        "suites/models.toml",
        "preprocess.size = [32, 32]",
        "preprocess.mean = [0.5, 0.5, 0.5]",
        "dimension      8 (32 bytes in float32)",
        "prodbench pipeline 1",
    ):
        assert told in said


def test_the_value_of_weights_sha256_is_shown_where_there_is_a_file(project, capsys):
    # The package that carries these weights has the beginning of their digest in the file's name.
    assert main(["models", "show", "timm:tf_efficientnet_lite0"]) == 0
    said = capsys.readouterr().out
    assert re.search(
        r"efficientnet-lite0-57934424\.pth\n  weights_sha256 57934424[0-9a-f]{56}\n", said
    )
    assert main(["models", "show", "net"]) == 0
    assert "weights_sha256" not in capsys.readouterr().out


@pytest.mark.parametrize("command", [["doctor"], ["models", "show"]])
def test_an_unknown_model(project, capsys, command):
    assert main([*command, "nett"]) == 4
    assert "did you mean 'net'" in capsys.readouterr().err


def test_the_drawn_images_are_the_same_every_time_and_differ():
    first, again = drawn_images(), drawn_images()
    assert [one.tobytes() for one in first] == [one.tobytes() for one in again]
    assert len({one.tobytes() for one in first}) == len(first)
    assert {one.mode for one in first} == {"RGB"}
