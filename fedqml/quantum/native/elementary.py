"""Sine, cosine and arctangent of many numbers, in float64 and as loops that LLVM vectorises.

Libm's functions take one number at a time. These take as many as a register holds, as they choose
between values and never between ways. A number's result depends neither on its place nor on its
neighbours, nor on libm's version: every operation is rounded as written, fused ones included.
"""

import math
from typing import no_type_check

from fedqml.quantum.native.compiler.lanes import bits, fused, series

# π/2 as the sum of three numbers; further out than _FAR they are too short
_QUARTERS = 2 / math.pi
_FIRST, _SECOND, _THIRD = 1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33
_FAR = 2.0**30
# added, it rounds to a whole number, which the last bits of the sum then are
_ROUND = 1.5 * 2.0**52

# FreeBSD's msun, k_sin.c and k_cos.c
_sine = series(
    -1.66666666666666324348e-01,
    8.33333333332248946124e-03,
    -1.98412698298579493134e-04,
    2.75573137070700676789e-06,
    -2.50507602534068634195e-08,
    1.58969099521155010221e-10,
)
_cosine = series(
    4.16666666666666019037e-02,
    -1.38888888888741095749e-03,
    2.48015872894767294178e-05,
    -2.75573143513906633035e-07,
    2.08757232129817482790e-09,
    -1.13596475577881948265e-11,
)
# ... and s_atan.c: the series, where it is used around 1/2, 1, 3/2 and ∞, and atan there as the
# sums of two numbers
_arc = series(
    3.33333333333329318027e-01,
    -1.99999999998764832476e-01,
    1.42857142725034663711e-01,
    -1.11111104054623557880e-01,
    9.09088713343650656196e-02,
    -7.69187620504482999495e-02,
    6.66107313738753120669e-02,
    -5.83357013379057348645e-02,
    4.97687799461593236017e-02,
    -3.65315727442169155270e-02,
    1.62858201153657823623e-02,
)
_HALF, _ONE, _MORE, _INFINITE = 7 / 16, 11 / 16, 19 / 16, 39 / 16
_AT_HALF = 4.63647609000806093515e-01, 2.26987774529616870924e-17
_AT_ONE = 7.85398163397448278999e-01, 3.06161699786838301793e-17
_AT_MORE = 9.82793723247329054082e-01, 1.39033110312309984516e-17
_AT_INFINITY = 1.57079632679489655800e00, 6.12323399573676603587e-17


@no_type_check
def _sine_cosine(angle):
    shifted = fused(angle, _QUARTERS, _ROUND)
    turns, quarter = shifted - _ROUND, bits(shifted)
    # exact, then rounded twice to what is left, however close to a multiple of π/2 the angle is
    r = fused(turns, -_THIRD, fused(turns, -_SECOND, fused(turns, -_FIRST, angle)))
    z = r * r
    s = fused(_sine(z) * z, r, r)
    half = 0.5 * z
    whole = 1.0 - half
    c = whole + fused(z * z, _cosine(z), (1.0 - whole) - half)
    if quarter & 1:
        s, c = c, s
    if quarter & 2:
        s = -s
    if (quarter + 1) & 2:
        c = -c
    return s, c


@no_type_check
def sines(angles, sine, cosine):
    """Compute sin and cos of the entries of a flat array, to 1.2 units in the last place.

    Args:
        angles: radians; any numbers, NaN for infinite ones.
        sine: receives the sines.
        cosine: receives the cosines.

    Source:
        Cody and Waite, Software manual for the elementary functions, 1980, chapter 8 (π/2 in
        parts); FreeBSD's msun (the polynomials).
    """
    far = 0
    for k in range(angles.size):
        far += not abs(angles[k]) < _FAR
        sine[k], cosine[k] = _sine_cosine(angles[k])
    if far > 0:
        for k in range(angles.size):
            if not abs(angles[k]) < _FAR:
                sine[k], cosine[k] = math.sin(angles[k]), math.cos(angles[k])


@no_type_check
def _arctan(number):
    x = abs(number)
    # atan x = atan c + atan (x - c)/(1 + c x), c = 0, 1/2, 1, 3/2 or ∞
    c, high, low = 0.0, 0.0, 0.0
    if x >= _HALF:
        c, (high, low) = 0.5, _AT_HALF
    if x >= _ONE:
        c, (high, low) = 1.0, _AT_ONE
    if x >= _MORE:
        c, (high, low) = 1.5, _AT_MORE
    above, below = x - c, fused(c, x, 1.0)
    if x >= _INFINITE:
        above, below = -1.0, x
        high, low = _AT_INFINITY
    t = above / below
    z = t * t
    found = high - (fused(t, _arc(z) * z, -low) - t)
    return -found if number < 0.0 else found


@no_type_check
def arctans(numbers):
    """Replace the entries of a flat array by their arctangents, to 1 unit in the last place.

    Args:
        numbers: any numbers; infinite ones give ±π/2.

    Source: FreeBSD's msun, s_atan.c.
    """
    for k in range(numbers.size):
        numbers[k] = _arctan(numbers[k])
