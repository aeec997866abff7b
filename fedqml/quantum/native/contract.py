"""The compiled loops that carry out a network's calculation.

A vector's lanes are examples, as in the simulation of state vectors: number i of a network is the
vector at iW of a flat array, W being the number of lanes.
"""

from typing import no_type_check

import numpy as np

from fedqml.quantum.native.compiled import inlined, kernel
from fedqml.quantum.native.lanes import accumulate, load, splat, store, width


@inlined
@no_type_check
def _rotation(matrices, run, row, column):
    """Return an entry of the rotation that a run makes of the Bloch sphere."""
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


@inlined
@no_type_check
def _calculate(network, matrices, numbers):
    lanes = width(numbers)
    store(numbers, 0, splat(numbers, 1.0))
    at = lanes
    for leaf in range(network.leaves.shape[0]):
        run, row, column = network.leaves[leaf]
        store(numbers, at, _rotation(matrices, run, row, column))
        at += lanes
    product = 0
    for part in range(1, network.cuts.size, 2):
        total = splat(numbers, 0.0)
        for _ in range(product, network.cuts[part]):
            total = total + _product(network, product, numbers)
            product += 1
        for _ in range(product, network.cuts[part + 1]):
            total = total - _product(network, product, numbers)
            product += 1
        store(numbers, at, total)
        at += lanes


@inlined
@no_type_check
def _product(network, product, numbers):
    lanes = width(numbers)
    one = load(numbers, network.factors[product, 0] * lanes)
    return one * load(numbers, network.factors[product, 1] * lanes)


@inlined
@no_type_check
def _go_back(network, numbers, adjoints):
    """Add to the adjoint of every number, the derivative by it, what comes from later sums."""
    lanes = width(numbers)
    at = numbers.size
    zero = splat(numbers, 0.0)
    for part in range(network.cuts.size - 2, 0, -2):
        at -= lanes
        adjoint = load(adjoints, at)
        for product in range(network.cuts[part - 1], network.cuts[part]):
            _share(network, product, numbers, adjoints, adjoint)
        adjoint = zero - adjoint
        for product in range(network.cuts[part], network.cuts[part + 1]):
            _share(network, product, numbers, adjoints, adjoint)


@inlined
@no_type_check
def _share(network, product, numbers, adjoints, adjoint):
    """Add to the adjoints of a product's factors."""
    lanes = width(numbers)
    one, other = network.factors[product, 0] * lanes, network.factors[product, 1] * lanes
    store(adjoints, one, load(adjoints, one) + adjoint * load(numbers, other))
    store(adjoints, other, load(adjoints, other) + adjoint * load(numbers, one))


@inlined
@no_type_check
def _turn_leaves(network, matrices, adjoints, slopes):
    """Add up what a small turn behind each run changes, d R_ij = (σ × R)_ij."""
    lanes = width(adjoints)
    zero = splat(adjoints, 0.0)
    for leaf in range(network.leaves.shape[0]):
        run, row, column = network.leaves[leaf]
        adjoint = load(adjoints, (1 + leaf) * lanes)
        u, v = (row + 1) % 3, (row + 2) % 3
        by_u = adjoint * _rotation(matrices, run, v, column)
        by_v = adjoint * _rotation(matrices, run, u, column)
        accumulate(slopes, (3 * run + u) * lanes, by_u)
        accumulate(slopes, (3 * run + v) * lanes, zero - by_v)


@kernel
@no_type_check
def evaluate(network, groups, matrices, memory, states, out):
    """Evaluate groups of examples, as many to a group as a vector has lanes.

    Args:
        network: the calculation.
        groups: the first one, and the one after the last.
        matrices: the runs' quaternions, from ``lay_out``; (groups, runs · 4 · lanes).
        memory: of the precision; not used otherwise.
        states: receives the groups' numbers, each in its row or all in a single one, one after the
            other; (groups or 1, size).
        out: receives the expectation values, perhaps of the first observables only;
            (rows, observables).
    """
    lanes = width(memory)
    for group in range(groups[0], groups[1]):
        numbers = states[min(group, states.shape[0] - 1)]
        _calculate(network, matrices[group], numbers)
        first = group * lanes
        for row in range(first, min(first + lanes, out.shape[0])):
            for word in range(out.shape[1]):
                number = numbers[network.results[word] * lanes + row - first]
                out[row, word] = network.signs[word] * number


@kernel
@no_type_check
def differentiate(network, groups, matrices, memory, states, cotangents, out):
    """Compute the slopes of groups of examples.

    Args:
        network: the calculation.
        groups: the first one, and the one after the last.
        matrices: the runs' quaternions, from ``lay_out``; (groups, runs · 4 · lanes).
        memory: for the numbers, which this has no use for, and their adjoints, flat.
        states: what ``evaluate`` wrote; (groups, size). May lie where the memory begins.
        cotangents: of the expectation values; (rows, observables).
        out: receives the derivatives by a turn about X, Y, Z behind each run; (rows, runs, 3).
    """
    lanes = width(memory)
    size = states.shape[1]
    adjoints = memory[size : 2 * size]
    slopes = np.empty(3 * out.shape[1] * lanes)
    last = out.shape[0] - 1
    for group in range(groups[0], groups[1]):
        first = group * lanes
        adjoints.fill(0.0)
        for word in range(network.results.size):
            for lane in range(lanes):
                seed = network.signs[word] * cotangents[min(first + lane, last), word]
                adjoints[network.results[word] * lanes + lane] += seed
        _go_back(network, states[group], adjoints)
        slopes.fill(0.0)
        _turn_leaves(network, matrices[group], adjoints, slopes)
        for row in range(first, min(first + lanes, last + 1)):
            for run in range(out.shape[1]):
                for axis in range(3):
                    out[row, run, axis] = slopes[(3 * run + axis) * lanes + row - first]
