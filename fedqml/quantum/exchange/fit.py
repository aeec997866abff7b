"""Finding out which angle of inputs and weights a function is, from its values alone."""

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement

import numpy as np
import torch
from numpy.typing import NDArray

from fedqml.quantum.angle import Angle, Term
from fedqml.quantum.maps import MAPS

Array = NDArray[np.float64]

SINGLE = [name for name, m in MAPS.items() if m.most == 1 and name != "identity"]
"""The maps of one number that angles are searched for."""

# points beyond the number of unknowns, which only the right terms can fit, too
_SPARE = 5
# points at least, of which some are far out
_LEAST = 24
# unknowns, beyond which it becomes slow
_MOST = 600
_TOLERANCE = 1e-12
# far out, where products of four numbers multiply what the coefficients lack
_LOOSE = 1e-8


def fit(
    values: Callable[[int], Array],
    points: Callable[[int], Array],
    support: Sequence[int],
    n_inputs: int,
) -> Angle | None:
    """Return the angle that a function of inputs and weights is.

    Tries sums of more and more kinds of terms: linear ones, those with a map of one number, then
    products of two, three and four numbers. The coefficients are those of least squares. Terms
    without influence are dropped, and coefficients that are simple fractions, or such multiples
    of π, to 12 digits, become just these.

    Args:
        values: of the function at the first so many points; count -> (count,).
        points: the points, inputs before weights, several of them far out; count -> (count, m).
        support: the coordinates that the function may depend on.
        n_inputs: how many coordinates are inputs.

    Returns:
        The angle; None if no sum of the known terms fits.

    Example:
        >>> table = np.random.default_rng(0).uniform(-1, 1, (20, 3))
        >>> theta = 0.5 * np.arctan(table[:, 0]) - np.pi * table[:, 2]
        >>> str(fit(lambda n: theta[:n], lambda n: table[:n], [0, 2], n_inputs=1))
        '-π·w1+0.5·atan x0'
    """
    for terms in _families(support, n_inputs):
        if len(terms) >= _MOST:
            return None
        count = max(len(terms) + 1 + _SPARE, _LEAST)
        angle = _solve(terms, values(count), points(count), n_inputs)
        if angle is not None:
            return angle
    return None


def holds(angle: Angle, values: Array, points: Array, n_inputs: int) -> bool:
    """Return whether a function has an angle's values, also far out, where rounding is larger.

    Args:
        angle: what was found near 0.
        values: of the function; (count,). Where it has none, it may be anything.
        points: inputs before weights; (count, m).
        n_inputs: how many coordinates are inputs.

    Returns:
        Whether they agree, to 8 digits of the largest term.

    Example:
        >>> far = np.array([[50.0], [-100.0]])
        >>> holds(Angle.input(0), far[:, 0], far, 1), holds(Angle.input(0), far[:, 0] % 70, far, 1)
        (True, False)
    """
    terms = [term.scale * _column(term, points, n_inputs) for term in angle.terms]
    parts = np.stack([*terms, np.full(len(values), angle.offset)])
    known = np.isfinite(values)
    allowed = _LOOSE * (1 + np.abs(parts).sum(0))
    return bool((np.abs(parts.sum(0) - values) <= allowed)[known].all())


def _families(support: Sequence[int], n_inputs: int) -> Iterator[list[Term]]:
    """Return longer and longer lists of terms, each with those of the list before."""

    def term(name: str, coordinates: Sequence[int]) -> Term:
        inputs = tuple(c for c in coordinates if c < n_inputs)
        weights = tuple(c - n_inputs for c in coordinates if c >= n_inputs)
        return Term(inputs, weights, name)

    terms = [term("identity", [c]) for c in support]
    yield terms
    if not support:
        return
    terms = terms + [term(name, [c]) for name in SINGLE for c in support]
    yield terms
    for degree in (2, 3, 4):
        products = combinations_with_replacement(support, degree)
        terms = terms + [term("product", chosen) for chosen in products]
        yield terms


def _solve(terms: list[Term], values: Array, points: Array, n_inputs: int) -> Angle | None:
    known = np.isfinite(values)  # far out, functions such as the arcsine have no value
    points, values = points[known], values[known]
    columns = [_column(term, points, n_inputs) for term in terms]
    terms = [term for term, column in zip(terms, columns, strict=True) if np.isfinite(column).all()]
    columns = [column for column in columns if np.isfinite(column).all()]
    if len(values) < len(columns) + 3:
        return None
    table = np.column_stack([*columns, np.ones(len(values))])
    coefficients = np.linalg.lstsq(table, values, rcond=None)[0]
    # a first solution tells the terms, a second one of these alone the last digits
    kept = np.abs(coefficients) > 1e-9 * max(1.0, np.abs(coefficients).max())
    coefficients = np.zeros_like(coefficients)
    coefficients[kept] = np.linalg.lstsq(table[:, kept], values, rcond=None)[0]
    coefficients = np.array([_simple(c) for c in coefficients.tolist()])
    if (np.abs(table @ coefficients - values) > _TOLERANCE * (1 + np.abs(values))).any():
        return None
    *scales, offset = coefficients.tolist()
    found = [
        Term(t.inputs, t.weights, t.map, scale)
        for t, scale in zip(terms, scales, strict=True)
        if scale != 0
    ]
    return Angle(tuple(found), offset)


def _column(term: Term, points: Array, n_inputs: int) -> Array:
    chosen = [*term.inputs, *(n_inputs + j for j in term.weights)]
    column: Array = MAPS[term.map].apply(torch.tensor(points[:, chosen])).numpy()
    return column


def _simple(value: float) -> float:
    """Return the simplest number near: with few decimals, or a fraction, or one of π."""
    near = [round(value, 10) + 0.0]
    near += [float(Fraction(value / unit).limit_denominator(64)) * unit for unit in (1.0, math.pi)]
    close = [number for number in near if abs(number - value) <= _TOLERANCE * max(1, abs(value))]
    return close[0] if close else value
