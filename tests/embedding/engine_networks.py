"""Small networks of a user's own, each of another nature: ``module:engine_networks:NAME``."""

from __future__ import annotations

import numpy as np
import torch

from pytest_prodbench.models import ModelIdentity


class Plain(torch.nn.Module):
    """A convolution and a pooling."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.convolution = torch.nn.Conv2d(3, 12, 5, stride=2)
        with torch.no_grad():
            weight = torch.randn(self.convolution.weight.shape, generator=generator)
            self.convolution.weight.copy_(weight)
            self.convolution.bias.zero_()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.convolution(images).relu().mean((2, 3))


class Noisy(Plain):
    """Adds noise of its own to every vector."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        vectors = super().forward(images)
        return vectors + torch.randn_like(vectors)


class Choosing(Plain):
    """Takes another way for a dark batch: a trace would hold one of the two."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.mean() < 0:
            images = images.flip(3)
        return super().forward(images)


class OfTwo(Plain):
    """Writes the number of images down as a number."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.reshape(int(images.shape[0]), 3, *images.shape[2:]) * 1.0)


class InPython(Plain):
    """Sorts in Python."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.tensor([sorted(vector.tolist()) for vector in super().forward(images)])


class Shapeless(Plain):
    """Takes an image as large as it is."""

    preprocessing = "pixels / 255"

    def preprocess(self, image):
        from torchvision.transforms.functional import to_tensor

        return to_tensor(image)


class OneAtATime(Plain):
    """Takes no two images together."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).reshape(1, 12)


class FewAtATime(Plain):
    """Takes two images together and no more."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 2:
            raise ValueError("too many")
        return super().forward(images)


class Fastidious(Shapeless):
    """Takes no photo but a grey one."""

    def preprocess(self, image):
        if len(image.getcolors(1 << 20)) > 1:
            raise ValueError("not this one")
        return super().preprocess(image)


class Knowing(Shapeless):
    """Knows the size of its images."""

    side = 24

    def preprocess(self, image):
        return super().preprocess(image.resize((self.side, self.side)))


class Weighing(Shapeless):
    """Looks at a parameter of its own before it sees an image."""

    def preprocess(self, image):
        return super().preprocess(image.resize((24, 24))) * len(self.convolution.bias) / 12


class Masked(torch.nn.Module):
    """Rows of an image, of which a mask says which are there."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.rows = torch.nn.Linear(3 * 24, 16)
        self._kind = kind

    def forward(self, images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self._kind == "reading" and mask.sum() > 30:
            images = images * 2
        rows = self.rows(images.transpose(1, 2).flatten(2)).relu() * mask[:, :, None]
        return rows.sum(1) / mask.sum(1, keepdim=True)


class MaskedEmbedder:
    """Takes two tensors by name: an image in the upper rows of a square, and which rows those are."""

    def __init__(self, kind: str) -> None:
        self.network = Masked(kind).eval()
        self.identity = ModelIdentity(f"weights of {kind}", "24 x 24", "none", 16, {"masked": "1"})
        self._kind = kind
        if kind in {"uneven", "loose"}:
            self.collate = self._collate

    def preprocess(self, image):
        high = max(1, min(24, 24 * image.height // image.width))
        pixels = np.asarray(image.resize((24, high)), np.float32) / 255
        square = torch.zeros(3, 24, 24)
        square[:, :high] = torch.from_numpy(pixels).permute(2, 0, 1)
        mask = (torch.arange(24) < high).long()
        return {"images": square[:, :high] if self._kind == "unlike" else square, "mask": mask}

    def _collate(self, features):
        if self._kind == "loose":
            raise ValueError("not these")
        images = torch.cat([one["images"].transpose(0, 1) for one in features])
        return {"images": images, "mask": torch.stack([one["mask"] for one in features])}

    def embed(self, batch):
        return self.network(**batch)


class MaskedLibrary:
    """``masked:KIND``."""

    def files(self, spec):
        return None

    def load(self, spec, device):
        return MaskedEmbedder(spec.identifier)

    def download(self, spec):
        return []


def plain_callable(images: torch.Tensor) -> torch.Tensor:
    """No module, so nothing to export."""
    return images.flatten(2).mean(2)
