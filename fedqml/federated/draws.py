"""Random rows, each client's from a stream of its own."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.updates import Context


def normal(
    rows: Float[Tensor, "k d"], clients: Int[Tensor, " k"], context: Context, name: str
) -> Float[Tensor, "k d"]:
    """Return standard normal numbers in the shape of rows.

    Args:
        rows: whose shape and type they have.
        clients: whose rows these are.
        context: of the round.
        name: the purpose, unique within the rule.
    """
    drawn = np.stack(
        [
            rng.standard_normal(rows.shape[1], dtype=np.float32)
            for rng in context.rngs(name, clients.tolist())
        ]
    )
    return torch.from_numpy(drawn).to(rows)


def uniform(
    rows: Float[Tensor, "k d"], clients: Int[Tensor, " k"], context: Context, name: str
) -> Float[Tensor, "k d"]:
    """Return numbers uniform in [0, 1), as ``normal`` does."""
    drawn = np.stack([rng.random(rows.shape[1]) for rng in context.rngs(name, clients.tolist())])
    return torch.from_numpy(drawn).to(rows)
