"""The compiled loops from angles to runs of turns, in float64 and with examples as lanes.

A table has every run's quaternion, then cos θ/2 of all turns, then sin θ/2, each a vector.
"""

from typing import no_type_check

import numpy as np

from fedqml.quantum.native.columns import ARGUMENT, COLUMN
from fedqml.quantum.native.compiler.arrays import array
from fedqml.quantum.native.compiler.lanes import double, doubles, store, width
from fedqml.quantum.native.elementary import sines
from fedqml.quantum.native.maps import read
from fedqml.quantum.native.pack import (
    ALIGNED,
    ARGUMENTS,
    BATCH,
    CLIENTS,
    COLUMNS,
    INPUTS,
    MIXED,
    MIXED_TURNS,
    PARTS,
    REACHED,
    ROWS,
    RUNS,
    TERMS,
    TURNS,
    WEIGHTS,
)
from fedqml.quantum.native.tape import PART, RUN, TERM
from fedqml.quantum.native.unpack import table


@no_type_check
def table_size(packed, lanes):
    """Return how many numbers a table has."""
    return (4 * (packed[RUNS + 1] - 1) + 2 * packed[TURNS + 1]) * lanes


@no_type_check
def seat(packed, group, rows, clients):
    """Write a group's examples and their clients; return how many there are.

    Those that are missing repeat the last one.
    """
    lanes, batch, first, count = rows.size, packed[BATCH], group * rows.size, packed[ROWS]
    client, base = np.int64(0), np.int64(0)
    if packed[ALIGNED] == 1:
        each = (batch + lanes - 1) // lanes
        client, first, count = group // each, group % each * lanes, batch
        base = client * batch
    for lane in range(lanes):
        rows[lane] = base + min(first + lane, count - 1)
        clients[lane] = client if packed[ALIGNED] == 1 else rows[lane] // batch
    return min(lanes, count - first)


@no_type_check
def seat_clients(packed, group, clients):
    """Write the clients of a group; those that are missing repeat the last one."""
    for lane in range(clients.size):
        clients[lane] = min(group * clients.size + lane, packed[CLIENTS] - 1)


@no_type_check
def fetch(columns, arguments, first, end, rows, clients, x, w, found):
    """Write what columns read."""
    lanes = rows.size
    for k in range(columns[first].start, columns[end].start):
        place = arguments[k].place
        if arguments[k].from_input:
            for lane in range(lanes):
                found[k * lanes + lane] = x[rows[lane], place]
        else:
            for lane in range(lanes):
                found[k * lanes + lane] = w[clients[lane], place]


@no_type_check
def _halve(parts, terms, turns, first, end, like, numbers, halves):
    """Write half of the angles of turns."""
    lanes, half = width(like), double(like, 0.5)
    for number in range(first, end):
        part = turns[number]
        angle = double(like, parts[part].offset)
        for term in range(parts[part].terms, parts[part + 1].terms):
            value = doubles(like, numbers, terms[term].column * lanes)
            angle = angle + double(like, terms[term].scale) * value
        store(halves, number * lanes, half * angle)


@no_type_check
def _multiply(parts, first, last, at, cosine, sine, table):
    """Write the product of a run's turns, a quaternion, to a place in the table."""
    lanes = width(table)
    zero = double(table, 0.0)
    a, b, c, d = double(table, 1.0), zero, zero, zero
    for part in range(first, last):
        own = parts[part]
        if own.axis < 3:
            p = doubles(table, table, cosine + own.turn * lanes)
            turned = doubles(table, table, sine + own.turn * lanes)
            q = turned if own.axis == 0 else zero
            r = turned if own.axis == 1 else zero
            s = turned if own.axis == 2 else zero
        else:
            p, q = double(table, own.p), double(table, own.q)
            r, s = double(table, own.r), double(table, own.s)
        a, b, c, d = (
            p * a - q * b - r * c - s * d,
            p * b + q * a + r * d - s * c,
            p * c + r * a + s * b - q * d,
            p * d + s * a + q * c - r * b,
        )
    store(table, at, a)
    store(table, at + lanes, b)
    store(table, at + 2 * lanes, c)
    store(table, at + 3 * lanes, d)


@no_type_check
def fill(like, packed, x, w, of_clients, group, known, memory, place):
    """Compute the angles and runs of a group of examples, or of clients.

    The former's are those that differ from example to example, the latter's the others.

    Args:
        like: an array of the numbers' type.
        packed: what is to be computed, see ``pack``.
        x: the address of the inputs; (rows, inputs).
        w: that of the weights; (clients, weights).
        of_clients: which of both.
        group: its number.
        known: whose weights have been read in ``memory``; more than there are for nobody's.
        memory: an address, for examples, clients, arguments, columns and turns.
        place: the address of the table, which receives runs and turns.

    Returns:
        The client of the first example.
    """
    runs, parts = table(packed, RUNS, 1, RUN), table(packed, PARTS, 1, PART)
    terms, turns = table(packed, TERMS, 1, TERM), table(packed, TURNS, 1, np.int64)
    columns, arguments = table(packed, COLUMNS, 1, COLUMN), table(packed, ARGUMENTS, 1, ARGUMENT)
    inputs = array(x, (packed[ROWS], packed[INPUTS]), like.dtype)
    weights = array(w, (packed[CLIENTS], packed[WEIGHTS]), like.dtype)
    lanes = width(like)
    own = array(place, (table_size(packed, lanes),), like.dtype)
    cosine = 4 * (runs.size - 1) * lanes
    sine = cosine + turns.size * lanes
    rows = array(memory, (lanes,), np.int64)
    clients = array(memory + 8 * lanes, (lanes,), np.int64)
    at = memory + 16 * lanes
    fetched = array(at, (arguments.size * lanes,), np.float64)
    at += 8 * fetched.size
    numbers = array(at, (columns.size * lanes,), np.float64)
    at += 8 * numbers.size
    halves = array(at, (turns.size * lanes,), np.float64)
    column, last_column = np.int64(0), packed[REACHED]
    turn, last_turn = np.int64(0), packed[MIXED_TURNS]
    if of_clients:
        seat_clients(packed, group, clients)
        column, last_column = packed[MIXED], columns.size - 1
        turn, last_turn = packed[MIXED_TURNS], turns.size
    else:
        seat(packed, group, rows, clients)
        if packed[ALIGNED] == 1 and clients[0] == known:
            last_column = packed[MIXED]
    fetch(columns, arguments, column, last_column, rows, clients, inputs, weights, fetched)
    read(columns, column, last_column, like, fetched, numbers)
    _halve(parts, terms, turns, turn, last_turn, like, numbers, halves)
    first, end = turn * lanes, last_turn * lanes
    sines(halves[first:end], own[sine + first :], own[cosine + first :])
    for run in range(runs.size - 1):
        if (runs[run].mixed == 0) == of_clients:
            _multiply(
                parts, runs[run].parts, runs[run + 1].parts, 4 * run * lanes, cosine, sine, own
            )
    return clients[0]
