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


@angle_map("(π-{})", least=2, most=None, separator=")·(π-")
def complement_product(values: Float[Tensor, "*batch numbers"]) -> Float[Tensor, "*batch"]:
    """Multiply what is missing to π: θ = ∏_k (π - v_k).

    Args:
        values: two or more, radians; (*batch, numbers).

    Returns:
        (*batch,), radians.

    Example:
        >>> complement_product(torch.tensor([torch.pi - 0.5, torch.pi - 3.0])).round(decimals=4)
        tensor(1.5000)

    Source:
        Havlíček et al., Supervised learning with quantum-enhanced feature spaces,
        arXiv:1804.11326: φ of two variables.
    """
    return product(torch.pi - values)


@angle_map("β({})", least=2, most=None)
def block_angle(values: Float[Tensor, "*batch numbers"]) -> Float[Tensor, "*batch"]:
    """Say how a vector is shared between its two halves: θ = 2 atan2(‖second‖, ‖first‖).

    RY(θ) makes |0⟩ the state (‖first‖, ‖second‖)/‖v‖. The first half are as many numbers as the
    largest power of two below all; half of a single number counts with its sign instead of
    its absolute value. Of zeros alone it is 0, and so is its gradient.

    Args:
        values: two or more; (*batch, numbers).

    Returns:
        (*batch,), radians, between -2π and 2π.

    Example:
        >>> block_angle(torch.tensor([[1.0, -1.0], [0.0, 0.0]])).round(decimals=4)
        tensor([-1.5708,  0.0000])

    Source:
        Möttönen, Vartiainen, Bergholm and Salomaa, Transformation of quantum states using
        uniformly controlled rotations, arXiv:quant-ph/0407010: the angles of the turns about y.
    """
    # no multiple of the vector has another angle, and squares of this one are in range
    largest = values.detach().abs().amax(-1, keepdim=True)
    nothing = largest == 0
    unit = values / torch.where(nothing, torch.ones_like(largest), largest)
    half = 2 ** ((values.shape[-1] - 1).bit_length() - 1)
    first, second = _length(unit[..., :half]), _length(unit[..., half:])
    # zeros alone have no direction, hence no slope
    first = torch.where(nothing.squeeze(-1), torch.ones_like(first), first)
    return 2 * torch.atan2(second, first)


def _length(block: Tensor) -> Tensor:
    """Return the norm of a block, of zeros with the slope 0; a single number stays as it is."""
    if block.shape[-1] == 1:
        return block.squeeze(-1)
    squares = (block * block).sum(-1)
    nothing = squares == 0
    roots = torch.where(nothing, torch.ones_like(squares), squares).sqrt()
    return torch.where(nothing, torch.zeros_like(squares), roots)
