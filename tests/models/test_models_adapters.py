"""Adapters that are not merged, over small networks of real architectures: against peft's own way."""

from __future__ import annotations

import json
import os
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small_vision_language
import torch
import transformers as hf
from PIL import Image
from safetensors.torch import load_file, save_file

from pytest_prodbench.errors import ModelError, SettingsError
from pytest_prodbench.models import library_for
from pytest_prodbench.models.overrides import overrides

if os.environ.get("PRODBENCH_REQUIRE_PEERS"):
    import peft
else:
    peft = pytest.importorskip("peft")

pytestmark = pytest.mark.usefixtures("no_network")

KINDS = ("square", "wide", "tall", "tiny", "cmyk")
PROMPT = (
    "<|im_start|>user <|vision_start|><|image_pad|><|vision_end|>Describe the image .<|im_end|> "
    "<|im_start|>assistant <|endoftext|>"
)
OPTIONS = {"prompt": PROMPT}
SAFE = "adapter_model.safetensors"
# As nomic-ai/colpali trained nomic-embed-multimodal (scripts/configs/qwen2/train_nomic_qwen_3b.yaml).
NOMIC = "(.*(model).*(down_proj|gate_proj|up_proj|k_proj|q_proj|v_proj|o_proj).*$|.*(custom_text_proj).*$)"
# The second pair is what the maps of DINOv2 were called before.
TARGETS = {"target_modules": ["q_proj", "v_proj", "query", "value"]}


def lora(**more: Any) -> Any:
    return peft.LoraConfig(**{"r": 4, **TARGETS, **more})


def save_adapter(base: Path, config: Any, folder: Path, kind: Any = hf.AutoModel) -> Path:
    """As a team's training leaves it: what it changed is no longer what it began with."""
    with warnings.catch_warnings():
        # peft asks transformers by a name that is about to go, and says that norms are no linear maps.
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(kind.from_pretrained(base), config)
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    model.save_pretrained(folder)
    return folder


def copy(source: Path, folder: Path) -> Path:
    return Path(shutil.copytree(source, folder))


def edit(folder: Path, **settings: Any) -> Path:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))
    return folder


def in_hub(hub: Path, repository: str, folder: Path, ref: str = "main") -> Path:
    """Put a folder into a made-up hub cache, and return the ref that leads to it."""
    home = hub / f"models--{repository.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "snapshots").mkdir()
    (home / "snapshots" / "abc123").symlink_to(folder)
    (home / "refs" / ref).write_text("abc123")
    return home / "refs" / ref


@pytest.fixture(scope="module")
def bases(tmp_path_factory: Any, saved_transformers: Any, randomised: Any) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("qwen2_5")
    return {
        "clip": saved_transformers("clip"),
        "dinov2": saved_transformers("dinov2"),
        "qwen2_5": small_vision_language.save("qwen2_5", folder, randomised),
    }


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: Any, bases: dict[str, Path]) -> dict[str, Path]:
    return {
        name: save_adapter(base, lora(), tmp_path_factory.mktemp(f"lora of {name}"))
        for name, base in bases.items()
    }


def with_peft(model: Any, folder: Path) -> Any:
    """As peft documents it, with nothing left without weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="Found missing adapter keys")
        return peft.PeftModel.from_pretrained(model, str(folder)).get_base_model().eval()


def documented(base: Path, folder: Path | None, image: Image.Image) -> torch.Tensor:
    """The vector by PeftModel.from_pretrained; without a folder that of the base."""
    model = hf.AutoModel.from_pretrained(base)
    if folder is not None:
        model = with_peft(model, folder)
    model.eval()
    with torch.no_grad():
        if model.config.model_type == "qwen2_5_vl":
            processor = hf.AutoProcessor.from_pretrained(base)
            inputs = processor(text=[PROMPT], images=[image], return_tensors="pt")
            return model(**inputs).last_hidden_state[0, -1]
        processor = hf.AutoImageProcessor.from_pretrained(base, backend="pil")
        inputs = processor(images=image, return_tensors="pt")
        if model.config.model_type == "clip":
            return model.get_image_features(**inputs).pooler_output[0]
        return model(**inputs).last_hidden_state[0, 0]


def alike(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.cosine_similarity(one, other, dim=0))


def source_of(name: str) -> tuple[str, dict[str, Any]]:
    if name == "qwen2_5":
        return "vision_language:x", {"options": OPTIONS}
    return "transformers:x", {}


@pytest.mark.parametrize("name", ["clip", "dinov2", "qwen2_5"])
def test_an_image_embeds_as_with_peft(
    name: str, bases: Any, adapters: Any, load: Any, images: dict[str, Image.Image], embed: Any
) -> None:
    source, fields = source_of(name)
    model = load(source, checkpoint=str(adapters[name]), **fields)
    together = embed(model, [images[kind] for kind in KINDS])
    for kind, vector in zip(KINDS, together, strict=True):
        expected = documented(bases[name], adapters[name], images[kind])
        (alone,) = embed(model, [images[kind]])
        assert alike(alone, expected) >= 0.99999, kind
        assert alike(vector, expected) >= 0.99999, kind
        assert alike(documented(bases[name], None, images[kind]), expected) < 0.999, kind
    pair = embed(model, [images["wide"], images["tall"]])
    assert alike(pair[1], embed(model, [images["tall"]])[0]) >= 0.99999
    assert model.identity.versions["peft"] == peft.__version__
    assert model.identity.adapter == f"LORA over {bases[name].name}"
    plain = load(source, checkpoint=str(bases[name]), **fields).identity
    assert "peft" not in plain.versions
    assert plain.adapter == ""
    network = getattr(model, "network", None) or model._model
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


CONFIGS = {
    "dora": lambda: lora(use_dora=True),
    "rank-stabilised": lambda: lora(use_rslora=True),
    "biases": lambda: lora(bias="all"),
    "modules to save": lambda: lora(modules_to_save=["visual_projection"]),
    "all-linear": lambda: lora(target_modules="all-linear"),
    "pissa": lambda: lora(init_lora_weights="pissa"),
    "loha": lambda: peft.LoHaConfig(r=4, **TARGETS),
    "lokr": lambda: peft.LoKrConfig(r=4, **TARGETS),
    "ia3": lambda: peft.IA3Config(feedforward_modules=[], **TARGETS),
    "oft": lambda: peft.OFTConfig(r=4, oft_block_size=0, **TARGETS),
    "hra": lambda: peft.HRAConfig(r=4, **TARGETS),
    "miss": lambda: peft.MissConfig(r=4, **TARGETS),
    "ln_tuning": lambda: peft.LNTuningConfig(target_modules=["layer_norm1", "layer_norm2"]),
}


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_its_kin(name: str, bases: Any, tmp_path: Path, load: Any, images: Any, embed: Any) -> None:
    folder = save_adapter(bases["clip"], CONFIGS[name](), tmp_path / "adapter")
    (found,) = embed(load("transformers:x", checkpoint=str(folder)), [images["wide"]])
    expected = documented(bases["clip"], folder, images["wide"])
    assert alike(found, expected) >= 0.99999
    assert alike(documented(bases["clip"], None, images["wide"]), expected) < 0.99999


def test_an_adapter_that_changes_nothing_is_one(
    bases: Any, adapters: Any, tmp_path: Path, load: Any, images: Any, embed: Any
) -> None:
    folder = copy(adapters["dinov2"], tmp_path / "a")
    state = load_file(folder / SAFE)
    zeros = {key: value * ("lora_B" not in key) for key, value in state.items()}
    save_file(zeros, folder / SAFE, metadata={"format": "pt"})
    (found,) = embed(load("transformers:x", checkpoint=str(folder)), [images["wide"]])
    assert alike(found, documented(bases["dinov2"], None, images["wide"])) >= 0.99999


def test_a_tower_that_was_trained_alone(
    bases: Any, tmp_path: Path, load: Any, images: Any, embed: Any
) -> None:
    """Its adapter has nothing for the text tower, which no image passes through."""

    class Tower:
        @staticmethod
        def from_pretrained(base: Path) -> Any:
            config = hf.CLIPConfig.from_pretrained(base)
            config.vision_config.projection_dim = config.projection_dim
            return hf.CLIPVisionModelWithProjection.from_pretrained(
                base, config=config.vision_config
            )

    folder = save_adapter(bases["clip"], lora(), tmp_path / "a", kind=Tower)
    assert not any("text_model" in key for key in load_file(folder / SAFE))
    tower = with_peft(Tower.from_pretrained(bases["clip"]), folder)
    processor = hf.AutoImageProcessor.from_pretrained(bases["clip"], backend="pil")
    with torch.no_grad():
        inputs = processor(images=images["wide"], return_tensors="pt")
        expected = tower(**inputs).image_embeds[0]
    (found,) = embed(load("transformers:x", checkpoint=str(folder)), [images["wide"]])
    assert alike(found, expected) >= 0.99999


def test_names_of_an_older_transformers(
    bases: Any, tmp_path: Path, load: Any, images: Any, embed: Any
) -> None:
    """The published adapters of Qwen2-VL and Qwen2.5-VL say model.layers, without language_model."""
    fields = {"options": OPTIONS}
    today = save_adapter(bases["qwen2_5"], lora(target_modules=NOMIC), tmp_path / "today")
    state = load_file(today / SAFE)
    assert (
        len(state) == 2 * 7 * 2
    )  # two tensors for each of seven maps in two layers, none in visual
    old = copy(today, tmp_path / "old")
    renamed = {key.replace("model.language_model.", "model.model."): state[key] for key in state}
    assert "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight" in renamed
    save_file(renamed, old / SAFE, metadata={"format": "pt"})
    (expected,) = embed(
        load("vision_language:x", checkpoint=str(today), **fields), [images["wide"]]
    )
    (found,) = embed(load("vision_language:x", checkpoint=str(old), **fields), [images["wide"]])
    assert torch.equal(found, expected)
    assert alike(found, documented(bases["qwen2_5"], today, images["wide"])) >= 0.99999


def test_weights_of_the_base_may_be_halves(
    adapters: Any, load: Any, images: Any, embed: Any
) -> None:
    options = OPTIONS | {"dtype": "bfloat16"}
    whole = load("vision_language:x", checkpoint=str(adapters["qwen2_5"]), options=OPTIONS)
    half = load("vision_language:x", checkpoint=str(adapters["qwen2_5"]), options=options)
    (one,), (other,) = (embed(model, [images["wide"]]) for model in (whole, half))
    assert other.dtype == torch.bfloat16
    assert alike(one, other.float()) > 0.99
    assert whole.identity.weights_digest != half.identity.weights_digest


def test_adapter_and_base_come_from_the_hub_cache(
    bases: Any, adapters: Any, tmp_path: Path, empty_hub: Path, load: Any, spec: Any
) -> None:
    folder = edit(
        copy(adapters["qwen2_5"], tmp_path / "a"),
        base_model_name_or_path="team/base",
        revision="v2",
    )
    own = in_hub(empty_hub, "team/adapter", folder)
    fields = {"options": OPTIONS}
    with pytest.raises(ModelError, match=r"team/base at revision v2.*download tried"):
        load("vision_language:team/adapter", **fields)
    below = in_hub(empty_hub, "team/base", bases["qwen2_5"], "v2")
    model = spec("vision_language:team/adapter", **fields)
    files = library_for(model).files(model) or []
    assert {own, below} <= set(files)
    loaded = load("vision_language:team/adapter", **fields)
    assert loaded.identity.adapter == "LORA over team/base at v2"
    # Files whose bytes are the same, wherever they lie.
    local = edit(copy(folder, tmp_path / "b"))
    stated = OPTIONS | {"base": str(bases["qwen2_5"])}
    beside = load("vision_language:x", checkpoint=str(local), options=stated)
    assert beside.identity.weights_digest == loaded.identity.weights_digest


def test_the_entry_names_another_base(
    bases: Any, adapters: Any, tmp_path: Path, empty_hub: Path, load: Any, spec: Any
) -> None:
    moved = edit(copy(adapters["dinov2"], tmp_path / "a"), base_model_name_or_path="/gone/away")
    with pytest.raises(ModelError, match=r"/gone/away, is no folder.*write base = "):
        load("transformers:x", checkpoint=str(moved))
    at = str(bases["dinov2"])
    one = load(f"transformers:{moved}", options={"base": at})
    in_hub(empty_hub, "team/dino", bases["dinov2"], "v3")
    hub = {"base": "team/dino", "base_revision": "v3"}
    other = load(f"transformers:{moved}", options=hub)
    assert one.identity.weights_digest == other.identity.weights_digest
    assert other.identity.adapter == "LORA over team/dino at v3"
    said = overrides(spec("transformers:x", options={"base": at}), one.identity.adapter)
    name = bases["dinov2"].name
    assert said == [f'adapter = "LORA over {name}"', f'base = "{name}"']


@pytest.mark.parametrize("named", ["../base", "", None, "a/b/c"])
def test_a_base_that_could_be_anywhere(
    named: str | None, adapters: Any, tmp_path: Path, load: Any
) -> None:
    folder = edit(copy(adapters["clip"], tmp_path / "a"), base_model_name_or_path=named)
    with pytest.raises(ModelError, match=r"an absolute folder, or a hub repository.*state base in"):
        load("transformers:x", checkpoint=str(folder))


def test_what_decides_the_numbers(
    bases: Any, adapters: Any, tmp_path: Path, load: Any, spec: Any
) -> None:
    base = copy(bases["dinov2"], tmp_path / "base")
    folder = edit(copy(adapters["dinov2"], tmp_path / "adapter"), base_model_name_or_path=str(base))
    model = spec("transformers:x", checkpoint=str(folder))
    files = set(library_for(model).files(model) or [])
    assert files == {
        *(base / name for name in ("model.safetensors", "config.json", "preprocessor_config.json")),
        *(folder / name for name in (SAFE, "adapter_config.json")),
    }
    digests = {load("transformers:x", checkpoint=str(folder)).identity.weights_digest}
    for path in (folder / SAFE, base / "model.safetensors"):
        state = {key: tensor * 1.01 for key, tensor in load_file(path).items()}
        save_file(state, path, metadata={"format": "pt"})
        digests.add(load("transformers:x", checkpoint=str(folder)).identity.weights_digest)
    edit(folder, lora_alpha=64)
    digests.add(load("transformers:x", checkpoint=str(folder)).identity.weights_digest)
    assert len(digests) == 4


def test_the_memo_notices_an_adapter(adapters: Any, tmp_path: Path, spec: Any) -> None:
    from pytest_prodbench.embedding import ModelHandle
    from pytest_prodbench.settings.types import RunSettings

    folder = copy(adapters["dinov2"], tmp_path / "a")
    settings = RunSettings(cache_dir=tmp_path / "cache", device="cpu")
    model = spec("transformers:x", checkpoint=str(folder))
    first = ModelHandle(model, settings)
    again = ModelHandle(model, settings)
    assert again.identity == first.identity
    assert "LORA over" in again.identity.adapter
    edit(folder, lora_alpha=64)
    assert ModelHandle(model, settings).identity.weights_digest != first.identity.weights_digest


def test_the_processor_is_the_adapters_if_it_has_one(
    bases: Any, adapters: Any, tmp_path: Path, load: Any, spec: Any
) -> None:
    dino = copy(adapters["dinov2"], tmp_path / "dino")
    plain = load("transformers:x", checkpoint=str(dino)).identity
    settings = json.loads((bases["dinov2"] / "preprocessor_config.json").read_text())
    settings["image_mean"] = [0.1, 0.2, 0.3]
    (dino / "preprocessor_config.json").write_text(json.dumps(settings))
    own = load("transformers:x", checkpoint=str(dino)).identity
    assert '"image_mean": [0.1, 0.2, 0.3]' in own.preprocessing
    assert '"image_mean": [0.1, 0.2, 0.3]' not in plain.preprocessing
    assert own.weights_digest != plain.weights_digest
    model = spec("transformers:x", checkpoint=str(dino))
    files = library_for(model).files(model) or []
    assert dino / "preprocessor_config.json" in files
    assert bases["dinov2"] / "preprocessor_config.json" not in files


@pytest.mark.parametrize("named", ["Qwen2_5_VLProcessor", "BiQwen2_5_Processor"])
def test_the_processor_may_be_a_class_of_the_library_that_trained_it(
    named: str, bases: Any, adapters: Any, tmp_path: Path, load: Any, images: Any
) -> None:
    folder = copy(adapters["qwen2_5"], tmp_path / "qwen")
    for path in bases["qwen2_5"].iterdir():
        if path.name not in {"config.json", "generation_config.json", "model.safetensors"}:
            text = path.read_text().replace("Qwen2_5_VLProcessor", named)
            (folder / path.name).write_text(text.replace('"longest_edge"', '"longest_edge" '))
    (path,) = (folder / name for name in ("processor_config.json",))
    settings = json.loads(path.read_text())
    settings["image_processor"]["image_mean"] = [0.1, 0.2, 0.3]
    path.write_text(json.dumps(settings))
    model = load("vision_language:x", checkpoint=str(folder), options=OPTIONS)
    assert '"image_mean": [0.1, 0.2, 0.3]' in model.identity.preprocessing
    assert len(model.preprocess(images["wide"])["pixel_values"]) > 4


def _prompts(folder: Path) -> None:
    edit(folder, peft_type="PROMPT_TUNING")


def _others(folder: Path) -> None:
    edit(folder, peft_type="XLORA")


def _imports(folder: Path) -> None:
    edit(folder, megatron_config={"a": 1}, megatron_core="os")


def _newer(folder: Path) -> None:
    edit(folder, setting_of_a_later_peft=True)


def _no_settings(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("[]")


def _no_weights(folder: Path) -> None:
    (folder / SAFE).unlink()


def _truncated(folder: Path) -> None:
    (folder / SAFE).write_bytes((folder / SAFE).read_bytes()[:-100])


def _changed(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    save_file(change(load_file(folder / SAFE)), folder / SAFE, metadata={"format": "pt"})


def _other_keys(folder: Path) -> None:
    _changed(folder, lambda state: {f"their.{key[17:]}": state[key] for key in state})


def _one_less(folder: Path) -> None:
    _changed(folder, lambda state: {k: v for k, v in state.items() if "0.attention" not in k})


def _other_rank(folder: Path) -> None:
    edit(folder, r=3)


def _other_names(folder: Path) -> None:
    """Names that no module has: those of DINOv2 changed in the course of transformers 5."""
    edit(folder, target_modules=["queries", "values"])


BROKEN = {
    _prompts: "'PROMPT_TUNING', prompts that are learned",
    _others: "'XLORA'",
    _imports: "megatron_config, which imports",
    _newer: "setting_of_a_later_peft",
    _no_settings: "cannot be understood",
    _no_weights: "adapter_model.safetensors or adapter_model.bin",
    _truncated: "cannot be loaded: SafetensorError",
    _other_keys: "no weights for .*lora_A.*weights that have no place: their",
    _one_less: r"no weights for .*layer\.0\.attention.*lora_A",
    _other_rank: r"weights of another shape: .*lora_A",
    _other_names: "Target modules .* not found",
}


@pytest.mark.parametrize("change", BROKEN, ids=lambda change: change.__name__[1:])
def test_what_is_refused(
    change: Callable[[Path], None], adapters: Any, tmp_path: Path, load: Any
) -> None:
    folder = copy(adapters["dinov2"], tmp_path / "a")
    change(folder)
    with pytest.raises(ModelError, match=BROKEN[change]) as caught:
        load("transformers:x", checkpoint=str(folder))
    assert str(folder) in str(caught.value)


def test_an_adapter_of_another_architecture(bases: Any, adapters: Any, load: Any) -> None:
    options = {"base": str(bases["clip"])}
    with pytest.raises(ModelError, match=r"weights that have no place.*another architecture"):
        load("transformers:x", checkpoint=str(adapters["dinov2"]), options=options)


def test_a_head_that_embeds_nothing(bases: Any, tmp_path: Path, load: Any) -> None:
    folder = save_adapter(
        bases["dinov2"],
        lora(modules_to_save=["classifier"]),
        tmp_path / "a",
        hf.AutoModelForImageClassification,
    )
    with pytest.raises(ModelError, match=r"no place: classifier\.bias.*embeds nothing"):
        load("transformers:x", checkpoint=str(folder))


def test_pickles_are_read_as_tensors_only(
    adapters: Any, tmp_path: Path, load: Any, images: Any, embed: Any
) -> None:
    folder = copy(adapters["clip"], tmp_path / "a")
    expected = embed(load("transformers:x", checkpoint=str(folder)), [images["wide"]])
    state = load_file(folder / SAFE)
    (folder / SAFE).unlink()
    torch.save(state, folder / "adapter_model.bin")
    found = embed(load("transformers:x", checkpoint=str(folder)), [images["wide"]])
    assert torch.equal(found, expected)

    class Ran:
        def __reduce__(self) -> Any:
            return open, (str(tmp_path / "ran"), "w")

    torch.save(state | {"x": Ran()}, folder / "adapter_model.bin")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load("transformers:x", checkpoint=str(folder))
    assert not (tmp_path / "ran").exists()


def test_without_peft(adapters: Any, load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModelError, match=r'pip install "pytest-prodbench\[adapters\]"'):
        load("transformers:x", checkpoint=str(adapters["clip"]))


def test_a_base_without_an_adapter_and_an_adapter_under_one(
    bases: Any, adapters: Any, load: Any
) -> None:
    options = {"base": str(bases["clip"])}
    with pytest.raises(ModelError, match=r"a base for .*take base and base_revision out"):
        load("transformers:x", checkpoint=str(bases["clip"]), options=options)
    options = {"base": str(adapters["dinov2"])}
    with pytest.raises(ModelError, match="is an adapter itself"):
        load("transformers:x", checkpoint=str(adapters["clip"]), options=options)
    with pytest.raises(SettingsError, match=r"models\.tried.base"):
        load("timm:resnet18", options=options)


def test_other_libraries_refuse_it(adapters: Any, load: Any) -> None:
    with pytest.raises(ModelError, match=r"holds an adapter.*vision_language load the folder"):
        load("sentence_transformers:x", checkpoint=str(adapters["qwen2_5"]))


@pytest.mark.parametrize("library", ["transformers", "vision_language"])
def test_download_fetches_the_base_too(
    library: str,
    bases: Any,
    adapters: Any,
    tmp_path: Path,
    empty_hub: Path,
    spec: Any,
    monkeypatch: Any,
) -> None:
    """The hub's client stands in for the hub: what it is asked for appears in the cache."""
    import huggingface_hub

    name = "qwen2_5" if library == "vision_language" else "dinov2"
    folder = edit(copy(adapters[name], tmp_path / "a"), base_model_name_or_path="team/base")
    kept = {"team/adapter": folder, "team/base": bases[name]}
    asked: dict[str, list[str]] = {}

    def fetch(repository: str, *, allow_patterns: list[str], **rest: Any) -> None:
        asked[repository] = allow_patterns
        in_hub(empty_hub, repository, kept[repository])

    monkeypatch.setattr(
        huggingface_hub,
        "list_repo_files",
        lambda repository, **rest: [path.name for path in kept[repository].iterdir()],
    )
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    model = spec(f"{library}:team/adapter", options=OPTIONS if name == "qwen2_5" else {})
    files = library_for(model).download(model)
    assert list(asked) == ["team/adapter", "team/base"]
    names = {path.name for path in files}
    assert {SAFE, "adapter_config.json", "model.safetensors", "main"} <= names
    for repository, wanted in (("team/adapter", SAFE), ("team/base", "model.safetensors")):
        assert any(Path(wanted).match(pattern) for pattern in asked[repository])
