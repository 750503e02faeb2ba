"""Small networks that are saved as TorchScript, each of another nature."""

from __future__ import annotations

import torch


class Plain(torch.nn.Module):
    """A convolution, a norm and a pooling."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.convolution = torch.nn.Conv2d(3, 12, 5, stride=2)
        self.norm = torch.nn.BatchNorm2d(12)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(self.convolution(images)).relu()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.features(images).mean((2, 3))


class OfTwoOutputs(Plain):
    """Gives its map beside the vectors."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.features(images)
        return features, features.mean((2, 3))


class Choosing(torch.nn.Module):
    """Takes another way for each dark image; as many turns of its loop as images."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.convolution = torch.nn.Conv2d(3, 12, 5, stride=2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        vectors: list[torch.Tensor] = []
        for i in range(images.shape[0]):
            image = images[i : i + 1]
            if bool(image.mean() < 0):
                image = 2.0 * image.flip(3)
            vectors.append(self.convolution(image).relu().mean((2, 3)))
        return torch.cat(vectors)


class ChoosingOnce(Plain):
    """Takes another way for a dark batch, behind a norm that refuses what has not four axes."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.features(images)
        if bool(images.mean() < 0):
            features = 2.0 * features.flip(1)
        return features.mean((2, 3))


class Refusing(Choosing):
    """Raises where an image has a number that it does not like."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if bool(images.max() > 100.0):
            raise ValueError("too bright")
        return self.convolution(images).relu().mean((2, 3))


class OfOneImage(Plain):
    """Has its batch of one written down."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).reshape(1, 12)


class InHalf(Plain):
    """Computes in half floats."""

    def __init__(self) -> None:
        super().__init__()
        self.half()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.features(images.half()).mean((2, 3)).float()
