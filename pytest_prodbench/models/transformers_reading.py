"""What goes wrong when transformers reads a folder, as errors that name it; imported with a model."""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from pytest_prodbench.models.checkpoints import TENSORS_ONLY, model_error, reason, refused_pickle
from pytest_prodbench.models.hub import offline
from pytest_prodbench.models.remote_code import code_refused

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

_UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    ImportError,
)

# Parts of a name in a weight file that decide no image vector: text, and heads of tasks, as transformers
# calls them; buffers that older versions wrote.
_IDLE = {
    *("text_model", "text_projection", "text_encoder", "logit_scale", "logit_bias"),
    *("classifier", "cls_classifier", "distillation_classifier", "class_labels_classifier"),
    *("bbox_predictor", "lm_head", "decoder", "decode_head", "auxiliary_head", "mask_token"),
    *("position_ids", "relative_position_index", "num_batches_tracked", "inv_freq"),
}
# Never idle: the last layer of an image vector.
_PROJECTS = re.compile(r"(visual|vision|image)_(embed_|embeds_)?proj")


def refuse_random(
    spec: ModelSpec, weights: Path, model: torch.nn.Module, report: dict[str, Any]
) -> None:
    """Refuse parameters that got no weights: transformers draws them at random and only warns.

    Args:
        spec: the model.
        weights: the file that was read.
        model: what came of it.
        report: what ``from_pretrained`` says of it with ``output_loading_info``.

    Raises:
        ModelError: names them.
    """
    wrong = [
        *sorted(report.get("missing_keys", ())),
        *(str(entry) for entry in report.get("mismatched_keys", ())),
    ]
    wrong += [str(message) for message in report.get("error_msgs", ())]
    if wrong:
        raise model_error(
            spec,
            found=f"{weights} has no fitting weights for {', '.join(wrong[:5])}"
            + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""),
            expected=f"weights for every parameter of {type(model).__name__}",
            next_step="save the model anew with save_pretrained, from the class it was trained as",
        )


def refuse_unused(
    spec: ModelSpec, weights: Path, model: Any, report: dict[str, Any], architectures: Any
) -> None:
    """Refuse a file with weights that the loaded class drops: transformers only logs them.

    Text towers, heads of known names, and all that the task's own class of transformers has beside the
    network may be dropped.

    Args:
        spec: the model.
        weights: the file that was read.
        model: what came of it.
        report: as of ``refuse_random``.
        architectures: what ``config.json`` says.

    Raises:
        ModelError: names them.
    """
    unused = [
        key
        for key in sorted(report.get("unexpected_keys", ()))
        if _PROJECTS.search(key) or not _IDLE & set(key.split("."))
    ]
    if unused:
        task = _names_of_task(model, architectures)
        unused = [key for key in unused if _PROJECTS.search(key) or key not in task]
    if unused:
        raise model_error(
            spec,
            found=f"{weights} has weights that {type(model).__name__} does not use: "
            + ", ".join(unused[:5])
            + (f" and {len(unused) - 5} more" if len(unused) > 5 else ""),
            expected="a file whose weights all have a place, but for a text tower or the head of a task",
            next_step="let architectures in config.json name the class that it was trained as; a linear "
            f"layer of your own goes into a file of its own, as head in [models.{spec.name}]",
        )


def _names_of_task(model: Any, architectures: Any) -> set[str]:
    """Parameters of the class for a task that a config names, such as ViTForImageClassification."""
    import transformers

    named = str(next(iter(architectures or ()), ""))
    build = getattr(transformers, named, None)
    if re.search(r"For[A-Z]", named) is None or build is None:
        return set()
    try:
        with torch.device("meta"):
            return set(build(model.config).state_dict())
    except _UNREADABLE:
        return set()  # a config that does not fit the class that it names


@contextmanager
def readable(spec: ModelSpec, folder: Path) -> Iterator[None]:
    """Turn what transformers raises for an unreadable folder into an error that names it."""
    try:
        yield
    except _UNREADABLE as error:
        text = reason(error)
        if "trust_remote_code" in text and not spec.trust_remote_code:
            raise code_refused(spec, folder) from error
        raise model_error(
            spec,
            found=f"{folder} cannot be loaded: {type(error).__name__}: {text[:1000]}",
            expected="a model that takes images, as save_pretrained writes it",
            next_step=TENSORS_ONLY
            if refused_pickle(error)
            else "save it anew with save_pretrained, from the class it was trained as",
        ) from error


@contextmanager
def whole(spec: ModelSpec, folder: Path) -> Iterator[None]:
    """Refuse what a library loads by ``from_pretrained`` in places of its own: as ``read`` does.

    Offline, quiet, and with an error for parameters that got no weights, of which transformers tells in its
    log alone.

    Raises:
        ModelError: unreadable, code of its own that is not allowed, parameters without weights.
    """
    from transformers.utils import logging

    logger = logging.get_logger("transformers.modeling_utils")
    reports: list[str] = []

    def keep(record: Any) -> bool:
        reports.append(record.getMessage())
        return False

    level = logger.level
    with quiet(), offline(), readable(spec, folder):
        logger.setLevel(logging.WARNING)
        logger.addFilter(keep)
        try:
            yield
        finally:
            logger.removeFilter(keep)
            logger.setLevel(level)
    missing = [line for text in reports for line in text.splitlines() if "MISSING" in line]
    if named := [line.partition("|")[0].strip() for line in missing if "|" in line]:
        raise model_error(
            spec,
            found=f"{folder} has no weights for {', '.join(named[:5])}",
            expected="weights for every parameter",
            next_step="save the model anew, from the class it was trained as",
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars and advice of transformers off the terminal; errors are raised anyway."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
