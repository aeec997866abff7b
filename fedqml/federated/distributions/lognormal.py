"""Durations that differ by factors, as the speeds of machines do."""

import math

import numpy as np
import torch
from jaxtyping import Float64

from fedqml.core.errors import require
from fedqml.federated.clock import Quantile


def lognormal(median: float, sigma: float) -> Quantile:
    """Return the lognormal distribution, ``median exp(sigma z(p))`` with z the normal's quantiles.

    Args:
        median: seconds, positive.
        sigma: the standard deviation of the logarithm; with 1, two of three clients lie within a
            factor of 2.7 of the median.

    Raises:
        InputError: if a value is out of range.

    Example:
        >>> lognormal(2.0, sigma=1.0)(np.array([0.5, 0.841344746])).round(3)
        array([2.   , 5.437])

    Source: Johnson, Kotz and Balakrishnan, "Continuous univariate distributions", vol. 1, ch. 14.
    """
    require(0 < median < math.inf, "median", median, "be positive and finite")
    require(0 <= sigma < math.inf, "sigma", sigma, "be finite and at least 0")

    def quantile(p: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        return median * np.exp(sigma * torch.special.ndtri(torch.from_numpy(p)).numpy())

    return quantile
