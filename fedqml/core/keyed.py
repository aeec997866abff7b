"""Layers that draw random numbers from a key, given anew for every step."""

import torch
from torch import Tensor, nn

from fedqml.core.hashing import fold


class Keyed(nn.Module):
    """A layer with a buffer ``key``, which ``torch.func.functional_call`` replaces for every step.

    Outside of a federation nobody gives keys, and each call draws one from PyTorch's generator.

    Attributes:
        key: up to 63 bits; the same for all layers of a model.
        layer: the layer's number in its model; None outside of a federation.
        calls: how often it was called in this step.
    """

    key: Tensor
    layer: int | None

    def __init__(self) -> None:
        super().__init__()
        self.layer = None
        self.calls = 0
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    @property
    def random(self) -> bool:
        """Whether it draws anything."""
        return True

    def next_key(self) -> Tensor:
        """Return a key for this call: layers of a model, and calls of a layer, must differ."""
        if self.layer is None:
            # under vmap PyTorch refuses, or does what `randomness` says
            return torch.randint(2**62, (), device=self.key.device)
        place = torch.tensor([self.layer, self.calls], device=self.key.device)
        self.calls += 1
        return fold(fold(self.key, place[0]), place[1])


def number_layers(module: nn.Module) -> list[str]:
    """Number the layers that draw, in place.

    Returns:
        The names of their keys, for ``functional_call``.
    """
    found = [(n, child) for n, child in module.named_modules() if isinstance(child, Keyed)]
    for number, (_, child) in enumerate(found):
        child.layer = number  # whether others draw or not
    return [f"{name}.key" if name else "key" for name, child in found if child.random]


def forget_numbers(module: nn.Module) -> None:
    """Let all layers draw from PyTorch's generator again, in place."""
    for child in module.modules():
        if isinstance(child, Keyed):
            child.layer = None


def begin_step(module: nn.Module) -> None:
    """Count the calls of each layer from 0, as every step must."""
    for child in module.modules():
        if isinstance(child, Keyed):
            child.calls = 0
