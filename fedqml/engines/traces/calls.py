"""The same operations by calls that take less time.

Calling an operation by its full name takes twice as long as PyTorch's function or method of the
same name, and an operation made by ``fedqml.core.operators`` longer than the function behind it. A
number as an argument takes longer than a tensor of it. Views of memory that stays are made once.
"""

from collections.abc import Callable, Iterator
from operator import getitem
from types import BuiltinFunctionType, MethodDescriptorType
from typing import Any

import torch
from torch import Tensor, fx
from torch._ops import OpOverload

from fedqml.core.operators import function_of
from fedqml.engines.traces.operations import aten, is_view, same


def quicken(
    traced: fx.GraphModule, *inputs: Tensor, lasting: int = 0
) -> Callable[..., list[Tensor]]:
    """Return the traced function with its calls replaced where others give the same bits.

    Args:
        traced: from ``trace``.
        inputs: on which each replacement is tried.
        lasting: how many of the inputs stay where they are, the first ones. They are no arguments
            of the function returned, which puts as many results in their place, the first ones.

    Example:
        >>> from fedqml.engines.traces.operations import trace
        >>> total, x = torch.zeros(2), torch.ones(2)
        >>> traced = trace(lambda total, x: [total + x, x * 2], total, x)
        >>> quick = quicken(traced, total, x, lasting=1)
        >>> quick(x)[1], quick(x)[1], total
        (tensor([2., 2.]), tensor([2., 2.]), tensor([2., 2.]))
    """
    graph = fx.Graph()
    graph.output(graph.graph_copy(traced.graph, {}))
    quick = fx.GraphModule(traced, graph)
    _Trials(quick, lasting).run(*inputs)
    graph.eliminate_dead_code()
    quick.recompile()
    return quick.forward


def select_rows(traced: fx.GraphModule) -> fx.GraphModule:
    """Take rows of a table by ``index_select``, a few times quicker than indexing.

    It takes no negative numbers, so only those in the first argument are taken so: a batch's rows.

    Args:
        traced: from ``trace``; its graph is changed.

    Example:
        >>> from fedqml.engines.traces.operations import trace
        >>> table, rows = torch.tensor([5.0, 6.0]), torch.tensor([[1], [0]])
        >>> select_rows(trace(lambda rows: [table[rows]], rows))(rows)
        [tensor([[6.],
                [5.]])]
    """
    graph = traced.graph
    rows = next(iter(graph.nodes))
    for node in list(rows.users):
        if node.target is aten.index.Tensor and node.args[1] == [rows]:
            with graph.inserting_before(node):
                flat = graph.call_function(aten.view.default, (rows, [-1]))
                taken = graph.call_function(aten.index_select.default, (node.args[0], 0, flat))
                shape = list(node.meta["val"].shape)
                node.replace_all_uses_with(graph.call_function(aten.view.default, (taken, shape)))
            graph.erase_node(node)
    return traced


class _Trials(fx.Interpreter):
    def __init__(self, traced: fx.GraphModule, lasting: int) -> None:
        super().__init__(traced)
        self._lasting = list(self.graph.find_nodes(op="placeholder"))[:lasting]
        self._staying: set[fx.Node] = set()  # whose result is the same memory in all calls

    def run_node(self, node: fx.Node) -> Any:
        if node.op == "output":
            return self._end(node)
        result = super().run_node(node)
        if node in self._lasting or self._stays(node):
            self._staying.add(node)
            node.op, node.args, node.kwargs = "get_attr", (), {}
        if node.op == "get_attr":
            # under a name of its own, as a module's parameters and buffers take long to find
            node.target = self._keep(node.name, result)
        elif isinstance(node.target, OpOverload):
            own = function_of(node.target)
            if own is not None:
                # not tried: what one operation hands to another may have parts that nobody reads
                node.target = own
            else:
                self._replace(node, node.target, result)
        return result

    def _stays(self, node: fx.Node) -> bool:
        if node.op != "call_function" or not self._staying.issuperset(node.all_input_nodes):
            return False
        return not node.all_input_nodes or node.target is getitem or is_view(node.target)

    def _keep(self, name: str, value: Any) -> str:
        """Make a value an attribute of the module and return its name."""
        setattr(self.module, f"_kept_{name}", value)
        return f"_kept_{name}"

    def _replace(self, node: fx.Node, operation: OpOverload, result: Any) -> None:
        call = _quicker(operation)
        if call is None:
            return
        for args in self._arguments(node, operation):
            values = fx.node.map_arg((args, node.kwargs), self.env.__getitem__)
            if _gives(call, *values, result):
                node.target, node.args = call, args
                if isinstance(call, MethodDescriptorType):
                    node.op, node.target = "call_method", call.__name__
                return

    def _arguments(self, node: fx.Node, operation: OpOverload) -> Iterator[Any]:
        """Yield a call's arguments, first with a tensor for the number in `x * 0.1`."""
        args: Any = node.args
        names = [argument.name for argument in operation._schema.arguments]
        numeric = names[:2] == ["self", "other"] and isinstance(args[1], int | float)
        # of other types it would be another number: 0 for 0.5, and no trial need show it
        if numeric and self.env[args[0]].is_floating_point():
            x, number, *others = args
            exact = torch.tensor(number, dtype=torch.float64 if isinstance(number, float) else None)
            tensor = exact.to(self.env[x].dtype)
            with self.graph.inserting_before(node):
                name = self._keep(f"{node.name}_number", tensor)
                constant = self.graph.create_node("get_attr", name)
            self.env[constant] = tensor
            yield x, constant, *others
        yield args

    def _end(self, node: fx.Node) -> None:
        """Put results in the place of what lasts, all of which were there before the first is."""
        given: Any = node.args[0]
        results = list(given)
        with self.graph.inserting_before(node):
            for i, result in enumerate(results if self._lasting else ()):
                if result in self._staying:
                    results[i] = self.graph.call_method("clone", (result,))
            for i, place in enumerate(self._lasting):
                results[i] = self.graph.call_method("copy_", (place, results[i]))
        node.args = (results,)


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
