"""What a TorchScript program would raise and its export would not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

READS = frozenset(
    (
        *("aten::Bool", "aten::Int", "aten::Float", "aten::item", "aten::is_nonzero"),
        *("aten::IntImplicit", "aten::FloatImplicit", "aten::ScalarImplicit", "prim::tolist"),
        *("aten::equal", "aten::allclose", "aten::nonzero", "aten::masked_select"),
        *("aten::unique_dim", "aten::_unique2", "aten::unique_consecutive", "aten::argwhere"),
        *("aten::index", "aten::bincount", "aten::repeat_interleave"),
    )
)
"""Operations by which values of a tensor become a number, or the size of another tensor."""


def raises_by_values(program: torch.jit.ScriptModule) -> bool:
    """Whether a program may raise an error by what it computes: not by the shape of its input alone.

    Programs are full of errors that their shape decides, as a batch norm refuses what has not four axes; the
    shapes of an export are those that went through. In case of doubt it may.
    """
    graph: Any = program.inlined_graph
    return _raises(graph, set(), by_values=False)


def _raises(block: Any, read: set[int], *, by_values: bool) -> bool:
    """Walk a block once, in its order.

    Args:
        block: of the program.
        read: what depends on values that were read; grows.
        by_values: whether the program is here because of such a value.
    """
    found = False
    for node in block.nodes():
        kind = node.kind()
        found |= by_values and kind == "prim::RaiseException"
        inputs = {value.unique() for value in node.inputs()}
        # What a loop carries comes from its turns before, where it may have been read.
        decides = kind == "prim::Loop" or (kind == "prim::If" and bool(inputs & read))
        for inner in node.blocks():
            found |= _raises(inner, read, by_values=by_values or decides)
            inputs |= {value.unique() for value in inner.outputs()}
        if kind in READS or inputs & read:
            read |= {value.unique() for value in node.outputs()}
    return found
