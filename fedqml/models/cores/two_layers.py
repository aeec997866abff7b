"""A small classical network with as many weights as the paper's circuit, in its place."""

from torch import nn


def two_layers(width: int, classes: int) -> nn.Module:
    """Return ``W2 tanh(W1 x)`` without biases: ``width (width + classes)`` weights.

    At a width of 4 and two classes these are 24, as many as the paper's circuit has, and it is not
    linear, as a circuit is not.

    Args:
        width: the numbers that it reads, and the hidden ones.
        classes: the logits that it gives.

    Example:
        >>> sum(p.numel() for p in two_layers(4, 2).parameters())
        24
    """
    first, last = nn.Linear(width, width, bias=False), nn.Linear(width, classes, bias=False)
    return nn.Sequential(first, nn.Tanh(), last)
