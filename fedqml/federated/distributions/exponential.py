"""Durations that mostly are short, and at times long."""

import math

import numpy as np
from jaxtyping import Float64

from fedqml.core.errors import require
from fedqml.federated.clock import Quantile


def exponential(mean: float, least: float = 0.0) -> Quantile:
    """Return the shifted exponential distribution, ``least - mean log(1 - p)``.

    Args:
        mean: of what is above the least, seconds.
        least: seconds.

    Raises:
        InputError: if a value is negative or not finite.

    Example:
        >>> exponential(2.0, least=1.0)(np.array([0.5])).round(3)
        array([2.386])

    Source: Lee et al., arXiv:1512.02673, section IV (the run times of stragglers).
    """
    for name, value in (("mean", mean), ("least", least)):
        require(0 <= value < math.inf, name, value, "be finite and at least 0")

    def quantile(p: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        return least - mean * np.log1p(-p)

    return quantile
