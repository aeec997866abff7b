"""What a function of tensors does, as a list of operations."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload
from torch.fx.experimental.proxy_tensor import make_fx

aten = torch.ops.aten

_CONSTANT: dict[Any, int] = {aten.zeros_like.default: 0, aten.ones_like.default: 1}


class Unfit(Exception):
    """A list of operations cannot stand for the function."""


def trace(function: Callable[..., Sequence[Tensor]], *examples: Tensor) -> fx.GraphModule:
    """Return the operations that a function does on tensors of the examples' shapes.

    They are recorded on tensors without values. So no value finds its way into them, and a
    function that asks for one fails. Tensors that the function does not take but reads are shared.

    Args:
        function: a function of as many tensors as there are examples.
        examples: tensors; only shapes and types count.

    Returns:
        The function of the examples; its code is the operations.

    Raises:
        Unfit: if operations draw random numbers or work in place.

    Example:
        >>> twice = trace(lambda x: [x.sin() * 2], torch.ones(3))
        >>> [str(node.target) for node in twice.graph.nodes if node.op == "call_function"]
        ['aten.sin.default', 'aten.mul.Tensor']
    """
    traced = make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(*examples)
    traced.graph.set_codegen(fx.graph.CodeGen())  # arguments and results as they are
    for node in traced.graph.nodes:
        if isinstance(node.target, OpOverload):
            random = torch.Tag.nondeterministic_seeded in node.target.tags
            if random or node.target._schema.is_mutable:
                raise Unfit(f"The operation `{node.target}` draws or works in place.")
    _simplify(traced)
    return traced


def _simplify(traced: fx.GraphModule) -> None:
    """Leave out what changes nothing or was done before; let constants depend on nothing."""
    graph = traced.graph
    done: dict[tuple[str, ...], fx.Node] = {}
    for node in list(graph.nodes):
        if (earlier := _equivalent(node)) is not None:
            instead = earlier
        elif node.target in _CONSTANT and node.meta["val"].is_contiguous():
            like, value = node.meta["val"], _CONSTANT[node.target]
            kind = {"dtype": like.dtype, "device": like.device}
            with graph.inserting_before(node):
                instead = graph.call_function(aten.full.default, (list(like.shape), value), kind)
            instead.meta = node.meta
        elif isinstance(node.target, OpOverload):
            call = str(node.target), repr(node.args), repr(node.kwargs)
            if (instead := done.setdefault(call, node)) is node:
                continue
        else:
            continue
        node.replace_all_uses_with(instead)
        graph.erase_node(node)
    graph.eliminate_dead_code()
    traced.recompile()


def _equivalent(node: fx.Node) -> fx.Node | None:
    """Return an earlier result that is the same tensor, such as what was transposed twice."""
    if not _is_operation(node):
        return None
    target, before, after = node.target, node.all_input_nodes[0], node.meta["val"]
    if target in (aten.mul.Scalar, aten.mul.Tensor, aten.pow.Tensor_Scalar):
        kept = before.meta["val"].dtype == after.dtype and node.args[1] == 1
        return before if kept else None
    while _is_operation(node) and is_view(node.target):
        node = node.all_input_nodes[0]
        if _layout(node.meta["val"]) == _layout(after):
            return node
    return None


def _is_operation(node: fx.Node) -> bool:
    """Return whether it is an operation from one tensor to one."""
    inputs = node.all_input_nodes
    if not isinstance(node.target, OpOverload) or len(inputs) != 1:
        return False
    return all(isinstance(each.meta.get("val"), Tensor) for each in (inputs[0], node))


def is_view(target: Any) -> bool:
    """Return whether an operation gives another look at the memory that it is given."""
    if not isinstance(target, OpOverload):
        return False
    aliased = target._schema.returns[0].alias_info is not None
    return aliased or target is aten._unsafe_view.default


def _layout(tensor: Tensor) -> Any:
    place = tensor.shape, tensor.stride(), tensor.storage_offset()
    return tensor.dtype, place, tensor.is_conj(), tensor.is_neg()


def same(a: Tensor, b: Tensor) -> bool:
    """Return whether two tensors have equal shapes, types and numbers, none of them NaN."""
    return a.dtype == b.dtype and bool(torch.equal(a, b))
