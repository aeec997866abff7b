"""Means, spreads and intervals over seeds, from closed forms."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtrit

CONFIDENCE = 0.95
_NORMAL_QUANTILE = 1.959963984540054
_FLAT = 1e-9


@dataclass(frozen=True)
class Spread:
    """A mean over seeds and its sample standard deviation, None for a single seed."""

    mean: float
    sd: float | None
    seeds: int


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % confidence interval, None where the seeds are too few for one."""

    mean: float
    interval: tuple[float, float] | None

    @property
    def flat(self) -> bool:
        """Return whether the interval has no width, as if equal seeds proved anything.

        Example:
            >>> Estimate(0.5, (0.5, 0.5)).flat, Estimate(0.5, (0.4, 0.6)).flat
            (True, False)
        """
        return self.interval is not None and self.interval[1] - self.interval[0] < _FLAT


def spread(values: Float[np.ndarray, " seeds"]) -> Spread:
    r"""Return the mean and the sample standard deviation.

    ``sd = sqrt(sum_i (x_i - mean)^2 / (n - 1))``

    Args:
        values: one number a seed; a NaN makes mean and deviation NaN.

    Returns:
        The spread; a single seed has no deviation.

    Example:
        >>> spread(np.array([1.0, 2.0, 3.0]))
        Spread(mean=2.0, sd=1.0, seeds=3)
    """
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), sd, len(values))


def student(values: Float[np.ndarray, " seeds"]) -> Estimate:
    """Return the mean with Student's interval, ``mean +- t(n - 1) sd / sqrt(n)``.

    Given the differences of two arms seed by seed, this is the paired interval.

    Args:
        values: one number a seed.

    Returns:
        The estimate; a single seed has no interval.

    Example:
        >>> low, high = student(np.array([1.0, 2.0, 3.0])).interval
        >>> round(low, 4), round(high, 4)
        (-0.4841, 4.4841)

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    measured = spread(values)
    if measured.sd is None:
        return Estimate(measured.mean, None)
    return _estimate(measured.mean, measured.sd / math.sqrt(len(values)), len(values) - 1)


def welch(first: Float[np.ndarray, " m"], second: Float[np.ndarray, " n"]) -> Estimate:
    """Return the difference of two means with Welch's interval, for arms without common seeds.

    ``mean_1 - mean_2 +- t(v) sqrt(a + b)`` with ``a = sd_1^2 / m``, ``b = sd_2^2 / n`` and
    ``v = (a + b)^2 / (a^2 / (m - 1) + b^2 / (n - 1))``

    Args:
        first: one number a seed.
        second: one number a seed, of other seeds.

    Returns:
        The estimate of ``mean(first) - mean(second)``; without an interval if either has a
        single seed.

    Example:
        >>> welch(np.array([3.0, 5.0]), np.array([1.0])).mean
        3.0

    Source: Welch, "The generalization of Student's problem when several different population
    variances are involved", Biometrika 34 (1947).
    """
    mean = float(np.mean(first) - np.mean(second))
    if min(len(first), len(second)) < 2:
        return Estimate(mean, None)
    a = float(np.var(first, ddof=1)) / len(first)
    b = float(np.var(second, ddof=1)) / len(second)
    if a + b == 0:
        return Estimate(mean, (mean, mean))
    freedom = (a + b) ** 2 / (a**2 / (len(first) - 1) + b**2 / (len(second) - 1))
    return _estimate(mean, math.sqrt(a + b), freedom)


def slopes(
    rounds: Float[np.ndarray, " rounds"], values: Float[np.ndarray, "seeds rounds"]
) -> Float[np.ndarray, " seeds"]:
    """Return the least-squares slope of each seed's values against the round.

    Args:
        rounds: at least two different rounds.
        values: what was measured at them.

    Returns:
        The change per round of each seed.

    Example:
        >>> slopes(np.array([8.0, 9.0, 10.0]), np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]))
        array([1., 0.])
    """
    centred = rounds - rounds.mean()
    return values @ centred / (centred @ centred)


def sampling_margin(proportion: float, examples: int) -> float:
    """Return half the width of Wilson's 95 % interval of a proportion.

    ``z / (1 + z^2 / n) sqrt(p (1 - p) / n + z^2 / 4 n^2)``

    Args:
        proportion: an accuracy between 0 and 1.
        examples: how many test examples it was measured on.

    Returns:
        The margin, as a proportion.

    Example:
        >>> round(sampling_margin(0.9365, 2000), 4)
        0.0107

    Source: Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927).
    """
    z = _NORMAL_QUANTILE
    variance = proportion * (1 - proportion) / examples + z**2 / (4 * examples**2)
    return z / (1 + z**2 / examples) * math.sqrt(variance)


def _estimate(mean: float, error: float, freedom: int | float) -> Estimate:
    if not math.isfinite(error):
        return Estimate(mean, None)
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    return Estimate(mean, (mean - half, mean + half))
