"""Durations between two bounds, or all the same."""

import math

import numpy as np
from jaxtyping import Float64

from fedqml.core.errors import require
from fedqml.federated.clock import Quantile


def uniform(least: float, most: float) -> Quantile:
    """Return the uniform distribution, ``least + (most - least) p``; of equal bounds, a constant.

    Args:
        least: seconds.
        most: seconds.

    Raises:
        InputError: unless ``0 <= least <= most``, both finite.

    Example:
        >>> uniform(1.0, 3.0)(np.array([0.25]))
        array([1.5])

    Source: Johnson, Kotz and Balakrishnan, "Continuous univariate distributions", vol. 2, ch. 26.
    """
    require(least >= 0, "least", least, "be at least 0")
    require(least <= most < math.inf, "most", most, f"be finite and at least `least`, {least}")

    def quantile(p: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        return least + (most - least) * p

    return quantile
