"""The same operations by calls that take less time.

Calling an operation by its full name takes twice as long as PyTorch's function or method of the
same name, and an operation made by ``fedqml.core.operators`` longer than the function behind it.
"""

from collections.abc import Callable
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

from fedqml.core.operators import function_of
from fedqml.engines.traces.operations import aten, same


def quicken(traced: fx.GraphModule, *inputs: Tensor) -> Callable[..., list[Tensor]]:
    """Return the traced function with its calls replaced where others give the same bits.

    Args:
        traced: from ``trace``; its graph is changed.
        inputs: on which each replacement is tried.

    Example:
        >>> from fedqml.engines.traces.operations import trace
        >>> traced = trace(lambda x: [x.sin() * 2], torch.ones(3))
        >>> quick = quicken(traced, torch.ones(3))
        >>> [str(node.target) for node in traced.graph.nodes if node.op == "call_method"]
        ['sin', 'mul']
    """
    _Trials(traced).run(*inputs)
    traced.recompile()
    return traced.forward


def select_rows(traced: fx.GraphModule) -> fx.GraphModule:
    """Take rows of a table by ``index_select``, a few times quicker than indexing.

    It takes no negative numbers, so only those in the first argument are taken so: a batch's rows.

    Args:
        traced: from ``trace``; its graph is changed.

    Example:
        >>> from fedqml.engines.traces.operations import trace
        >>> table, rows = torch.tensor([5.0, 6.0]), torch.tensor([[1], [0]])
        >>> quicken(select_rows(trace(lambda rows: [table[rows]], rows)), rows)(rows)
        [tensor([[6.],
                [5.]])]
    """
    rows = next(iter(traced.graph.nodes))
    for node in rows.users:
        if node.target is aten.index.Tensor and node.args[1] == [rows]:
            node.target = _rows
    return traced


def _rows(table: Tensor, indices: list[Tensor]) -> Tensor:
    (rows,) = indices
    return table.index_select(0, rows.view(-1)).view(*rows.shape, *table.shape[1:])


class _Trials(fx.Interpreter):
    def run_node(self, node: fx.Node) -> Any:
        result = super().run_node(node)
        if isinstance(node.target, OpOverload) and not node.all_input_nodes:
            self._keep(node, result)
        elif isinstance(node.target, OpOverload):
            own = function_of(node.target)
            if own is not None:
                # not tried: what one operation hands to another may have parts that nobody reads
                node.target = own
                return result
            args, kwargs = self.fetch_args_kwargs_from_env(node)
            call = _quicker(node.target)
            if call is not None and _gives(call, args, kwargs, result):
                node.target = call
                if isinstance(call, MethodDescriptorType):
                    node.op, node.target = "call_method", call.__name__
        return result

    def _keep(self, node: fx.Node, result: Any) -> None:
        """Let a result that depends on nothing be an attribute."""
        name = f"_constant_{node.name}"
        setattr(self.module, name, result)
        node.op, node.target, node.args, node.kwargs = "get_attr", name, (), {}


def _quicker(operation: OpOverload) -> Callable[..., Any] | None:
    if operation.namespace != "aten":
        return None
    schema = operation._schema
    name = schema.name.removeprefix("aten::")
    method, function = getattr(Tensor, name, None), getattr(torch, name, None)
    # A method's object is the argument `self`, which need not be the operation's first.
    owned = bool(schema.arguments) and schema.arguments[0].name == "self"
    if owned and isinstance(method, MethodDescriptorType):
        return method
    return function if isinstance(function, BuiltinFunctionType) else None


def _gives(call: Callable[..., Any], args: Any, kwargs: Any, result: Any) -> bool:
    try:
        return _equal(call(*args, **kwargs), result)
    except Exception:  # it takes its arguments in another way
        return False


def _equal(a: Any, b: Any) -> bool:
    if isinstance(b, Tensor):
        return same(a, b) and a.stride() == b.stride()
    return len(a) == len(b) and all(_equal(*each) for each in zip(a, b, strict=True))
