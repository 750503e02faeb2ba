"""An exported network with its matrix products in int8, by ONNX Runtime's own tool.

Weights are rounded to int8 with a scale for each output channel, once. Activations are rounded to uint8 when
the network runs, with a scale of the tensor at hand ("Quantize ONNX models" of the documentation of ONNX
Runtime, dynamic quantization): no images are needed to find one. Convolutions stay in float32: as integers
with scales that are looked for in every image they are slower, not faster.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from pytest_prodbench.embedding.engines.refusal import (
    EngineRefusedError,
    of_the_moment,
    with_reason,
)

PRODUCTS = ["MatMul", "Gemm"]
"""Operations that are done in integers."""

IN_INTEGERS = frozenset(("MatMulInteger", "DynamicQuantizeMatMul", "QGemm"))


def quantize(path: Path) -> None:
    """Replace an ONNX file, and tensors that lie beside it, by one whose matrix products are in int8.

    Raises:
        EngineRefusedError: the tool is not there or cannot, or the network has no such product.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise EngineRefusedError(
            f"int8 needs {error.name}, which is not installed",
            next_step='pip install "pytest-prodbench[onnx]"',
        ) from error
    beside = [other for other in path.parent.iterdir() if other != path]
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # advice on what to do to the file before
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        made = Path(name) / path.name
        try:
            quantize_dynamic(
                path,
                made,
                op_types_to_quantize=PRODUCTS,
                per_channel=True,
                weight_type=QuantType.QInt8,
                use_external_data_format=bool(beside),
            )
        except Exception as error:  # it raises whatever its parts do
            raise EngineRefusedError(
                with_reason("it cannot be brought to int8", error), passing=of_the_moment(error)
            ) from error
        finally:
            logging.disable(level)
        graph = onnx.load(made, load_external_data=False).graph
        if not IN_INTEGERS & {node.op_type for node in graph.node}:
            # It would be float32 under another name.
            raise EngineRefusedError(
                "int8 changes nothing: it has no matrix products with weights, and convolutions stay in "
                "float32"
            )
        for other in (path, *beside):
            other.unlink()
        for file in Path(name).iterdir():
            file.rename(path.parent / file.name)
