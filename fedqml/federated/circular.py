"""The mean of angles, whose values a period apart are the same."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.federated.columns import columns


def circular(
    rows: Float[Tensor, "k a"],
    weight: Float[Tensor, " k"],
    periods: Float[Tensor, " a"],
    least_length: float,
) -> Float[Tensor, " a"]:
    """Return the weighted circular mean of each column, in float64.

    ``T / 2pi atan2(S, C)``, in (-T/2, T/2], of the mean vector ``(C, S) = sum_i w_i (cos, sin)(2pi
    x_i / T) / sum_i w_i``. Where its length R is below ``least_length`` the angles point in all
    directions and their mean in none: there it is the plain mean.

    Args:
        rows: x, radians.
        weight: w.
        periods: T, radians.
        least_length: from 0, where all directions cancel, to 1, where all are the same.

    Example:
        >>> across = torch.tensor([[3.0], [-3.0]])
        >>> circular(across, torch.ones(2), torch.tensor([2 * math.pi]), 0.1)
        tensor([3.1416], dtype=torch.float64)

    Source: Mardia and Jupp, Directional statistics, Wiley 2000, section 2.2.1.
    """
    share = weight.double() / weight.double().sum()
    result = rows.new_empty(rows.shape[1], dtype=torch.float64)
    for part in columns(rows.shape[1]):
        x, turn = rows[:, part].double(), 2 * math.pi / periods[part]
        c, s = share @ (turn * x).cos(), share @ (turn * x).sin()
        result[part] = torch.where(
            torch.hypot(c, s) < least_length, share @ x, torch.atan2(s, c) / turn
        )
    return result
