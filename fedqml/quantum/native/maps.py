"""Functions of inputs and weights, and their slopes, compiled and in float64."""

import math
from typing import no_type_check

import numpy as np

from fedqml.quantum.native.columns import ARCTAN, ARCTAN_SQUARE
from fedqml.quantum.native.compiled import inlined


@inlined
@no_type_check
def read(columns, column, x, w):
    """Return a column's number.

    Args:
        columns: the tables.
        column: which one.
        x: inputs of an example; (inputs,).
        w: its client's weights; (weights,).
    """
    value = 1.0
    for k in range(columns.cuts[column], columns.cuts[column + 1]):
        value *= x[columns.place[k]] if columns.from_input[k] else w[columns.place[k]]
    if columns.code[column] == ARCTAN:
        return math.atan(value)
    if columns.code[column] == ARCTAN_SQUARE:
        return math.atan(value * value)
    return value


@inlined
@no_type_check
def pull(columns, column, x, w, slope, into_x, into_w):
    """Add the gradient by a column's arguments, the slope being that by the column."""
    start, end = columns.cuts[column], columns.cuts[column + 1]
    for k in range(start, end):
        rest = 1.0
        for other in range(start, end):
            if other != k:
                at = columns.place[other]
                rest *= x[at] if columns.from_input[other] else w[at]
        at = columns.place[k]
        value = np.float64(x[at] if columns.from_input[k] else w[at])
        if columns.code[column] == ARCTAN:
            rest = 1.0 / (1.0 + value * value)
        elif columns.code[column] == ARCTAN_SQUARE:
            square = value * value
            rest = 2.0 * value / (1.0 + square * square)
        if columns.from_input[k]:
            into_x[at] += slope * rest
        else:
            into_w[at] += slope * rest
