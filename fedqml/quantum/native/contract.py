"""The compiled loops that carry out a network's calculation.

A vector's lanes are examples, as in the simulation of state vectors. What a product takes is mostly
finding its factors, so two groups of examples are calculated at once: number i of a network is the
pair of vectors at 2iW of a flat array, W being the number of lanes.
"""

from typing import no_type_check

import numpy as np

from fedqml.quantum.native import rotations, unpack
from fedqml.quantum.native.compiler.arrays import array, clear
from fedqml.quantum.native.compiler.kernel import kernel
from fedqml.quantum.native.compiler.lanes import (
    doubles,
    load,
    load_pair,
    splat,
    splat_pair,
    store,
    width,
)
from fedqml.quantum.native.pack import (
    CLIENT_GROUPS,
    GROUPS,
    OBSERVABLES,
    ROWS,
    RUNS,
    SLOTS,
    WORK,
)
from fedqml.quantum.native.tape import RUN
from fedqml.quantum.native.turns import fill, seat, table_size
from fedqml.quantum.native.unpack import packed_at, table

# Groups of examples that are calculated at once.
SPAN = 2


@no_type_check
def _calculate(network, numbers):
    """Write the sums, behind the leaves."""
    pair = 2 * width(numbers)
    at = (1 + network.leaves.shape[0]) * pair
    product = 0
    for part in range(1, network.cuts.size, 2):
        total = splat_pair(numbers, 0.0)
        for _ in range(product, network.cuts[part]):
            total = total + _product(network, product, numbers)
            product += 1
        for _ in range(product, network.cuts[part + 1]):
            total = total - _product(network, product, numbers)
            product += 1
        store(numbers, at, total)
        at += pair


@no_type_check
def _product(network, product, numbers):
    pair = 2 * width(numbers)
    one = load_pair(numbers, network.factors[product, 0] * pair)
    return one * load_pair(numbers, network.factors[product, 1] * pair)


@no_type_check
def _go_back(network, numbers, adjoints):
    """Add to the adjoint of every number, the derivative by it, what comes from later sums."""
    pair = 2 * width(numbers)
    at = numbers.size
    zero = splat_pair(numbers, 0.0)
    for part in range(network.cuts.size - 2, 0, -2):
        at -= pair
        adjoint = load_pair(adjoints, at)
        for product in range(network.cuts[part - 1], network.cuts[part]):
            _share(network, product, numbers, adjoints, adjoint)
        adjoint = zero - adjoint
        for product in range(network.cuts[part], network.cuts[part + 1]):
            _share(network, product, numbers, adjoints, adjoint)


@no_type_check
def _share(network, product, numbers, adjoints, adjoint):
    """Add to the adjoints of a product's factors."""
    pair = 2 * width(numbers)
    one, other = network.factors[product, 0] * pair, network.factors[product, 1] * pair
    store(adjoints, one, load_pair(adjoints, one) + adjoint * load_pair(numbers, other))
    store(adjoints, other, load_pair(adjoints, other) + adjoint * load_pair(numbers, one))


@no_type_check
def _leaf(network, leaf):
    return network.leaves[leaf, 0], network.leaves[leaf, 1], network.leaves[leaf, 2]


@kernel
@no_type_check
def evaluate(like, address, x, w, kept, stride, memory, out, share, first, end):
    """Evaluate groups of examples, as many to a group as a vector has lanes.

    Args:
        like: an array of the numbers' type.
        address: that of what is to be computed, see ``pack``.
        x: the address of the inputs; (rows, inputs).
        w: that of the weights; (clients, weights).
        kept: that of what the gradient needs: tables of clients, then those of groups of examples.
        stride: how much of the latter two groups have; if it ends with their tables, their numbers
            are only in memory.
        memory: its address, for the numbers of two groups.
        out: receives the expectation values, unless it is 0; (rows, observables).
        share: whether to compute the tables of clients.
        first: the first pair of groups.
        end: the one after the last.
    """
    packed = packed_at(address)
    network, lanes = unpack.network(packed), width(like)
    runs, slots = table(packed, RUNS, 1, RUN), table(packed, SLOTS, 1, np.int64)
    size, leaves, item = table_size(packed, lanes), network.leaves.shape[0], like.itemsize
    own_groups, own_size, behind = packed[CLIENT_GROUPS], size + leaves * lanes, SPAN * size
    count = (1 + leaves + network.cuts.size // 2) * SPAN * lanes
    shared = array(kept, (own_groups, own_size), like.dtype)
    places = kept + shared.size * item
    rows = array(memory, (lanes,), np.int64)
    clients = array(memory + 8 * lanes, (lanes,), np.int64)
    values = array(out, (packed[ROWS], packed[OBSERVABLES]), like.dtype)
    known = packed[ROWS]  # nobody
    for step in range(-own_groups if share else SPAN * first, SPAN * end):
        # clients' groups come first; the last pair may have the same group twice
        of_clients, pair, half = step < 0, step // SPAN, step % SPAN
        group, place = min(step, packed[GROUPS] - 1), places + (pair * stride + half * size) * item
        if of_clients:
            group, place = step + own_groups, kept + (step + own_groups) * own_size * item
        known = fill(like, packed, x, w, of_clients, group, known, memory, place)
        own = array(place, (own_size if of_clients else size,), like.dtype)
        if of_clients:
            known = packed[ROWS]
            for k in range(slots.size):
                leaf = slots[k]
                run, row, column = _leaf(network, leaf)
                store(own, size + leaf * lanes, rotations.entry(own, run, row, column))
            continue
        kept_numbers = places + (pair * stride + behind) * item
        numbers_at = kept_numbers if stride > behind else memory + 8 * packed[WORK]
        numbers = array(numbers_at, (count,), like.dtype)
        at = (SPAN + half) * lanes
        for leaf in range(leaves):
            run, row, column = _leaf(network, leaf)
            if runs[run].mixed:
                store(numbers, at, rotations.entry(own, run, row, column))
            else:
                number = shared[known // lanes, size + leaf * lanes + known % lanes]
                store(numbers, at, splat(numbers, number))
            at += SPAN * lanes
        if half < SPAN - 1:
            continue
        store(numbers, 0, splat_pair(numbers, 1.0))
        _calculate(network, numbers)
        for part in range(SPAN if out else 0):
            here = seat(packed, min(SPAN * pair + part, packed[GROUPS] - 1), rows, clients)
            for word in range(packed[OBSERVABLES]):
                at = (network.results[word] * SPAN + part) * lanes
                for lane in range(here):
                    values[rows[lane], word] = network.signs[word] * numbers[at + lane]


@kernel
@no_type_check
def differentiate(like, address, kept, stride, memory, slopes, cotangents, first, end):
    """Compute the slopes of groups of examples.

    Args:
        like: as for ``evaluate``.
        address: likewise.
        kept: as ``evaluate`` left it.
        stride: likewise.
        memory: as ``evaluate`` left it if there are only numbers of two groups; and for as many
            adjoints.
        slopes: the address of the derivatives by turns behind runs and by shared leaves.
        cotangents: that of the expectation values'; (rows, observables).
        first: the first pair of groups.
        end: the one after the last.
    """
    packed = packed_at(address)
    network, lanes = unpack.network(packed), width(like)
    runs, slots = table(packed, RUNS, 1, RUN), table(packed, SLOTS, 1, np.int64)
    size, leaves, item = table_size(packed, lanes), network.leaves.shape[0], like.itemsize
    own_size, behind, of_runs = size + leaves * lanes, SPAN * size, 3 * (runs.size - 1) * lanes
    count = (1 + leaves + network.cuts.size // 2) * SPAN * lanes
    places = kept + packed[CLIENT_GROUPS] * own_size * item
    rows = array(memory, (lanes,), np.int64)
    clients = array(memory + 8 * lanes, (lanes,), np.int64)
    found = array(slopes, (packed[GROUPS], of_runs + slots.size * lanes), np.float64)
    seeds = array(cotangents, (packed[ROWS], packed[OBSERVABLES]), like.dtype)
    near = memory + 8 * packed[WORK]
    adjoints = array(near + count * item, (count,), like.dtype)
    for pair in range(first, end):
        numbers_at = places + (pair * stride + behind) * item if stride > behind else near
        numbers = array(numbers_at, (count,), like.dtype)
        halves = min(SPAN, packed[GROUPS] - SPAN * pair)
        clear(adjoints)
        for half in range(halves):
            here = seat(packed, SPAN * pair + half, rows, clients)
            for word in range(packed[OBSERVABLES]):
                at = (network.results[word] * SPAN + half) * lanes
                for lane in range(here):
                    adjoints[at + lane] += network.signs[word] * seeds[rows[lane], word]
        _go_back(network, numbers, adjoints)
        for half in range(halves):
            slope = found[SPAN * pair + half]
            own = array(places + (pair * stride + half * size) * item, (size,), like.dtype)
            clear(slope[:of_runs])
            for leaf in range(leaves):
                run, row, column = _leaf(network, leaf)
                if runs[run].mixed:
                    adjoint = load(adjoints, (SPAN * (1 + leaf) + half) * lanes)
                    rotations.turn(own, run, row, column, adjoint, slope)
            for k in range(slots.size):
                at = (SPAN * (1 + slots[k]) + half) * lanes
                store(slope, of_runs + k * lanes, doubles(like, adjoints, at))
