"""A timm network as this project uses it: its transform, its pooled features, what describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_prodbench.models.checkpoints import model_error
from pytest_prodbench.models.pipeline import size_refused
from pytest_prodbench.models.pooling import gem_pool, map_to_tokens, mean_pool, pooling_name
from pytest_prodbench.models.resized_part import cut_with_resize
from pytest_prodbench.models.tensor_transforms import antialias, on_tensors

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec


class Network:
    """A network in eval mode on its device.

    Attributes:
        model: timm's own.
        architecture: timm's name of it, without a pretrained tag.
        transform: image → float32 (3, h, w).
        preprocessing: readable and complete description of the transform.
        pooling: name of the pooling in force.
    """

    def __init__(
        self,
        spec: ModelSpec,
        model: Any,
        packaged: tuple[tuple[float, ...], tuple[float, ...]] | None,
    ) -> None:
        import timm

        self._spec = spec
        self.model = model
        config = timm.data.resolve_model_data_config(model, args=_asked(spec, packaged))
        self._size = tuple(int(number) for number in config["input_size"])
        self.architecture: str = self.model.pretrained_cfg["architecture"]
        transform = timm.data.create_transform(**config, is_training=False)
        resampler = spec.preprocess.resampler
        self.preprocessing = _description(config, transform, antialias(resampler))
        self.transform: Any = (
            cut_with_resize(transform) if resampler is None else on_tensors(spec, transform)
        )
        self.pooling = pooling_name(spec)
        self._pool = self._choose_pool()

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        """Map (b, 3, h, w) to pooled features (b, c)."""
        features = self.model.forward_features(batch)
        if self._spec.pooling == "default":
            # The documented way to a model's own embedding: everything but the classifier.
            pooled: torch.Tensor = self.model.forward_head(features, pre_logits=True)
            return pooled
        vectors: torch.Tensor = self._pool(features)
        return vectors

    def dimension(self, device: torch.device) -> int:
        """Return the length of a vector, found by a forward pass over a black image.

        Raises:
            ModelError: the network gives something else than one vector an image, or does not take
                images of the stated size.
        """
        try:
            with torch.inference_mode():
                vectors = self.features(torch.zeros(1, *self._size, device=device))
        except (AssertionError, RuntimeError) as error:
            if self._spec.preprocess.size is None:
                raise
            raise size_refused(self._spec, error) from error
        if vectors.ndim != 2:
            raise model_error(
                self._spec,
                found=f"pooling {self.pooling!r} gives shape {tuple(vectors.shape)} for one image",
                expected="one vector: shape (1, dimension)",
                next_step="choose pooling = 'mean' or 'gem'",
            )
        return int(vectors.shape[1])

    def _choose_pool(self) -> Any:
        spec = self._spec
        if spec.pooling == "projection":
            raise model_error(
                spec,
                found="pooling 'projection', which timm does not have",
                expected="default, cls, mean or gem",
                next_step="for a CLIP projection load the model through open_clip or transformers",
            )
        return {"default": None, "cls": self._cls, "mean": self._mean, "gem": self._gem}[
            spec.pooling
        ]

    def _tokens(self, features: Any) -> torch.Tensor:
        """Return patch tokens (b, n, c) of a token sequence or a feature map."""
        if isinstance(features, torch.Tensor) and features.ndim == 4:
            last = getattr(self.model, "output_fmt", "NCHW") == "NHWC"
            if features.shape[3 if last else 1] != self.model.num_features:
                raise self._no_pooling(f"which axis of {tuple(features.shape)} holds the channels?")
            return map_to_tokens(features, channels_last=last)
        if isinstance(features, torch.Tensor) and features.ndim == 3:
            prefix = getattr(self.model, "num_prefix_tokens", None)
            if prefix is not None:
                return features[:, int(prefix) :]
        raise self._no_pooling("which of its features are image patches is not known")

    def _cls(self, features: Any) -> torch.Tensor:
        tokens = isinstance(features, torch.Tensor) and features.ndim == 3
        if not tokens or getattr(self.model, "cls_token", None) is None:
            raise self._no_pooling("it has no class token")
        first: torch.Tensor = features[:, 0]
        return first

    def _mean(self, features: Any) -> torch.Tensor:
        return mean_pool(self._tokens(features))

    def _gem(self, features: Any) -> torch.Tensor:
        return gem_pool(self._tokens(features), self._spec.gem_power)

    def _no_pooling(self, why: str) -> Exception:
        return model_error(
            self._spec,
            found=f"pooling {self._spec.pooling!r} cannot be done with this architecture: {why}",
            expected="pooling = 'default', which every timm model has",
        )


def _asked(
    spec: ModelSpec, packaged: tuple[tuple[float, ...], tuple[float, ...]] | None
) -> dict[str, Any]:
    """What replaces the model's data config, by timm's names."""
    asked: dict[str, Any] = dict(zip(("mean", "std"), packaged or (), strict=False))
    for key, value in spec.preprocess.stated().items():
        if key == "size":
            asked["input_size"] = (3, *value)
        elif key == "resize":
            modes = {"shortest": "center", "squash": "squash", "pad": "border"}
            asked["crop_mode"] = modes[value]
        elif key != "resampler":
            asked["crop_pct" if key == "crop" else key] = value
    return asked


def _description(config: dict[str, Any], transform: Any, antialiased: str) -> str:
    """Write down a transform with all its numbers; repr() of a Normalize would round its own."""
    steps = []
    for step in transform.transforms:
        size = getattr(step, "size", None)
        if isinstance(
            size, list
        ):  # from a config.json; from Python it is a tuple, and means the same
            size = tuple(size)
        steps.append(type(step).__name__ + (f"({size})" if size is not None else ""))
    settings = {
        "input_size": "x".join(str(number) for number in config["input_size"]),
        "interpolation": config["interpolation"],
        "antialias": antialiased,
        "crop_pct": repr(float(config["crop_pct"])),
        "crop_mode": config["crop_mode"],
        "mean": ", ".join(repr(float(number)) for number in config["mean"]),
        "std": ", ".join(repr(float(number)) for number in config["std"]),
    }
    written = "; ".join(f"{key}={value}" for key, value in settings.items())
    return f"timm create_transform: {' > '.join(steps)}; {written}"
