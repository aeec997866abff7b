"""A model's trainable weights as one flat vector."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fedqml.core.errors import InputError, require


@dataclass(frozen=True)
class Packing:
    """The order and the shapes in which named tensors lie in one vector.

    Attributes:
        shapes: name and shape of each tensor, in the order in which they are packed.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def size(self) -> int:
        """The length d of the vector."""
        return sum(math.prod(shape) for _, shape in self.shapes)

    @property
    def slices(self) -> dict[str, slice]:
        """Where each tensor lies in the vector."""
        found, start = {}, 0
        for name, shape in self.shapes:
            found[name] = slice(start, start + math.prod(shape))
            start += math.prod(shape)
        return found

    def pack(self, tensors: Mapping[str, Tensor]) -> Float[Tensor, " d"]:
        """Return the named tensors as one vector.

        Raises:
            InputError: if a name is missing or a shape differs.
        """
        for name, shape in self.shapes:
            if name not in tensors:
                raise InputError(f"There is no tensor `{name}` among {sorted(tensors)}.")
            given = tuple(tensors[name].shape)
            require(given == shape, name, given, f"have the shape {shape}")
        return torch.cat([tensors[name].reshape(-1) for name, _ in self.shapes])

    def unpack(self, vector: Float[Tensor, " d"]) -> dict[str, Tensor]:
        """Return the named tensors as views of the vector.

        Raises:
            InputError: if the vector's length is not ``size``.
        """
        if vector.shape[-1] != self.size:
            raise InputError(
                f"A weight vector for this model must have {self.size} entries, "
                f"but it has {vector.shape[-1]}."
            )
        pieces = vector.split([math.prod(shape) for _, shape in self.shapes])
        return {
            name: piece.view(shape)
            for (name, shape), piece in zip(self.shapes, pieces, strict=True)
        }


def packing(parameters: Iterable[tuple[str, nn.Parameter]]) -> Packing:
    """Return the packing of a module's trainable parameters; frozen ones stay out.

    Args:
        parameters: ``module.named_parameters()``.

    Raises:
        InputError: if nothing can be trained.

    Example:
        >>> p = packing(torch.nn.Linear(3, 2).named_parameters())
        >>> p.size, p.slices["bias"]
        (8, slice(6, 8, None))
    """
    shapes = tuple((name, tuple(p.shape)) for name, p in parameters if p.requires_grad)
    if not shapes:
        raise InputError("The model has no trainable parameter.")
    return Packing(shapes)
