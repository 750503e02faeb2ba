"""Small networks of a user's own, each of another nature: ``module:engine_networks:NAME``."""

from __future__ import annotations

import torch


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


def plain_callable(images: torch.Tensor) -> torch.Tensor:
    """No module, so nothing to export."""
    return images.flatten(2).mean(2)
