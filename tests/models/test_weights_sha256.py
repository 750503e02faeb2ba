"""``weights_sha256``: which files it is of, and what it is of several."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import library_for
from pytest_prodbench.models.identity import verify_weights, weights_value
from pytest_prodbench.settings.types import Head, ModelSpec

Spec = Callable[..., ModelSpec]


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def held(spec: Spec, source: str, value: str, **fields: Any) -> None:
    model = spec(source, weights_sha256=value, **fields)
    verify_weights(model, library_for(model))


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("onnx", "x.onnx"),
        ("torchscript", "x.torchscript"),
        ("torchscript", "x.ts"),
        ("torchscript", "x.jit"),
        ("timm", "x.pth"),
    ],
)
def test_one_file_whatever_its_suffix(library: str, name: str, tmp_path: Path, spec: Spec) -> None:
    path = tmp_path / name
    path.write_bytes(b"weights")
    held(spec, f"{library}:resnet18", sha(path), checkpoint=str(path))
    with pytest.raises(ModelError, match=rf"{name} with sha256 {sha(path)}; expected 0000"):
        held(spec, f"{library}:resnet18", "0" * 64, checkpoint=str(path))


def by_coreutils(folder: Path, *names: str) -> str:
    """As the documentation tells people to compute it."""
    line = f"sha256sum {' '.join(names)} | LC_ALL=C sort -k2 | sha256sum"
    done = subprocess.run(line, shell=True, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S602
    return done.stdout.split()[0]


def test_of_shards_their_lines(
    tmp_path: Path, spec: Spec, saved_transformers: Callable[[str], Path]
) -> None:
    import transformers as hf

    network = hf.AutoModel.from_pretrained(saved_transformers("dinov2"))
    network.save_pretrained(tmp_path, max_shard_size="40KB")
    settings = "preprocessor_config.json"
    (tmp_path / settings).write_bytes((saved_transformers("dinov2") / settings).read_bytes())
    names = [path.name for path in tmp_path.glob("*.safetensors")]
    assert len(names) > 1
    value = by_coreutils(tmp_path, *names)
    held(spec, "transformers:x", value, checkpoint=str(tmp_path))
    told = (
        rf"{len(names)} weight files \(model-00001.*\), with sha256 {value} over their sorted lines"
    )
    with pytest.raises(ModelError, match=told):
        held(spec, "transformers:x", "0" * 64, checkpoint=str(tmp_path))


def test_the_modules_of_sentence_transformers(tmp_path: Path, spec: Spec) -> None:
    (tmp_path / "2_Dense").mkdir()
    for place, content in ((tmp_path, b"a"), (tmp_path / "2_Dense", b"b")):
        (place / "model.safetensors").write_bytes(content)
        (place / "config.json").write_text("{}")
    model = spec("sentence_transformers:x", checkpoint=str(tmp_path))
    value, files = weights_value(model, library_for(model))
    assert len(files) == 2
    digests = sorted(hashlib.sha256(content).hexdigest() for content in (b"a", b"b"))
    lines = "".join(f"{digest}  model.safetensors\n" for digest in digests)
    assert value == hashlib.sha256(lines.encode()).hexdigest()
    held(spec, "sentence_transformers:x", value, checkpoint=str(tmp_path))


def test_a_head_counts(tmp_path: Path, spec: Spec) -> None:
    save_file({"weight": torch.ones(2, 2)}, tmp_path / "head.safetensors")
    (tmp_path / "x.pth").write_bytes(b"weights")
    fields = {
        "checkpoint": str(tmp_path / "x.pth"),
        "head": Head(weights=tmp_path / "head.safetensors"),
    }
    held(spec, "timm:resnet18", by_coreutils(tmp_path, "x.pth", "head.safetensors"), **fields)


def test_of_a_hub_tag_the_file_that_the_library_takes(
    tmp_path: Path, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pytest_prodbench.models import open_clip_tower, timm_hub

    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    monkeypatch.setattr(timm_hub, "hub_file", lambda spec: file)
    source = SimpleNamespace(files=[file])
    monkeypatch.setattr(open_clip_tower, "resolve", lambda spec, files: source)
    for named in ("timm:resnet18.a1_in1k", "open_clip:ViT-B-32/laion2b_s34b_b79k"):
        held(spec, named, sha(file))


def test_refs_of_the_hub_do_not_count(
    saved_transformers: Callable[[str], Path], empty_hub: Path, spec: Spec
) -> None:
    home = empty_hub / "models--team--tower"
    (home / "refs").mkdir(parents=True)
    (home / "snapshots").mkdir()
    (home / "snapshots" / "abc123").symlink_to(saved_transformers("dinov2"))
    (home / "refs" / "v1.0").write_text("abc123")
    value = sha(saved_transformers("dinov2") / "model.safetensors")
    held(spec, "transformers:team/tower", value, revision="v1.0")
