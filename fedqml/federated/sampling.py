"""Who takes part in a round."""

import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.random import shuffled, stream


def sample(clients: int, cohort: int, seed: int, round: int) -> Int[Tensor, " cohort"]:
    """Draw a round's cohort uniformly, without replacement, in rising order.

    Args:
        clients: how many there are.
        cohort: how many take part.
        seed: the run's seed.
        round: the round's number.

    Example:
        >>> sample(4, 4, seed=0, round=1)
        tensor([0, 1, 2, 3])

    Source: Chen and Yoo, arXiv:2103.12010, section V; McMahan et al., arXiv:1602.05629.
    """
    order = shuffled(clients, stream(seed, "cohort", round))
    return torch.from_numpy(order[:cohort]).sort().values
