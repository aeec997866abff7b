"""Means, spreads and intervals over seeds, from closed forms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import bdtr, stdtr, stdtrit

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


def paired_p(differences: Float[np.ndarray, " pairs"]) -> float | None:
    """Return the two-sided p-value of Student's paired test that the mean difference is 0.

    ``t = mean / (sd / sqrt(n))`` on ``n - 1`` degrees of freedom.

    Args:
        differences: one number a pair.

    Returns:
        The p-value; None for fewer than two pairs, for a NaN, and for differences without a
        spread, of which the test would make certainty.

    Example:
        >>> round(paired_p(np.array([1.0, 2.0, 3.0])), 4)
        0.0742

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    estimate = student(differences)
    if estimate.interval is None or estimate.flat:
        return None
    measured = spread(differences)
    error = (measured.sd or 0.0) / math.sqrt(len(differences))
    return float(2 * stdtr(len(differences) - 1, -abs(measured.mean) / error))


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for their number by Holm's step-down method.

    In ascending order ``max_{j <= i} min(1, (m - j + 1) p_j)``: whoever rejects those below
    0.05 errs with one or more of them with probability at most 0.05, however they depend.

    Args:
        ps: p-values; a None was no test, stays None and does not count.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
    of Statistics 6 (1979).
    """
    tested = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    largest = 0.0
    for step, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - step) * p))
        adjusted[place] = largest
    return adjusted


def mcnemar(first: int, second: int) -> float:
    """Return the two-sided p-value of McNemar's exact test.

    ``min(1, 2 P(X <= min(b, c)))`` with ``X`` binomial of ``b + c`` fair coins.

    Args:
        first: examples that only the first of two models gets right, ``b``.
        second: examples that only the second gets right, ``c``.

    Returns:
        The p-value; 1 where no example tells the models apart.

    Example:
        >>> mcnemar(0, 5), mcnemar(4, 4)
        (0.0625, 1.0)

    Source: McNemar, "Note on the sampling error of the difference between correlated
    proportions", Psychometrika 12 (1947).
    """
    if first + second == 0:
        return 1.0
    return min(1.0, 2 * float(bdtr(min(first, second), first + second, 0.5)))


def merged_p(ps: Sequence[float]) -> float:
    """Return one p-value for several of the same hypothesis, however they depend on each other.

    ``min(1, 2 mean(p))``; a single one stays as it is.

    Args:
        ps: at least one p-value.

    Example:
        >>> merged_p([0.01, 0.03]), merged_p([0.03])
        (0.04, 0.03)

    Source: Vovk and Wang, "Combining p-values via averaging", Biometrika 107 (2020).
    """
    return min(1.0, 2 * float(np.mean(ps))) if len(ps) > 1 else ps[0]


def wilson(proportion: float, examples: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion.

    ``(p + z^2 / 2n) / (1 + z^2 / n) +- sampling_margin``

    Args:
        proportion: an accuracy between 0 and 1.
        examples: how many test examples it was measured on.

    Example:
        >>> low, high = wilson(0.987, 2000)
        >>> round(low, 4), round(high, 4)
        (0.981, 0.9911)

    Source: as for ``sampling_margin``.
    """
    z = _NORMAL_QUANTILE
    centre = (proportion + z**2 / (2 * examples)) / (1 + z**2 / examples)
    margin = sampling_margin(proportion, examples)
    return centre - margin, centre + margin


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
