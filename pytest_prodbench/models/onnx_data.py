"""Files beside an ONNX file that hold its tensors (external data), found without the library onnx."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_prodbench.models.checkpoints import model_error, weights_missing

if TYPE_CHECKING:
    from pytest_prodbench.settings.types import ModelSpec

SUFFIX = ".onnx"

# An entry of external data: a field 1 "location" and a field 2, the name, of a message of two strings. The
# length before a name is a varint: seven bits a byte, the lowest first, all but the last with the top bit.
_LOCATION = re.compile(rb"\x0a\x08location\x12([\x80-\xff]{0,3}[\x01-\x7f])", re.DOTALL)


def with_data(spec: ModelSpec, path: Path) -> list[Path]:
    """Return an ONNX file and those that hold its tensors: their bytes decide the numbers too.

    Raises:
        ModelError: another suffix; such a file is not there, or lies elsewhere than beside it.
    """
    if path.suffix != SUFFIX:
        raise model_error(
            spec,
            found=f"checkpoint {path}",
            expected=f"a file that ends in {SUFFIX}",
            next_step=f"correct checkpoint in [models.{spec.name}]",
        )
    data = path.read_bytes()
    names = set()
    for found in _LOCATION.finditer(data):
        length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(found[1]))
        names.add(data[found.end() : found.end() + length].decode("utf-8", "replace"))
    beside = [path.parent / name for name in sorted(names)]
    for name, file in zip(sorted(names), beside, strict=True):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise model_error(
                spec,
                found=f"{path} with tensors in {name!r}",
                expected="a file beside it",
                next_step="save it anew with its tensors inside or beside it",
            )
        if not file.is_file():
            raise weights_missing(spec, name, path.parent)
    return [path, *beside]
