"""Dropout whose masks are a pure function of a key, equal on every engine.

Under ``torch.vmap`` PyTorch's dropout ignores generators, so a model trained for all clients at
once would drop other units than one trained client after client. Here a counter-based hash
draws the masks: of element i under key s, ``u_i = hash(i, s) / 2^32``, dropped if ``u_i < p``.
"""

import math

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

_MASK = 0xFFFFFFFF


def _mix(h: Tensor) -> Tensor:
    # "lowbias32" of C. Wellons' hash prospector; exact in int64, as only 32 bits are kept.
    h = h ^ (h >> 16)
    h = (h * 0x7FEB352D) & _MASK
    h = h ^ (h >> 15)
    h = (h * 0x846CA68B) & _MASK
    return h ^ (h >> 16)


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
    bits = _mix(_mix(_mix(counter & _MASK) ^ (key & _MASK)) ^ ((key >> 32) & _MASK))
    return (bits >= round(p * 2**32)).reshape(shape)


class KeyedDropout(nn.Module):
    """Drop-in for ``nn.Dropout``; ``key`` is given anew for every step by ``functional_call``."""

    key: Tensor

    def __init__(self, p: float, layer: int) -> None:
        super().__init__()
        self.p = p
        self.layer = layer
        self.calls = 0
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Drop and rescale by 1/(1-p) in training, pass through otherwise."""
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return torch.zeros_like(x)
        # Layers of one model, and calls of one layer, share a step's key; their masks must differ.
        place = torch.tensor([self.layer + 1, self.calls], device=x.device)
        self.calls += 1
        key = self.key ^ (_mix(_mix(place[0]) + place[1]) << 16)
        return x * keep_mask(key, tuple(x.shape), self.p) / (1 - self.p)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"p={self.p}"


def replace_dropout(module: nn.Module) -> list[str]:
    """Replace every ``nn.Dropout`` inside ``module``, in place.

    Returns:
        The names of the key buffers, for ``functional_call``.
    """
    found: dict[nn.Dropout, tuple[str, KeyedDropout]] = {}
    # One layer may stand in several places, and must go on being one.
    for name, child in list(module.named_modules(remove_duplicate=False)):
        if type(child) is nn.Dropout:
            found.setdefault(child, (name, KeyedDropout(child.p, len(found))))
            parent, _, attribute = name.rpartition(".")
            setattr(module.get_submodule(parent), attribute, found[child][1])
    return [f"{name}.key" for name, _ in found.values()]


def begin_step(module: nn.Module) -> None:
    """Count the calls of each dropout layer from 0, as every step must."""
    for child in module.modules():
        if isinstance(child, KeyedDropout):
            child.calls = 0


def restore_dropout(module: nn.Module) -> None:
    """Put ``nn.Dropout`` back, in place, for use outside a federation."""
    for name, child in list(module.named_modules(remove_duplicate=False)):
        if isinstance(child, KeyedDropout):
            parent, _, attribute = name.rpartition(".")
            setattr(module.get_submodule(parent), attribute, nn.Dropout(child.p))
