"""Dropout whose masks are a pure function of a key, equal on every engine.

Of element i under key s it draws ``u_i = hash(i, s) / 2^32``, dropped if ``u_i < p``.
"""

import math

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from fedqml.core.hashing import bits
from fedqml.core.keyed import Keyed


def keep_mask(key: Int[Tensor, ""], shape: tuple[int, ...], p: float) -> Bool[Tensor, "..."]:
    """Return which elements stay: each independently with probability ``1 - p``.

    Args:
        key: up to 63 bits; may be a batched scalar under ``vmap``.
        shape: the shape of the mask. Element i is counted in row-major order, so the rows of a
            shorter batch get the masks that they have in a longer one.
        p: the probability of being dropped.

    Example:
        >>> share = keep_mask(torch.tensor(7), (10000,), 0.25).double().mean()
        >>> bool(abs(share - 0.75) < 0.01)
        True
    """
    counter = torch.arange(math.prod(shape), device=key.device)
    return (bits(key, counter) >= round(p * 2**32)).reshape(shape)


class KeyedDropout(Keyed):
    """Drop-in for ``nn.Dropout``."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.layer = 0

    def forward(self, x: Tensor) -> Tensor:
        """Drop and rescale by 1/(1-p) in training, pass through otherwise."""
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        return x * keep_mask(self.next_key(), tuple(x.shape), self.p) / (1 - self.p)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"


def replace_dropout(module: nn.Module) -> None:
    """Replace every ``nn.Dropout`` inside ``module``, in place."""
    found: dict[nn.Dropout, KeyedDropout] = {}
    # One layer may stand in several places, and must go on being one.
    for name, child in list(module.named_modules(remove_duplicate=False)):
        if type(child) is nn.Dropout:
            found.setdefault(child, KeyedDropout(child.p))
            parent, _, attribute = name.rpartition(".")
            setattr(module.get_submodule(parent), attribute, found[child])


def restore_dropout(module: nn.Module) -> None:
    """Put ``nn.Dropout`` back, in place, for use outside a federation."""
    for name, child in list(module.named_modules(remove_duplicate=False)):
        if isinstance(child, KeyedDropout):
            parent, _, attribute = name.rpartition(".")
            setattr(module.get_submodule(parent), attribute, nn.Dropout(child.p))
