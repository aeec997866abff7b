"""The rotations that runs make of the Bloch sphere, and their entries: the leaves of a network."""

from typing import no_type_check

from fedqml.quantum.native.compiler.lanes import accumulate, load, splat, width


@no_type_check
def entry(matrices, run, row, column):
    """Return an entry of the rotation of a run.

    Args:
        matrices: every run's quaternion; the first entries of a table.
        run: which one.
        row: 0, 1, 2 for X, Y, Z behind the run.
        column: likewise in front of it.
    """
    lanes = width(matrices)
    start = 4 * run * lanes
    a = load(matrices, start)
    p = load(matrices, start + (row + 1) * lanes)
    if row == column:
        # |q|² = 1, so that this is 1 - 2 (the squares of the two other parts)
        q = load(matrices, start + ((row + 1) % 3 + 1) * lanes)
        r = load(matrices, start + ((row + 2) % 3 + 1) * lanes)
        return a * a + p * p - q * q - r * r
    q = load(matrices, start + (column + 1) * lanes)
    r = load(matrices, start + (4 - row - column) * lanes)
    half = p * q - a * r if (column - row) % 3 == 1 else p * q + a * r
    return half + half


@no_type_check
def turn(matrices, run, row, column, adjoint, slopes):
    """Add up what a small turn behind a run changes in an entry, d R_ij = (σ × R)_ij.

    Args:
        matrices: as for ``entry``; likewise the next three.
        run: likewise.
        row: likewise.
        column: likewise.
        adjoint: the derivative by the entry.
        slopes: the derivatives by turns about X, Y, Z behind each run.
    """
    lanes = width(matrices)
    u, v = (row + 1) % 3, (row + 2) % 3
    by_u = adjoint * entry(matrices, run, v, column)
    by_v = adjoint * entry(matrices, run, u, column)
    accumulate(slopes, (3 * run + u) * lanes, by_u)
    accumulate(slopes, (3 * run + v) * lanes, splat(matrices, 0.0) - by_v)
