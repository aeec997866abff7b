"""A random order that stays the same for good."""

import numpy as np
from jaxtyping import Int


def shuffled(n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Return the numbers from 0 to ``n - 1`` in random order.

    The order sorts 64 raw random bits for each number. NumPy promises the raw bits of a Philox
    generator for ever, but not what ``Generator.permutation`` makes of them: with it, which
    rows are held out would depend on NumPy's version.

    Args:
        n: how many numbers.
        rng: the random stream.

    Example:
        >>> from fedqml.core.random import stream
        >>> shuffled(5, stream(0, "example"))
        array([2, 3, 1, 0, 4])
    """
    return np.argsort(rng.bit_generator.random_raw(n), kind="stable")
