"""Functions of inputs and weights, and their slopes, compiled and in float64."""

from typing import no_type_check

from fedqml.quantum.native.columns import ARCTAN, ARCTAN_SQUARE, PRODUCT
from fedqml.quantum.native.compiler.lanes import double, doubles, store, width
from fedqml.quantum.native.elementary import arctans


@no_type_check
def read(columns, first, end, like, arguments, numbers):
    """Compute the numbers of columns.

    Args:
        columns: the table, and one entry more for its end.
        first: the first column to compute.
        end: the one after the last.
        like: an array with vectors as long.
        arguments: what the columns read; (arguments · lanes).
        numbers: receives the columns' numbers; (columns · lanes).
    """
    lanes = width(like)
    for column in range(first, end):
        code, start = columns[column].code, columns[column].start
        value = doubles(like, arguments, start * lanes)
        for k in range(start + 1, columns[column + 1].start):
            value = value * doubles(like, arguments, k * lanes)
        if code == ARCTAN_SQUARE:
            value = value * value
        store(numbers, column * lanes, value)
        if code != PRODUCT:
            arctans(numbers[column * lanes : (column + 1) * lanes])


@no_type_check
def pull(columns, first, end, like, arguments, by, into):
    """Compute the gradients by the arguments of columns.

    Args:
        columns: the table, and one entry more for its end.
        first: the first of the columns.
        end: the one after the last.
        like: an array with vectors as long.
        arguments: what the columns read; (arguments · lanes).
        by: the gradient by the columns; (columns · lanes).
        into: receives that by the arguments; (arguments · lanes).
    """
    lanes, one = width(like), double(like, 1.0)
    for column in range(first, end):
        code, slope = columns[column].code, doubles(like, by, column * lanes)
        start, stop = columns[column].start, columns[column + 1].start
        for k in range(start, stop):
            value, rest = doubles(like, arguments, k * lanes), one
            square = value * value
            if code == ARCTAN:
                rest = one / (one + square)
            elif code == ARCTAN_SQUARE:
                rest = (value + value) / (one + square * square)
            for other in range(start, stop):
                if other != k:
                    rest = rest * doubles(like, arguments, other * lanes)
            store(into, k * lanes, slope * rest)
