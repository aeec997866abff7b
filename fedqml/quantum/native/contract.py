"""The compiled loops that carry out a network's calculation.

A vector's lanes are examples, as in the simulation of state vectors: number i of a network is the
vector at iW of a flat array, W being the number of lanes.
"""

from typing import no_type_check

from fedqml.quantum.native.compiled import inlined, kernel, pasted
from fedqml.quantum.native.lanes import accumulate, load, splat, store, width
from fedqml.quantum.native.sums import Network


@pasted
@no_type_check
def _size(network):
    return 1 + network.leaves.shape[0] + network.cuts.size // 2


@pasted
@no_type_check
def _numbers(network, table, behind, memory):
    """Return where a group's numbers are."""
    size = _size(network) * width(memory)
    return table[behind : behind + size] if behind < table.size else memory[:size]


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


@pasted
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


@pasted
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


@pasted
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
def evaluate(leaves, cuts, factors, results, signs, groups, tables, behind, memory, out):
    """Evaluate groups of examples, as many to a group as a vector has lanes.

    Args:
        leaves: this and the following four: the calculation, see ``Network``.
        cuts: likewise.
        factors: likewise.
        results: likewise.
        signs: likewise.
        groups: the first one, and the one after the last.
        tables: from ``lay_out``; a row for each group.
        behind: where in a row its numbers shall be; if that is its end, they are only in memory.
        memory: for the numbers of a group, flat.
        out: receives the expectation values, perhaps of the first observables only;
            (rows, observables).
    """
    network = Network(leaves, cuts, factors, results, signs)
    lanes = width(memory)
    for group in range(groups[0], groups[1]):
        own = tables[group]
        numbers = _numbers(network, own, behind, memory)
        _calculate(network, own, numbers)
        first = group * lanes
        for row in range(first, min(first + lanes, out.shape[0])):
            for word in range(out.shape[1]):
                number = numbers[network.results[word] * lanes + row - first]
                out[row, word] = network.signs[word] * number


@kernel
@no_type_check
def differentiate(
    leaves, cuts, factors, results, signs, groups, tables, behind, memory, cotangents, out
):
    """Compute the slopes of groups of examples.

    Args:
        leaves: this and the following four: the calculation, see ``Network``.
        cuts: likewise.
        factors: likewise.
        results: likewise.
        signs: likewise.
        groups: the first one, and the one after the last.
        tables: as ``evaluate`` left them.
        behind: as for ``evaluate``.
        memory: as ``evaluate`` left it if there are only numbers of one group; and for as many
            adjoints, flat.
        cotangents: of the expectation values; (rows, observables).
        out: receives the derivatives by a turn about X, Y, Z behind each run;
            (groups, runs · 3 · lanes).
    """
    network = Network(leaves, cuts, factors, results, signs)
    lanes = width(memory)
    size = _size(network) * lanes
    adjoints = memory[size : 2 * size]
    last = cotangents.shape[0] - 1
    for group in range(groups[0], groups[1]):
        first = group * lanes
        own, slopes = tables[group], out[group]
        adjoints.fill(0.0)
        for word in range(network.results.size):
            for lane in range(lanes):
                seed = network.signs[word] * cotangents[min(first + lane, last), word]
                adjoints[network.results[word] * lanes + lane] += seed
        _go_back(network, _numbers(network, own, behind, memory), adjoints)
        slopes.fill(0.0)
        _turn_leaves(network, own, adjoints, slopes)
