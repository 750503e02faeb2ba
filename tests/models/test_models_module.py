"""Networks of the user's own code, found by a dotted path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pytest_prodbench.errors import ModelError
from pytest_prodbench.models import Embedder, library_for
from pytest_prodbench.settings.types import ModelSpec, Preprocess

STATED = Preprocess(size=(16, 16), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

CODE = """
import torch


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.layer = torch.nn.Conv2d(3, 5, 3)
        self.drop = torch.nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.layer(x).mean(dim=(2, 3)))


class WithItsOwn(Encoder):
    preprocessing = "resize to 20 x 20, 0 to 1"

    def preprocess(self, image):
        import numpy as np

        pixels = np.asarray(image.resize((20, 20)), np.float32) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1)


class Mute(WithItsOwn):
    preprocessing = None


def make():
    return Encoder()


def make_of_defaults(width=5, *, pretrained=False, **more):
    return Encoder()


def brightest(batch=None, floor=0.0):
    return batch.amax(dim=(2, 3)).clamp(min=floor)


def headless():
    from torchvision.models import resnet18

    network = resnet18()
    network.fc = torch.nn.Identity()
    return network


ready = Encoder()


class Holder:
    encoder = ready


def colours(batch):
    return batch.mean(dim=(2, 3))


def several(batch):
    return {"a": batch.mean(dim=(2, 3)), "b": batch.amax(dim=(2, 3))}


def broken(batch):
    return batch[:, 99]


def fails():
    raise RuntimeError("no weights today")


number = 7
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module of the user's, new for each test."""
    import sys

    folder = tmp_path / "ours_of_the_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "nets.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    yield folder / "nets.py"
    for name in [name for name in sys.modules if name.startswith("ours_of_the_test")]:
        del sys.modules[name]


@pytest.fixture
def tried(load: Callable[..., Embedder], code: Path) -> Callable[..., Embedder]:
    def build(name: str, **fields: Any) -> Embedder:
        return load(f"module:ours_of_the_test.nets:{name}", **({"preprocess": STATED} | fields))

    return build


def batch(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_classes_functions_and_objects(tried: Callable[..., Embedder]) -> None:
    found = [
        tried(name).embed(batch())
        for name in ("Encoder", "make", "make_of_defaults", "ready", "Holder.encoder")
    ]
    for one in found[1:]:
        torch.testing.assert_close(one, found[0])
    assert found[0].shape == (4, 5)
    torch.testing.assert_close(tried("Encoder").embed(batch()), found[0])  # dropout is off


def test_weights_from_a_file(tried: Callable[..., Embedder], tmp_path: Path) -> None:
    plain = tried("Encoder")
    state = {name: tensor + 1 for name, tensor in plain._network.state_dict().items()}
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    found = [
        tried("Encoder", checkpoint=str(tmp_path / name)) for name in ("w.safetensors", "w.pt")
    ]
    torch.testing.assert_close(found[0].embed(batch()), found[1].embed(batch()))
    assert not torch.allclose(found[0].embed(batch()), plain.embed(batch()))
    assert len({one.identity.weights_digest for one in (*found, plain)}) == 3


def test_weights_that_do_not_fit(tried: Callable[..., Embedder], tmp_path: Path) -> None:
    save_file({"other": torch.zeros(3)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"w\.safetensors cannot be loaded.*other"):
        tried("Encoder", checkpoint=str(tmp_path / "w.safetensors"))
    (tmp_path / "w.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"w\.safetensors cannot be loaded"):
        tried("Encoder", checkpoint=str(tmp_path / "w.safetensors"))
    with pytest.raises(ModelError, match="a checkpoint for a callable"):
        tried("colours", checkpoint=str(tmp_path / "w.safetensors"), options={"version": "1"})


def test_a_pickle_of_code_is_not_run(tried: Callable[..., Embedder], tmp_path: Path) -> None:
    import pickle

    class Attack:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "ran",))

    with (tmp_path / "w.pt").open("wb") as file:
        pickle.dump(Attack(), file, protocol=2)
    with pytest.raises(ModelError, match=r"w\.pt cannot be loaded"):
        tried("Encoder", checkpoint=str(tmp_path / "w.pt"))
    assert not (tmp_path / "ran").exists()


def test_its_own_preprocessing(tried: Callable[..., Embedder]) -> None:
    model = tried("WithItsOwn", preprocess=Preprocess())
    assert model.preprocess(Image.new("RGB", (50, 40))).shape == (3, 20, 20)
    assert model.identity.preprocessing == "resize to 20 x 20, 0 to 1"
    with pytest.raises(ModelError, match=r"preprocess\.size = \(16, 16\); expected none beside"):
        tried("WithItsOwn")
    with pytest.raises(ModelError, match="attribute preprocessing of type NoneType"):
        tried("Mute", preprocess=Preprocess())
    with pytest.raises(ModelError, match="no method preprocess either"):
        tried("Encoder", preprocess=Preprocess())


def test_a_callable_has_a_version(tried: Callable[..., Embedder]) -> None:
    one = tried("colours", options={"version": "1"})
    other = tried("colours", options={"version": "2"})
    torch.testing.assert_close(one.embed(batch()), batch().mean(dim=(2, 3)))
    assert one.identity.weights_digest != other.identity.weights_digest
    with pytest.raises(ModelError, match=r"no version; expected version = '…'"):
        tried("colours")


def test_a_stated_version_is_a_part_of_a_networks_identity(
    tried: Callable[..., Embedder], tmp_path: Path
) -> None:
    save_file(tried("Encoder")._network.state_dict(), tmp_path / "w.safetensors")
    for fields in ({}, {"checkpoint": str(tmp_path / "w.safetensors")}):
        found = [
            tried("Encoder", options=options, **fields).identity.weights_digest
            for options in ({}, {"version": "1"}, {"version": "2"})
        ]
        assert len(set(found)) == 3


def test_a_callable_of_a_batch_may_have_defaults(tried: Callable[..., Embedder]) -> None:
    model = tried("brightest", options={"version": "1"})
    torch.testing.assert_close(model.embed(batch()), batch().amax(dim=(2, 3)))
    with pytest.raises(ModelError, match="AttributeError when it is called"):
        tried("brightest")


def test_a_model_of_torchvision_by_its_builder(
    load: Callable[..., Embedder], tried: Callable[..., Embedder], tmp_path: Path
) -> None:
    from torchvision.models import resnet18
    from torchvision.transforms import v2

    torch.manual_seed(11)
    network = resnet18().eval()
    save_file(network.state_dict(), tmp_path / "whole.safetensors")
    image = Image.effect_noise((90, 70), 60).convert("RGB")
    stated = Preprocess(size=(64, 64), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    way = v2.Compose(
        [
            v2.Resize(64, interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(64),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(stated.mean, stated.std),
        ]
    )

    def vector(model: Embedder) -> torch.Tensor:
        with torch.inference_mode():
            return model.embed(model.preprocess(image)[None])

    whole = load(
        "module:torchvision.models:resnet18",
        checkpoint=str(tmp_path / "whole.safetensors"),
        preprocess=stated,
    )
    with torch.inference_mode():
        torch.testing.assert_close(vector(whole), network(way(image)[None]))
    assert whole.identity.dimension == 1000
    # The classifier taken off, as docs/models.md has it.
    network.fc = torch.nn.Identity()
    save_file(network.state_dict(), tmp_path / "headless.safetensors")
    found = tried("headless", checkpoint=str(tmp_path / "headless.safetensors"), preprocess=stated)
    with torch.inference_mode():
        torch.testing.assert_close(vector(found), network(way(image)[None]))
    assert found.identity.dimension == 512
    with pytest.raises(ModelError, match=r"Unexpected key.*fc\.weight"):
        tried("headless", checkpoint=str(tmp_path / "whole.safetensors"), preprocess=stated)


def test_one_of_several_outputs(tried: Callable[..., Embedder]) -> None:
    model = tried("several", options={"version": "1", "output": "b"})
    torch.testing.assert_close(model.embed(batch()), batch().amax(dim=(2, 3)))
    with pytest.raises(ModelError, match="no output named; expected one of 'a', 'b'"):
        tried("several", options={"version": "1"})


def test_an_edit_of_the_code_is_another_model(
    tried: Callable[..., Embedder], code: Path, spec: Callable[..., ModelSpec]
) -> None:
    before = tried("Encoder").identity.weights_digest
    stated = spec("module:ours_of_the_test.nets:Encoder", preprocess=STATED)
    assert library_for(stated).files(stated) == [code]
    code.write_text(CODE + "\n# changed\n")
    assert tried("Encoder").identity.weights_digest != before


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Nothing", r"AttributeError at import.*expected 'Nothing' in ours_of_the_test\.nets"),
        ("fails", "RuntimeError when it is called: no weights today"),
        ("number", "an object of type int"),
        ("a b", r"expected package\.module:name"),
    ],
)
def test_what_is_no_network(tried: Callable[..., Embedder], name: str, told: str) -> None:
    with pytest.raises(ModelError, match=told):
        tried(name)


def test_a_network_that_takes_no_image(tried: Callable[..., Embedder]) -> None:
    with pytest.raises(ModelError, match="IndexError on one image"):
        tried("broken", options={"version": "1"})


def test_a_module_that_is_not_there(load: Callable[..., Embedder]) -> None:
    for name in ("not_installed_here", "not_installed_here.deeper"):
        with pytest.raises(ModelError, match=r"no module 'not_installed_here.*pythonpath"):
            load(f"module:{name}:Encoder", preprocess=STATED)
