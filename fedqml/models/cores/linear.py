"""A dense layer in the circuit's place."""

from torch import nn


def linear(width: int, classes: int) -> nn.Module:
    """Return a dense layer from the head's outputs to the logits, ``(width + 1) classes`` weights.

    With the layer before it, it makes one linear map.

    Args:
        width: the numbers that it reads.
        classes: the logits that it gives.

    Example:
        >>> sum(p.numel() for p in linear(4, 2).parameters())
        10
    """
    return nn.Linear(width, classes)
