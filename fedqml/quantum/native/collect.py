"""The compiled loop from the slopes of runs back to inputs and weights, in float64."""

from typing import no_type_check

import numpy as np

from fedqml.quantum.native.columns import ARGUMENT, COLUMN
from fedqml.quantum.native.compiler.arrays import array, clear
from fedqml.quantum.native.compiler.kernel import kernel
from fedqml.quantum.native.compiler.lanes import accumulate, double, doubles, load, store, width
from fedqml.quantum.native.maps import pull
from fedqml.quantum.native.pack import (
    ALIGNED,
    ARGUMENTS,
    BATCH,
    CLIENT_GROUPS,
    CLIENTS,
    COLUMNS,
    GROUPS,
    INPUTS,
    LEAVES,
    MIXED,
    PARTS,
    REACHED,
    ROWS,
    RUNS,
    SLOTS,
    SPAN,
    TERMS,
    TURNS,
    WEIGHTS,
)
from fedqml.quantum.native.rotations import turn
from fedqml.quantum.native.tape import PART, RUN, TERM
from fedqml.quantum.native.turns import fetch, seat, seat_clients, table_size
from fedqml.quantum.native.unpack import packed_at, table

# A client's examples are summed in so many parts, on every machine: example j in part j mod 16.
_SUMS = 16


@no_type_check
def _unwind(parts, terms, first, last, start, cosine, sine, table, slopes, by):
    """Distribute the slopes behind a run to the angles in it, from the last to the first."""
    lanes = width(table)
    two = double(table, 2.0)
    for back in range(last - first):
        part = last - 1 - back
        own = parts[part]
        # the turn's axis and the two others; of a constant, which has none, x, y and z
        t_at = start + own.axis % 3 * lanes
        u_at = start + (own.axis + 1) % 3 * lanes
        v_at = start + (own.axis + 2) % 3 * lanes
        t, u = doubles(table, slopes, t_at), doubles(table, slopes, u_at)
        v = doubles(table, slopes, v_at)
        if own.axis < 3:
            for term in range(own.terms, parts[part + 1].terms):
                at = terms[term].column * lanes
                share = double(table, terms[term].scale) * t
                store(by, at, doubles(table, by, at) + share)
            # in front of the turn the axes stand turned back by θ
            c = doubles(table, table, cosine + own.turn * lanes)
            s = doubles(table, table, sine + own.turn * lanes)
            whole_c, whole_s = c * c - s * s, two * c * s
            store(slopes, u_at, whole_c * u + whole_s * v)
            store(slopes, v_at, whole_c * v - whole_s * u)
        else:
            # v -> (a² - q·q) v + 2 (q·v) q - 2a q×v, the inverse rotation
            a, b = double(table, own.p), double(table, own.q)
            c, d = double(table, own.r), double(table, own.s)
            norm, twice = a * a - b * b - c * c - d * d, two * a
            dot = two * (b * t + c * u + d * v)
            store(slopes, t_at, norm * t + dot * b - twice * (c * v - d * u))
            store(slopes, u_at, norm * u + dot * c - twice * (d * t - b * v))
            store(slopes, v_at, norm * v + dot * d - twice * (b * u - c * t))


@no_type_check
def _add(parts, item, place, like, values, at):
    """Add a group's values, vectors at a place of an array, to the parts of a sum."""
    to = item * _SUMS + place % _SUMS
    if place < _SUMS:
        store(parts, to, doubles(like, values, at))
    else:
        accumulate(parts, to, doubles(like, values, at))


@no_type_check
def _total(parts, item):
    at, half = item * _SUMS, _SUMS // 2
    while half > 0:
        for k in range(half):
            parts[at + k] += parts[at + half + k]
        half //= 2
    return parts[at]


@kernel
@no_type_check
def collect(like, address, x, w, kept, stride, memory, slopes, into_x, into_w):
    """Turn the slopes of runs into gradients of inputs and weights.

    A client's examples are summed in float64 and in an order of their own, so that sums depend
    neither on the number of threads, nor on the width of vectors, nor on what else is evaluated.

    Args:
        like: as for ``fill``; likewise the following three.
        address: likewise.
        x: likewise.
        w: likewise.
        kept: that of the tables of groups of clients, and then of examples.
        stride: how many numbers there are from the tables of groups of examples that are calculated
            at once to those of the next.
        memory: an address, for sums.
        slopes: the address of the derivatives by a turn about X, Y, Z behind each run, and by
            leaves that are the same for all examples of a client; (groups, (3 runs + leaves) ·
            lanes). Overwritten.
        into_x: that of the gradient of inputs, which is received; (rows, inputs).
        into_w: that of weights; (clients, weights).
    """
    packed = packed_at(address)
    runs, parts = table(packed, RUNS, 1, RUN), table(packed, PARTS, 1, PART)
    terms, slots = table(packed, TERMS, 1, TERM), table(packed, SLOTS, 1, np.int64)
    columns, arguments = table(packed, COLUMNS, 1, COLUMN), table(packed, ARGUMENTS, 1, ARGUMENT)
    inputs = array(x, (packed[ROWS], packed[INPUTS]), like.dtype)
    weights = array(w, (packed[CLIENTS], packed[WEIGHTS]), like.dtype)
    by_x = array(into_x, (packed[ROWS], packed[INPUTS]), like.dtype)
    by_w = array(into_w, (packed[CLIENTS], packed[WEIGHTS]), like.dtype)
    lanes = width(like)
    size, count = table_size(packed, lanes), runs.size - 1
    cosine, sine = 4 * count * lanes, (4 * count + packed[TURNS + 1]) * lanes
    mixed, reached = packed[MIXED], packed[REACHED]
    early = columns[mixed].start  # arguments of columns that differ from example to example
    leaves, span = table(packed, LEAVES, 2, np.int64), packed[SPAN]
    own_size = size + leaves.shape[0] * lanes
    places = kept + packed[CLIENT_GROUPS] * own_size * like.itemsize
    each = 1 if leaves.shape[0] > 0 else 3  # values of a slot
    of_runs = 3 * count * lanes
    row_size = of_runs + (slots.size * lanes if each == 1 else 0)
    found = array(slopes, (packed[GROUPS], row_size), np.float64)
    items = each * slots.size
    first_argument = items + columns.size
    rows = array(memory, (lanes,), np.int64)
    clients = array(memory + 8 * lanes, (lanes,), np.int64)
    at = memory + 16 * lanes
    fetched = array(at, (arguments.size * lanes,), np.float64)
    at += 8 * fetched.size
    shares = array(at, (arguments.size * lanes,), np.float64)
    at += 8 * shares.size
    by = array(at, (columns.size * lanes,), np.float64)
    at += 8 * by.size
    sums_of_x = array(at, (packed[INPUTS] * lanes,), np.float64)
    at += 8 * sums_of_x.size
    # a client's sums, in parts: of slots, columns and arguments
    sums = array(at, ((first_argument + arguments.size) * _SUMS,), np.float64)
    at += 8 * sums.size
    # the sums of a group of clients
    own_slopes = array(at, (3 * count * lanes,), np.float64)
    at += 8 * own_slopes.size
    own_by = array(at, (columns.size * lanes,), np.float64)
    at += 8 * own_by.size
    own_shares = array(at, (arguments.size * lanes,), np.float64)
    at += 8 * own_shares.size
    adjoints = array(at, (leaves.shape[0] * lanes,), like.dtype)
    # by a client's weights; the last one, as their number would move vectors off their lines
    gradient = array(at + adjoints.size * like.itemsize, (packed[WEIGHTS],), np.float64)
    clear(sums)
    clear(own_slopes)
    clear(own_by)
    clear(adjoints)
    group, client, whole = np.int64(0), np.int64(0), False
    for _ in range(packed[GROUPS] + packed[CLIENT_GROUPS]):
        # a group of examples, or of clients once the sums of all of them are there: in one loop, as
        # what they have in common would be compiled twice
        place = places + (group // span * stride + group % span * size) * like.itemsize
        slope, group_by, group_shares = own_slopes, own_by, own_shares
        first, end = mixed, columns.size - 1
        if whole:
            place = kept + client // lanes * own_size * like.itemsize
            seat_clients(packed, client // lanes, clients)
        else:
            slope, group_by, group_shares = found[group], by, shares
            first, end = np.int64(0), mixed
            seat(packed, group, rows, clients)
            clear(by[: reached * lanes])
        own = array(place, (size,), like.dtype)
        if whole and each == 1:
            for k in range(slots.size):
                leaf = slots[k]
                run, row, column = leaves[leaf, 0], leaves[leaf, 1], leaves[leaf, 2]
                turn(own, run, row, column, load(adjoints, leaf * lanes), own_slopes)
        for run in range(count):
            if (runs[run].mixed == 0) == whole:
                start, stop, at = runs[run].parts, runs[run + 1].parts, 3 * run * lanes
                _unwind(parts, terms, start, stop, at, cosine, sine, own, slope, group_by)
        fetch(columns, arguments, first, end, rows, clients, inputs, weights, fetched)
        pull(columns, first, end, like, fetched, group_by, group_shares)
        if whole:
            for lane in range(clients[lanes - 1] - clients[0] + 1):
                clear(gradient)
                for k in range(arguments.size):
                    if not arguments[k].from_input:
                        gradient[arguments[k].place] += own_shares[k * lanes + lane]
                for k in range(gradient.size):
                    by_w[clients[0] + lane, k] = gradient[k]
            clear(own_slopes)
            clear(own_by)
            whole = False
            continue
        here, client, part = seat(packed, group, rows, clients), clients[0], rows[0] % packed[BATCH]
        group += 1
        clear(sums_of_x)
        for k in range(early):
            if arguments[k].from_input:
                accumulate(sums_of_x, arguments[k].place * lanes, doubles(like, shares, k * lanes))
        for lane in range(here):
            for column in range(packed[INPUTS]):
                by_x[rows[lane], column] = sums_of_x[column * lanes + lane]
        if packed[ALIGNED] == 0:
            for lane in range(here):
                part = rows[lane] % packed[BATCH]
                for k in range(arguments.size):
                    sums[(first_argument + k) * _SUMS + part] = shares[k * lanes + lane]
                if part == packed[BATCH] - 1:
                    clear(gradient)
                    for k in range(arguments.size):
                        if not arguments[k].from_input:
                            gradient[arguments[k].place] += _total(sums, first_argument + k)
                    for k in range(gradient.size):
                        by_w[clients[lane], k] = gradient[k]
            continue
        for k in range(slots.size):
            for axis in range(each):
                at = 3 * count + k if each == 1 else 3 * slots[k] + axis
                _add(sums, each * k + axis, part, like, slope, at * lanes)
        for column in range(mixed, reached):
            _add(sums, items + column, part, like, by, column * lanes)
        for k in range(early):
            if not arguments[k].from_input:
                _add(sums, first_argument + k, part, like, shares, k * lanes)
        if part + here < packed[BATCH]:
            continue
        lane = client % lanes
        for k in range(slots.size):
            for axis in range(each):
                total = _total(sums, each * k + axis)
                if each == 1:
                    adjoints[slots[k] * lanes + lane] = total
                else:
                    own_slopes[(3 * slots[k] + axis) * lanes + lane] = total
        for column in range(mixed, reached):
            own_by[column * lanes + lane] = _total(sums, items + column)
        for k in range(early):
            if not arguments[k].from_input:
                own_shares[k * lanes + lane] = _total(sums, first_argument + k)
        whole = lane == lanes - 1 or client == packed[CLIENTS] - 1
