"""Losses and metrics for each example; reduced once, with masks, where they are used."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def cross_entropy(
    logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return ``-log softmax(logits)[y]`` of each example, in nats.

    Example:
        >>> cross_entropy(torch.zeros(1, 2), torch.tensor([0]))
        tensor([0.6931])
    """
    return torch.nn.functional.cross_entropy(logits, y, reduction="none")


def accuracy(
    logits: Float[Tensor, "batch classes"], y: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return 1 where the largest logit is that of the right class, else 0.

    Example:
        >>> accuracy(torch.tensor([[0.1, 0.9]]), torch.tensor([1]))
        tensor([1.])
    """
    return (logits.argmax(-1) == y).to(logits.dtype)
