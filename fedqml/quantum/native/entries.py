"""Which entries of the rotation that a run makes of the Bloch sphere depend on its angles."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedqml.quantum.native.steps import Constant, Quaternion, Turn

Pattern = NDArray[np.int64]
"""(3, 3), and for each entry 0, 1 or -1 if it always is that, and ``VARIES`` if not."""
VARIES = 2


def pattern(parts: Sequence[Turn | Constant]) -> Pattern:
    """Return what is known of a run's rotation, R_ij = tr(σ_i U σ_j U†)/2, before its angles are.

    Args:
        parts: the run's turns, in the order of time.

    Returns:
        The pattern, with rows i and columns j of X, Y, Z.

    Example:
        >>> from fedqml.quantum.angle import Angle
        >>> pattern([Turn(0, 2, Angle.weight(0)), Turn(0, 1, Angle.weight(1))])
        array([[2, 2, 2],
               [2, 2, 0],
               [2, 2, 2]])
    """
    whole = np.eye(3, dtype=np.int64)
    for part in parts:
        own = _about(part.axis) if isinstance(part, Turn) else _fixed(part.quaternion)
        whole = _after(own, whole)
    return whole


def _about(axis: int) -> Pattern:
    found = np.full((3, 3), VARIES)
    found[axis] = found[:, axis] = 0
    found[axis, axis] = 1
    return found


def _fixed(quaternion: Quaternion) -> Pattern:
    a, *q = quaternion
    cross = np.cross(np.eye(3), q)  # cross @ v = q × v
    rotation = (a * a - np.dot(q, q)) * np.eye(3) + 2 * np.outer(q, q) + 2 * a * cross
    whole = np.rint(rotation)
    return np.where(np.abs(rotation - whole) < 1e-15, whole, VARIES).astype(np.int64)


def _after(later: Pattern, earlier: Pattern) -> Pattern:
    product = np.zeros((3, 3), dtype=np.int64)
    for i, j in itertools.product(range(3), repeat=2):
        terms = [(a, b) for a, b in zip(later[i], earlier[:, j], strict=True) if a and b]
        if terms:
            known = len(terms) == 1 and VARIES not in terms[0]
            product[i, j] = np.prod(terms) if known else VARIES
    return product
