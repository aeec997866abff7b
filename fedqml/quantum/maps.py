"""Functions that turn numbers of the model into an angle."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Map:
    """A function from one or several numbers to one, and how a drawing writes it.

    Args:
        function: the function; elementwise if it takes one number, else it takes the numbers along
            the last dimension, (*batch, numbers) -> (*batch,).
        label: its text in drawings, a ``{}`` for each argument; one for all, joined by
            ``separator``, if there may be any number of them.
        least: how many numbers it takes.
        most: how many it takes at most; None for any number.
        separator: see ``label``.
    """

    function: Callable[[Tensor], Tensor]
    label: str
    least: int
    most: int | None
    separator: str

    def apply(self, values: Float[Tensor, "*batch numbers"]) -> Float[Tensor, "*batch"]:
        """Return the function of the numbers along the last dimension.

        Args:
            values: (*batch, numbers).

        Returns:
            (*batch,).

        Example:
            >>> MAPS["product"].apply(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
            tensor([ 2., 12.])
        """
        return self.function(values.squeeze(-1) if self.most == 1 else values)

    def text(self, names: Sequence[str]) -> str:
        """Return how a drawing writes the function of numbers with these names.

        Args:
            names: of the numbers.

        Returns:
            The text.

        Example:
            >>> MAPS["product"].text(["x0", "w3"])
            'x0·w3'
        """
        if self.label.count("{}") == len(names):
            return self.label.format(*names)
        return self.label.format(self.separator.join(names))


MAPS: dict[str, Map] = {}


def angle_map(
    label: str, least: int = 1, most: int | None = 1, separator: str = ", "
) -> Callable[[Callable[[Any], Tensor]], Callable[[Any], Tensor]]:
    """Enter a function in ``MAPS`` under its own name.

    Args:
        label: its text in drawings, see ``Map``.
        least: how many numbers it takes.
        most: how many it takes at most; None for any number.
        separator: between the names of a varying number of arguments.

    Returns:
        The decorator; it leaves the function as it is.

    Example:
        >>> MAPS["arctan_square"].text(["x0"])
        'atan x0²'
    """

    def register(function: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
        MAPS[function.__name__] = Map(function, label, least, most, separator)
        return function

    return register


@angle_map("{}")
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


@angle_map("atan {}")
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


@angle_map("atan {}²")
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


@angle_map("{}", least=2, most=None, separator="·")
def product(values: Float[Tensor, "*batch numbers"]) -> Float[Tensor, "*batch"]:
    """Multiply: θ = ∏_k v_k, such as a weight times an input.

    Args:
        values: two or more; (*batch, numbers).

    Returns:
        (*batch,), radians.

    Example:
        >>> product(torch.tensor([0.5, 3.0]))
        tensor(1.5000)
    """
    # the gradient of torch.prod is rounded otherwise under vmap
    return functools.reduce(torch.mul, values.unbind(-1))
