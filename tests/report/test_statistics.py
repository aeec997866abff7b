import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, ttest_rel

from fedqml.report.statistics import (
    holm,
    mcnemar,
    merged_p,
    paired_p,
    sampling_margin,
    slopes,
    spread,
    student,
    welch,
    wilson,
)

numbers = st.floats(-1e3, 1e3)
samples = st.lists(numbers, min_size=2, max_size=12).map(np.array)


def test_spread_by_hand() -> None:
    measured = spread(np.array([0.90, 0.92, 0.97]))
    assert measured.mean == pytest.approx(0.93, abs=1e-15)
    # deviations -.03, -.01, .04: sum of squares .0026, over n - 1 = 2
    assert measured.sd == pytest.approx(math.sqrt(0.0013), abs=1e-15)
    assert measured.seeds == 3


def test_one_seed_has_neither_deviation_nor_interval() -> None:
    assert spread(np.array([0.9])).sd is None
    assert student(np.array([0.9])).interval is None
    assert welch(np.array([0.9, 0.8]), np.array([0.7])).interval is None


def test_student_by_hand() -> None:
    # t(0.975, 2) = 4.302652729749464, as in every printed table
    estimate = student(np.array([-0.01, 0.00, 0.01]))
    half = 4.302652729749464 * 0.01 / math.sqrt(3)
    assert estimate.mean == pytest.approx(0, abs=1e-18)
    assert estimate.interval == pytest.approx((-half, half), rel=1e-12)


@given(samples)
def test_student_is_scipys_paired_interval(values: np.ndarray) -> None:
    if np.ptp(values) < 1e-6:
        return  # SciPy divides by the deviation
    theirs = scipy.stats.ttest_rel(values, np.zeros_like(values)).confidence_interval(0.95)
    assert student(values).interval == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-9)


@given(samples, samples)
def test_welch_is_scipys_interval(first: np.ndarray, second: np.ndarray) -> None:
    if min(np.ptp(first), np.ptp(second)) < 1e-3:
        return
    theirs = scipy.stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    ours = welch(first, second)
    assert ours.interval == pytest.approx((theirs.low, theirs.high), rel=1e-7, abs=1e-7)


def test_welch_of_arms_without_spread() -> None:
    assert welch(np.array([0.5, 0.5]), np.array([0.25, 0.25])).interval == (0.25, 0.25)


def test_a_missing_value_leaves_no_number() -> None:
    assert math.isnan(spread(np.array([0.9, np.nan])).mean)
    assert student(np.array([0.9, np.nan, 0.8])).interval is None


@given(st.lists(numbers, min_size=3, max_size=20))
def test_slopes_are_those_of_polyfit(values: list[float]) -> None:
    rounds = np.arange(len(values)) + 30.0
    expected = np.polyfit(rounds, values, 1)[0]
    measured = slopes(rounds, np.array([values, values]))
    assert measured == pytest.approx(np.array([expected, expected]), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("successes", "examples"), [(1873, 2000), (114, 114), (0, 50), (1974, 2000)]
)
def test_sampling_margin_is_scipys_wilson_interval(successes: int, examples: int) -> None:
    theirs = scipy.stats.binomtest(successes, examples).proportion_ci(0.95, method="wilson")
    margin = sampling_margin(successes / examples, examples)
    assert margin == pytest.approx((theirs.high - theirs.low) / 2, rel=1e-12)


def test_the_papers_margins() -> None:
    # 2,000 test images: half a point at 98.7 %, 1.1 points at 93.65 %
    assert round(100 * sampling_margin(0.987, 2000), 1) == 0.5
    assert round(100 * sampling_margin(0.9365, 2000), 1) == 1.1


@pytest.mark.parametrize("pairs", [2, 3, 10])
def test_the_paired_test_against_scipy(pairs: int) -> None:
    values = np.random.default_rng(pairs).standard_normal((2, pairs))
    assert paired_p(values[0] - values[1]) == pytest.approx(ttest_rel(*values).pvalue, rel=1e-9)


@pytest.mark.parametrize("values", [[], [1.0], [0.0, 0.0], [0.3, 0.3, 0.1 + 0.2], [1.0, np.nan]])
def test_no_test_without_a_spread(values: list[float]) -> None:
    assert (paired_p(np.array(values)) if values else None) is None


@pytest.mark.parametrize("counts", [(0, 1), (0, 5), (3, 3), (3, 4), (40, 12), (0, 900), (500, 400)])
def test_mcnemar_against_the_binomial_test(counts: tuple[int, int]) -> None:
    expected = binomtest(counts[0], sum(counts)).pvalue
    assert mcnemar(*counts) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(*counts[::-1]) == mcnemar(*counts)


def test_mcnemar_without_a_row_that_tells() -> None:
    assert mcnemar(0, 0) == 1.0


def test_holm_in_closed_form() -> None:
    # 4 * .01, 3 * .013 = .039 raised to .04, 2 * .02 = .04, .5
    assert holm([0.5, 0.01, 0.02, 0.013]) == pytest.approx([0.5, 0.04, 0.04, 0.04])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    assert holm([None, 0.01]) == [None, 0.01]


def test_merged_p_values() -> None:
    assert merged_p([0.2]) == 0.2
    assert merged_p([0.1, 0.3]) == pytest.approx(0.4)
    assert merged_p([0.9, 0.9]) == 1.0


@pytest.mark.parametrize(("right", "tests"), [(0, 10), (10, 10), (1868, 2000), (1, 3)])
def test_wilson_against_scipy(right: int, tests: int) -> None:
    expected = binomtest(right, tests).proportion_ci(method="wilson")
    assert wilson(right / tests, tests) == pytest.approx((expected.low, expected.high), abs=1e-12)
