"""Noise in the clients' features."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from scipy.special import ndtri
from torch import Tensor

from fedqml.core.random import streams, uniform


def with_noise(
    x: Float[Tensor, "rows *features"],
    clients: Sequence[Int[Tensor, " _"]],
    deviations: Sequence[float],
    seed: int,
) -> Float[Tensor, "rows *features"]:
    """Return the features with Gaussian noise, in memory of their own.

    Args:
        x: the features.
        clients: each client's rows.
        deviations: the standard deviation of each client's noise, in units of the features.
        seed: decides the noise, of each client for itself.

    Example:
        >>> clients = torch.tensor([0, 2]), torch.tensor([1, 3])
        >>> with_noise(torch.zeros(4, 1), clients, [0.0, 1.0], seed=0).ravel() != 0
        tensor([False,  True, False,  True])
    """
    noisy = x.clone()
    draws = streams(seed, "feature noise", last=range(len(clients)))
    for rows, deviation, rng in zip(clients, deviations, draws, strict=True):
        normal = torch.from_numpy(ndtri(uniform(x[rows].numel(), rng)))
        noisy[rows] += (deviation * normal).to(x.dtype).reshape(x[rows].shape)
    return noisy
