"""``prodbench models show MODEL`` and ``prodbench doctor MODEL``: what a model is, and whether it embeds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.cli.suite import Opened, open_suite, without_suite
from pytest_prodbench.datasets.folder import EXTENSIONS
from pytest_prodbench.embedding import ModelHandle
from pytest_prodbench.errors import ProdbenchError, SettingsError
from pytest_prodbench.evidence.types import EngineRecord
from pytest_prodbench.models import library_for
from pytest_prodbench.models.checkpoints import first_line
from pytest_prodbench.models.identity import weights_value
from pytest_prodbench.models.overrides import overrides
from pytest_prodbench.report.wording import engine
from pytest_prodbench.settings.files import shown_path, unknown_name
from pytest_prodbench.settings.sources import parse_source
from pytest_prodbench.settings.types import ModelSpec

if TYPE_CHECKING:
    from PIL.Image import Image

LOOKED_AT = 16
"""Images of a folder that the doctor looks at, evenly spaced."""


def show(given: argparse.Namespace) -> int:
    """Load a model and print all that decides its numbers; 0."""
    handle, opened = _handle(given, "prodbench models show")
    spec = handle.spec
    if handle.remote is None:
        handle.load()
    identity = handle.identity
    files = library_for(spec).files(spec)
    rows = [
        ("source", spec.source),
        ("family", spec.family),
        ("defined in", spec.where),
        ("weights", _weights(handle)),
        *(("", shown_path(path, opened.project)) for path in files or ()),
        *_weights_value(handle),
        ("input", _input(handle)),
        ("preprocessing", identity.preprocessing),
        ("pooling", identity.pooling),
        ("dimension", f"{identity.dimension} ({4 * identity.dimension} bytes in float32)"),
        ("device", handle.device if handle.remote is None else "the provider's"),
        ("engine", _engine(handle)),
        ("overridden", "nothing"),
        ("libraries", ", ".join(f"{name} {text}" for name, text in identity.versions.items())),
    ]
    replaced = overrides(spec, identity.adapter)
    place = next(i for i, (name, _) in enumerate(rows) if name == "overridden")
    rows[place : place + 1] = [
        ("" if i else "overridden", line) for i, line in enumerate(replaced or ["nothing"])
    ]
    print(spec.name)
    for name, text in rows:
        print(f"  {name:14} {text}")
    return 0


def doctor(given: argparse.Namespace) -> int:
    """Embed some images alone, together and again; 1 if the model does not do what an embedding must."""
    from pytest_prodbench.embedding.checkup import checkup, drawn_images

    handle, opened = _handle(given, "prodbench doctor")
    limit = opened.settings.max_pixels
    images = drawn_images() if given.images is None else _images(Path(given.images), limit)
    findings = checkup(handle, images)
    print(f"{handle.spec.name} ({handle.spec.source})")
    print(f"  {'–':6} engine: {_engine(handle)}")
    for one in findings:
        mark = {True: "ok", False: "FAILS", None: "–"}[one.passed]
        print(f"  {mark:6} {one.name}: {one.found}")
        if one.passed is False:
            print(f"         expected {one.expected}; {one.next_step}")
    return int(any(one.passed is False for one in findings))


def _handle(given: argparse.Namespace, where: str) -> tuple[ModelHandle, Opened]:
    name = given.model_name
    if ":" in name:
        opened = without_suite(given)
        library, identifier = parse_source(name, where=where)
        spec = ModelSpec(name=name, library=library, identifier=identifier, where=where)
        return ModelHandle(spec, opened.settings), opened
    given.places = []
    opened = open_suite(given)
    if name not in opened.suite.models:
        raise unknown_name("model", name, list(opened.suite.models), where)
    return ModelHandle(opened.suite.models[name], opened.settings), opened


def _weights_value(handle: ModelHandle) -> list[tuple[str, str]]:
    """What ``weights_sha256`` of the model would be, to be copied; nothing where there are no files."""
    if handle.remote is not None:
        return []
    value, _ = weights_value(handle.spec, library_for(handle.spec))
    return [("weights_sha256", value)] if value else []


def _weights(handle: ModelHandle) -> str:
    digest = handle.identity.weights_digest
    if handle.remote is None:
        return f"sha256 {digest}"
    return f"{handle.remote.provider}'s, known by name and parameters only: {digest}"


def _engine(handle: ModelHandle) -> str:
    return engine(EngineRecord(**asdict(handle.engine)))


def _input(handle: ModelHandle) -> str:
    """Height and width of the tensor, or the shape of each of several."""
    from PIL import Image

    if handle.remote is not None:
        limits = handle.remote.limits(handle.spec)
        return f"sent to {handle.remote.provider}, {limits.images_per_request} images a request at most"

    try:
        features = handle.load().preprocess(Image.new("RGB", (512, 512), "grey"))
    except ProdbenchError:
        raise
    except Exception as error:  # the user's code may raise anything
        return f"preprocess raises {type(error).__name__} on a square photo: {first_line(error)}"
    if isinstance(features, Mapping):
        shapes = ", ".join(
            f"{name} {' x '.join(map(str, tensor.shape))}" for name, tensor in features.items()
        )
    else:
        shapes = " x ".join(map(str, features.shape[-2:]))
    return f"{shapes} (of a square photo)"


def _images(folder: Path, max_pixels: int) -> Sequence[Image]:
    from pytest_prodbench.datasets.decoding import decode

    if not folder.is_dir():
        raise SettingsError("--images", found=f"{folder}: no folder", expected="a folder of photos")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
    if len(paths) < 2:
        raise SettingsError(
            "--images", found=f"{folder}: {len(paths)} photos", expected="two or more"
        )
    chosen = paths[:: -(-len(paths) // LOOKED_AT)]
    return [decode(path.read_bytes(), where=str(path), max_pixels=max_pixels) for path in chosen]
