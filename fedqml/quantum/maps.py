"""Elementwise functions that turn a number of the model into an angle."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Map:
    """An elementwise function and how a drawing writes it.

    Args:
        apply: the function, of any shape and without a unit, to radians.
        label: its text in drawings, ``{}`` being the argument.
    """

    apply: Callable[[Tensor], Tensor]
    label: str


MAPS: dict[str, Map] = {}


def elementwise(label: str) -> Callable[[Callable[[Any], Tensor]], Callable[[Any], Tensor]]:
    """Enter a function in ``MAPS`` under its own name.

    Args:
        label: its text in drawings, ``{}`` being the argument.

    Returns:
        The decorator; it leaves the function as it is.

    Example:
        >>> MAPS["arctan_square"].label.format("x0")
        'atan x0²'
    """

    def register(function: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
        MAPS[function.__name__] = Map(function, label)
        return function

    return register


@elementwise("{}")
def identity(value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Take the number itself as the angle: θ = v.

    Args:
        value: any shape, radians.

    Returns:
        The same tensor.

    Example:
        >>> identity(torch.tensor([0.5]))
        tensor([0.5000])
    """
    return value


@elementwise("atan {}")
def arctan(value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Squash the number: θ = arctan v, between -π/2 and π/2.

    Args:
        value: any shape, no unit.

    Returns:
        The same shape, radians.

    Example:
        >>> arctan(torch.tensor([1.0]))
        tensor([0.7854])

    Source:
        Chen and Yoo, Federated Quantum Machine Learning, arXiv:2103.12010, Fig. 3.
    """
    return torch.atan(value)


@elementwise("atan {}²")
def arctan_square(value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Squash the square of the number: θ = arctan v², between 0 and π/2.

    Args:
        value: any shape, no unit.

    Returns:
        The same shape, radians.

    Example:
        >>> arctan_square(torch.tensor([-1.0]))
        tensor([0.7854])

    Source:
        Chen and Yoo, Federated Quantum Machine Learning, arXiv:2103.12010, Fig. 3.
    """
    return torch.atan(value**2)
