"""What a partition is: a rule that says which client holds which rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Shares:
    """The rows of each client, as a partition returns them.

    Attributes:
        rows: a tensor of row indices for each client; ``Data.split`` checks that every row is
            in exactly one of them.
        names: a name for each client, or ``None`` for a client without one; nothing at all
            if no client has a name.
        noise: standard deviation of the noise to add to each client's features, in their units;
            nothing at all if no client's are noisy.
    """

    rows: tuple[Int[Tensor, " _"], ...]
    names: tuple[str | None, ...] = ()
    noise: tuple[float, ...] = ()


Partition = Callable[[Int[Tensor, " rows"], tuple[str, ...] | None, np.random.Generator], Shares]
"""From labels ``(rows,)``, the rows' owners (if known) and a random stream to the shares."""
