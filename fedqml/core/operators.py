"""Functions outside PyTorch that a trace of PyTorch's operations shall hold as one operation."""

from collections.abc import Callable
from typing import Any

import torch
from torch._ops import OpOverload

_library = torch.library.Library("fedqml", "DEF")
_functions: dict[OpOverload, Callable[..., Any]] = {}


def operator(
    schema: str, function: Callable[..., Any], shapes: Callable[..., Any]
) -> Callable[..., Any]:
    """Make a function an operation of PyTorch, for use while a trace is taken.

    A trace runs on tensors without values. A function that hands them to other libraries must
    stand in it as one operation.

    Args:
        schema: name, arguments and results in PyTorch's notation.
        function: what computes; it changes none of its arguments.
        shapes: from the same arguments to empty tensors such as ``function`` returns.

    Returns:
        The operation.

    Example:
        >>> twice = operator(
        ...     "example_twice(Tensor x) -> Tensor", lambda x: torch.from_numpy(2 * x.numpy()),
        ...     torch.empty_like)
        >>> twice(torch.ones(2))
        tensor([2., 2.])
    """
    name = _library.define(schema)
    _library.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"fedqml::{name}", shapes, lib=_library)
    made: OpOverload = getattr(torch.ops.fedqml, name).default
    _functions[made] = function
    return made


def function_of(target: object) -> Callable[..., Any] | None:
    """Return the function behind an operation made by ``operator``, which is quicker to call.

    Example:
        >>> function_of(torch.ops.aten.add.Tensor) is None
        True
    """
    return _functions.get(target) if isinstance(target, OpOverload) else None
