"""Typed settings: models under test, datasets and thresholds of each sector, how to run."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from pytest_prodbench.errors import SettingsError
from pytest_prodbench.settings.frozen import Frozen
from pytest_prodbench.settings.options import OPTIONS
from pytest_prodbench.settings.policy import GateMode, Rule, Waiver

Pooling = Literal["default", "cls", "mean", "gem", "projection"]
Family = Literal["open", "api", "domain"]
EngineName = Literal["auto", "torch", "onnxruntime", "openvino"]
EnginePrecision = Literal["float32", "bfloat16", "int8"]
Resize = Literal["shortest", "squash", "pad"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Resampler = Literal["torchvision"]
Three = tuple[float, float, float]


class Preprocess(Frozen):
    """What is stated of the way from image to tensor; None leaves it as the model's own config has it.

    Attributes:
        size: height and width of the tensor, in pixels.
        resize: ``shortest``: the shorter edge becomes size / crop, the middle is cut out; ``squash``: both
            edges do, whatever the sides were; ``pad``: the longer edge does, the rest is filled.
        crop: share of the resized edge that is kept, above 0 to 1.
        interpolation: of the resize, always with antialiasing.
        mean, std: of the channels red, green, blue, for values of 0 to 1.
        resampler: what resizes in the place of Pillow, some five times as fast; sizes and edges stay, a few
            pixels are another level, and so it is another model.
    """

    size: tuple[int, int] | None = None
    resize: Resize | None = None
    crop: float | None = Field(default=None, gt=0, le=1)
    interpolation: Interpolation | None = None
    mean: Three | None = None
    std: Three | None = None
    resampler: Resampler | None = None

    def stated(self) -> dict[str, Any]:
        """Return what is stated, by key."""
        return self.model_dump(exclude_none=True)


class Head(Frozen):
    """A linear map after the model: a fine-tuned head, or a whitening matrix.

    Attributes:
        weights: absolute path of a safetensors file with ``weight`` (d_out, d_in), and perhaps ``bias``
            (d_out,) and ``mean`` (d_in,), which is taken off first.
        normalise: bring the model's vector to length 1 before.
    """

    weights: Path
    normalise: bool = False


class ModelSpec(Frozen):
    """One model under test.

    Attributes:
        name: short unique name; becomes part of the test id ``model:dataset``.
        library: which registered library loads it (``timm``, ``open_clip``, ``transformers`` …).
        identifier: what that library calls it: ``tf_efficientnet_lite0``,
            ``ViT-B-32/laion2b_s34b_b79k``, ``facebook/dinov2-base``.
        checkpoint: weights on this machine instead of the library's own: an absolute path, or
            ``package:module/path/inside``; None for the library's own.
        revision: commit or tag of a hub model.
        pooling: how a feature map or token sequence becomes one vector; ``default`` is the model's own.
        gem_power: exponent p of GeM pooling (Radenović et al. 2018, eq. 3); used with ``gem`` only.
        preprocess: what replaces the model's own preprocessing.
        head: a linear map after the model; None: none.
        weights_sha256: digest that the weight files must have (``identity.weights_value``); None: any.
        trust_remote_code: run code that came with the weights, where the library can.
        engine: what runs the network; ``auto``: on a CPU in float32 ONNX Runtime, where it is installed and
            has been proven to give torch's vectors, else torch.
        engine_precision: ``float32`` leaves the precision to ``--prodbench-precision``; another one is
            another model, with numbers of its own.
        options: keys that belong to the library, checked by it.
        price_per_1000: what a provider asks for 1,000 images, in the currency of the policy (US
            dollars where the model has a ``budget_usd``); None: unknown.
        price_date: the day on which that was looked up.
        family: open foundation model, commercial API or domain-specific model; for the report.
        by_default: False for a model that runs only where it is asked for by name.
        where: file and key that define it, for messages.
    """

    name: str
    library: str
    identifier: str
    checkpoint: str | None = None
    revision: str | None = None
    pooling: Pooling = "default"
    gem_power: float = Field(default=3.0, gt=0)
    preprocess: Preprocess = Preprocess()
    head: Head | None = None
    weights_sha256: str | None = None
    trust_remote_code: bool = False
    engine: EngineName = "auto"
    engine_precision: EnginePrecision = "float32"
    options: dict[str, Any] = Field(default_factory=dict)
    price_per_1000: float | None = Field(default=None, ge=0)
    price_date: dt.date | None = None
    family: Family = "open"
    by_default: bool = True
    where: str = "<python>"

    @property
    def source(self) -> str:
        """As it is written in TOML: the library, a colon, the identifier."""
        return f"{self.library}:{self.identifier}"


class DatasetSpec(Frozen):
    """One dataset of a sector.

    Attributes:
        name: unique name; becomes part of the test id ``model:dataset``.
        sector: the sector that owns it; ``""`` outside a suite.
        layout: which registered layout opens it (``manifest``, ``folder``, ``grocery_store`` …).
        path: absolute path of its manifest or folder.
        open_set: queries without a positive are declared, not an error.
        options: keys that belong to the layout (``split`` …), checked by it.
        where: file and key that define it, for messages.
    """

    name: str
    sector: str = ""
    layout: str
    path: Path
    open_set: bool = False
    options: dict[str, Any] = Field(default_factory=dict)
    where: str = "<python>"


class SectorSpec(Frozen):
    """One sector: its datasets and what its owners demand.

    Attributes:
        name: ``manufacturing``, ``automotive``, ``diy``, ``retail`` or a team's own.
        owner: who accepts or refuses; shown in the report.
        datasets: by name.
        rules: in the order of the file.
        waivers: likewise.
        source: the file that defines it.
    """

    name: str
    owner: str = ""
    datasets: dict[str, DatasetSpec] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    source: Path


class Suite(Frozen):
    """Everything that the files of one or more suite folders define, before any narrowing.

    Attributes:
        models: by name, in order of definition.
        sectors: by name.
        files: every file read, sorted; their digest is the policy digest.
    """

    models: dict[str, ModelSpec] = Field(default_factory=dict)
    sectors: dict[str, SectorSpec] = Field(default_factory=dict)
    files: tuple[Path, ...] = ()


class RunSettings(Frozen):
    """How to run: command line over environment (``PRODBENCH_*``) over TOML over these defaults.

    Attributes:
        models: names to run; empty for all that are under test by default.
        datasets: names to run; empty for all.
        sectors: names to run; empty for all.
        models_file: TOML files with models; empty for the ``models.toml`` of the suite folders.
        cache_dir: where embeddings are kept.
        report_dir: where runs are written, one folder a run.
        run: name of the run's folder; None for one made of date and time.
        reports: kinds of report to write, each ``KIND`` or ``KIND:DEST``, the file that a copy goes to;
            empty for every registered kind.
        device: ``auto`` (a GPU where there is one), ``cpu``, ``cuda`` or ``cuda:N``.
        precision: of the forward pass: ``auto`` (float32 on every device), ``float32``, and on a GPU autocast
            in ``bfloat16`` or ``float16``.
        batch_size: images a forward pass; 0 chooses one that fits.
        threads: of each process: torch threads of a forward pass, or forward passes that another engine
            runs side by side; 0 is one torch thread (work is spread over processes), or a pass a processor.
        backend: ``auto``, ``torch`` or ``faiss``: same ranks, other speed.
        max_pixels: images with more pixels are refused before they are decoded.
        resamples: bootstrap resamples behind each interval.
        seed: seed of the bootstrap.
        baseline: folder of the accepted run to compare with; None for ``baselines/production`` of the
            project, which need not be there yet.
        rebase: compare with it although the dataset changed, on the queries that both have.
        gate: ``enforce``; ``report``: judge, and fail nothing for it; ``off``: do not judge.
        require_full: anything but a full, decided run is exit code 2.
    """

    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    models_file: tuple[Path, ...] = ()
    cache_dir: Path = Path(".prodbench/cache")
    report_dir: Path = Path("reports")
    run: str | None = None
    reports: tuple[str, ...] = ()
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: int = Field(default=0, ge=0, le=4096)
    threads: int = Field(default=0, ge=0, le=1024)
    backend: Literal["auto", "torch", "faiss"] = "auto"
    max_pixels: int = Field(default=100_000_000, ge=1)
    resamples: int = Field(default=2000, ge=100, le=1_000_000)
    seed: int = Field(default=0, ge=0)
    baseline: Path | None = None
    rebase: bool = False
    gate: GateMode = "enforce"
    require_full: bool = False

    @classmethod
    def checked(cls, merged: Mapping[str, Any], prefix: str = "--prodbench-") -> RunSettings:
        """Make settings of what ``options.resolve`` merged.

        Raises:
            SettingsError: a value out of range; names the option, its variable and its key.
        """
        try:
            return cls(**merged)
        except ValidationError as error:
            first = error.errors()[0]
            option = next(option for option in OPTIONS if option.field == first["loc"][0])
            raise SettingsError(
                f"{prefix}{option.name} (or {option.variable}, or tool.prodbench.run.{option.key})",
                found=repr(first["input"]),
                expected=first["msg"].removeprefix("Input should be "),
            ) from error
