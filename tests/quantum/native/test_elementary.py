"""Sine, cosine and arctangent against numbers of 60 digits, near and far out."""

import math
from typing import no_type_check

import mpmath
import numpy as np
import pytest

pytest.importorskip("llvmlite")

from fedqml.quantum.native import elementary
from fedqml.quantum.native.compiler.arrays import array
from fedqml.quantum.native.compiler.kernel import kernel


@kernel
@no_type_check
def all_sines(like, size, angles, sine, cosine):
    given = array(angles, (size,), like.dtype)
    elementary.sines(given, array(sine, (size,), like.dtype), array(cosine, (size,), like.dtype))


@kernel
@no_type_check
def all_arctans(like, size, numbers):
    elementary.arctans(array(numbers, (size,), like.dtype))


def both(angles):
    sine, cosine = np.empty_like(angles), np.empty_like(angles)
    all_sines(angles)(angles.size, *(each.ctypes.data for each in (angles, sine, cosine)))
    return sine, cosine


def arctans(numbers):
    all_arctans(numbers)(numbers.size, numbers.ctypes.data)


def units(found, function, arguments):
    """Return the largest error in units in the last place."""
    with mpmath.workdps(60):
        exact = [function(mpmath.mpf(float(argument))) for argument in arguments]
        errors = [
            abs(mpmath.mpf(float(value)) - right) / math.ulp(float(right))
            for value, right in zip(found, exact, strict=True)
        ]
    return float(max(errors))


def angles():
    rng = np.random.default_rng(0)
    quarters = np.arange(-40, 41) * np.pi / 4
    # at 2^30 another way begins
    far = [1e5, 1e9, np.nextafter(2.0**30, 0), 2.0**30, 1e15, 1e300]
    return np.concatenate(
        [
            rng.uniform(-10, 10, 1000),
            rng.uniform(-1e9, 1e9, 300),
            10.0 ** rng.uniform(-300, 300, 100),
            *(quarters, np.nextafter(quarters, 99), np.nextafter(quarters, -99)),
            np.round(rng.uniform(-6e8, 6e8, 300)) * (np.pi / 2),
            *(far, [0.0, 5e-324, 1e-310, 1e-30]),
        ]
    )


def test_sines_and_cosines():
    given = angles()
    near = given[np.abs(given) < 2.0**30]
    sine, cosine = both(near)
    assert units(sine, mpmath.sin, near) < 1.25
    assert units(cosine, mpmath.cos, near) < 1.25


def test_far_out_they_are_those_of_the_platform():
    far = angles()[np.abs(angles()) >= 2.0**30]
    sine, cosine = both(far)
    assert sine.tolist() == list(map(math.sin, far))
    assert cosine.tolist() == list(map(math.cos, far))


def test_arctangents():
    rng = np.random.default_rng(0)
    ends = np.array([7, 11, 19, 39]) / 16  # of the ways to compute it
    given = np.concatenate(
        [
            rng.uniform(-4, 4, 1000),
            10.0 ** rng.uniform(-300, 300, 300),
            *(ends, -ends, np.nextafter(ends, 0), np.nextafter(ends, 9)),
            [0.0, 5e-324, 1e-310, 1e308],
        ]
    )
    found = given.copy()
    arctans(found)
    assert units(found, mpmath.atan, given) < 1


def test_what_is_not_finite():
    given = np.array([np.nan, np.inf, -np.inf, 1.0])
    sine, cosine = both(given)
    assert np.isnan(sine).tolist() == np.isnan(cosine).tolist() == [True, True, True, False]
    arctans(given)
    assert given.tolist()[1:] == [np.pi / 2, -np.pi / 2, np.pi / 4]
    assert np.isnan(given[0])


def test_neighbours_and_places_do_not_matter():
    given = angles()
    sine, cosine = both(given)
    for k in range(0, len(given), 7):
        alone = both(given[k : k + 1])
        assert (alone[0][0], alone[1][0]) == (sine[k], cosine[k])
    found = given.copy()
    arctans(found)
    for k in range(0, len(given), 7):
        alone = given[k : k + 1].copy()
        arctans(alone)
        assert alone[0] == found[k]
