"""Kernels are Python: what is compiled must do what Python and NumPy do."""

from typing import NamedTuple, no_type_check

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("llvmlite")

from fedqml.quantum.native.compiler.arrays import array
from fedqml.quantum.native.compiler.kernel import kernel

FACTOR, SIZE = 3, 24
PAIR = np.dtype([("one", np.int64), ("other", np.float64)])


class Two(NamedTuple):
    first: object
    second: object


@no_type_check
def of_integers(given, into):
    a, b = given[0], given[1]
    into[0], into[1] = a + b, a - b * FACTOR
    into[2], into[3] = a // 8, a % 8
    if b != 0:
        into[4], into[5] = a // b, a % b
    into[6], into[7], into[8] = a & 12, a | 5, a ^ b
    into[9], into[10] = a << 3, a >> 2
    into[11], into[12] = min(a, b), -a
    into[13] = a if a < b else b + 0.5
    into[14], into[15] = 0 <= a < b, a != b
    into[16] = (a > 0 and b > 0) or a == b
    into[17] = a / 4
    a += b
    into[18] = a
    into[19] = np.int64(a / 4) if b > 0 else (a > b)


@no_type_check
def of_floats(given, into):
    a, b = given[0], given[1]
    into[0], into[1], into[2] = a + b, a - 2 * b, a * b
    if b != 0:
        into[3] = a / b
    into[4], into[5], into[6] = a < b, a >= b, a == b
    into[7], into[8] = a != b, not abs(a) < 1.0
    into[9], into[10] = -a, 2.0**-3 * a
    a, b = b, a
    into[11], into[12] = a, b
    c, (d, e) = 0.5, (b, a)
    into[13] = c * d - e


@no_type_check
def _first_above(given, bound):
    for k in range(given.size):
        if given[k] > bound:
            return k, True
    return given.size, False


@no_type_check
def _halve(number):
    steps = 0
    while number > 1:
        number //= 2
        steps += 1
    return steps


@no_type_check
def _sum(pair, extra):
    return pair.first + pair.second + extra


@no_type_check
def of_ways(given, into):
    place, there = _first_above(given, 10)
    into[0], into[1] = place, there
    into[2] = _halve(given[0] & 1023)
    for k in range(given.size - 1, -1, -1):
        if given[k] < 0:
            continue
        into[3] += given[k]
        into[4] = k
    for k in range(0, given.size, 2):
        for other in range(k, min(k + 2, given.size)):
            into[5] += other * given[other]
    both = (given[0], given[1])
    into[6] = _sum(Two(*both), FACTOR)
    part = given[:2] if given[0] > given[1] else given[1:]
    into[7], into[8] = part.size, part[0]
    # beyond the end is never read
    into[9] = given.size > 99 and given[99] > 0
    last = given[0]
    for k in range(given.size):
        into[10] += last
        last = given[k]


def found(compiled, python, numbers, dtype=np.float64):
    """Return what both make of numbers."""
    results = np.zeros((2, SIZE), dtype)
    given = np.array(numbers)
    compiled(results)(given.ctypes.data, len(given), results.ctypes.data)
    with np.errstate(all="ignore"):
        python(given, results[1])
    return results


@kernel
@no_type_check
def integers(like, numbers, count, into):
    of_integers(array(numbers, (count,), np.int64), array(into, (SIZE,), like.dtype))


@kernel
@no_type_check
def floats(like, numbers, count, into):
    of_floats(array(numbers, (count,), np.float64), array(into, (SIZE,), like.dtype))


@kernel
@no_type_check
def singles(like, numbers, count, into):
    of_floats(array(numbers, (count,), np.float32), array(into, (SIZE,), like.dtype))


@kernel
@no_type_check
def ways(like, numbers, count, into):
    of_ways(array(numbers, (count,), np.int64), array(into, (SIZE,), like.dtype))


WHOLE = st.integers(-(2**30), 2**30)


@given(WHOLE, st.one_of(WHOLE, st.integers(-3, 3)))
@example(-7, 3)
@example(7, -3)
@example(-8, 0)
def test_integers(a, b):
    one, other = found(integers, of_integers, [a, b])
    assert one.tolist() == other.tolist()


@given(st.floats(), st.floats())
@example(float("nan"), 1.0)
@example(-0.0, 0.0)
def test_floats(a, b):
    one, other = found(floats, of_floats, [a, b])
    np.testing.assert_array_equal(one, other)


@given(st.floats(-1e6, 1e6, width=32), st.floats(-1e6, 1e6, width=32))
def test_single_precision_stays_single(a, b):
    # against a Python number NumPy keeps it, too, but for whole ones, which make it double here
    one, other = found(singles, of_floats, np.array([a, b], np.float32))
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6 * (abs(a) + abs(b)) + 1e-40)
    with np.errstate(over="ignore"):
        assert one[2] == np.float32(a) * np.float32(b)


@given(st.lists(WHOLE, min_size=2, max_size=9))
def test_ways(numbers):
    one, other = found(ways, of_ways, numbers)
    assert one.tolist() == other.tolist()


@kernel
@no_type_check
def layouts(like, records, rows, small, into):
    pairs, blocks = array(records, (rows,), PAIR), array(small, (rows, 2, 3), np.int32)
    plain = array(small, (6 * rows,), np.uint32)
    results = array(into, (rows, 6), like.dtype)
    for row in range(rows):
        own, block = results[row], blocks[row]
        own[0], own[1] = pairs[row].one, pairs[row].other
        own[2] = block[1, 2]
        inner = block[1]
        own[3], own[4] = inner[0], plain[6 * row]
        own[5] += block.size + block.shape[1]
        block[0, 1] = row - 1


def test_records_and_arrays_of_several_axes():
    rows = 3
    records = np.array([(-5, 0.5), (7, 1.5), (2**40, -2.5)], PAIR)
    small = np.arange(-9, 9, dtype=np.int32).reshape(rows, 2, 3)
    before = small.copy()
    into = np.zeros((rows, 6))
    layouts(into)(records.ctypes.data, rows, small.ctypes.data, into.ctypes.data)
    expected = [
        [one, other, block[1, 2], block[1, 0], int(block.view(np.uint32)[0, 0]), 6 + 3]
        for (one, other), block in zip(records.tolist(), before, strict=True)
    ]
    assert into.tolist() == expected
    before[:, 0, 1] = [-1, 0, 1]
    assert small.tolist() == before.tolist()
