"""The compiled loops between angles and runs of turns, in float64 and with examples as lanes."""

from typing import no_type_check

import numpy as np

from fedqml.quantum.native.compiled import kernel, pasted
from fedqml.quantum.native.elementary import sines
from fedqml.quantum.native.lanes import double, doubles, store, width
from fedqml.quantum.native.maps import pull, read


@pasted
@no_type_check
def _seat(group, batch, count, rows, clients):
    """Write a group's examples and their clients; those that are missing repeat the last one."""
    for lane in range(rows.size):
        rows[lane] = min(group * rows.size + lane, count - 1)
        clients[lane] = rows[lane] // batch


@pasted
@no_type_check
def _fetch(arguments, rows, clients, x, w, found):
    """Write what columns read."""
    lanes = rows.size
    for k in range(arguments.size):
        place = arguments[k].place
        if arguments[k].from_input:
            for lane in range(lanes):
                found[k * lanes + lane] = x[rows[lane], place]
        else:
            for lane in range(lanes):
                found[k * lanes + lane] = w[clients[lane], place]


@pasted
@no_type_check
def _halve(parts, terms, turns, like, numbers, halves):
    """Write half of the angles of turns."""
    lanes, half = width(like), double(like, 0.5)
    for turn in range(turns.size):
        part = turns[turn]
        angle = double(like, parts[part].offset)
        for term in range(parts[part].terms, parts[part + 1].terms):
            number = doubles(like, numbers, terms[term].column * lanes)
            angle = angle + double(like, terms[term].scale) * number
        store(halves, turn * lanes, half * angle)


@pasted
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


@pasted
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


@kernel
@no_type_check
def lay_out(
    runs, parts, terms, turns, mixed_turns, columns, arguments, mixed, batch, x, w, groups, tables
):
    """Compute the runs of groups of examples, as many to a group as a vector has lanes.

    An example is a lane; those missing in the last group repeat the last one. What depends on
    weights alone is computed once for groups of one client that follow each other.

    Args:
        runs: this and the following four: of the circuit, see ``Parts``.
        parts: likewise.
        terms: likewise.
        turns: likewise.
        mixed_turns: likewise.
        columns: this and the following two: what its angles are linear in, see ``Columns``.
        arguments: likewise.
        mixed: likewise.
        batch: how many examples a client has.
        x: inputs; (rows, inputs).
        w: weights; (clients, weights).
        groups: the first one, and the one after the last.
        tables: receives every run's quaternion, cos θ/2 of all turns, and sin θ/2;
            (groups, (4 runs + 2 turns) · lanes, or more for states).
    """
    lanes = width(tables)
    cosine = 4 * (runs.size - 1) * lanes
    sine = cosine + turns.size * lanes
    fetched, numbers = np.empty(arguments.size * lanes), np.empty(columns.size * lanes)
    halves = np.empty(turns.size * lanes)
    rows, clients = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    known = np.int64(-1)  # whose weights all lanes before had
    for group in range(groups[0], groups[1]):
        own = tables[group]
        _seat(group, batch, x.shape[0], rows, clients)
        one = clients[0] == clients[lanes - 1]
        ready = one and clients[0] == known
        known = clients[0] if one else np.int64(-1)
        some, count = (mixed, mixed_turns) if ready else (columns.size - 1, turns.size)
        _fetch(arguments[: columns[some].start], rows, clients, x, w, fetched)
        read(columns[: some + 1], tables, fetched, numbers)
        _halve(parts, terms, turns[:count], tables, numbers, halves)
        sines(halves[: count * lanes], own[sine:], own[cosine:])
        if ready:
            before = tables[group - 1]
            for k in range(count * lanes, turns.size * lanes):
                own[cosine + k], own[sine + k] = before[cosine + k], before[sine + k]
        for run in range(runs.size - 1):
            at = 4 * run * lanes
            if runs[run].mixed or not ready:
                _multiply(parts, runs[run].parts, runs[run + 1].parts, at, cosine, sine, own)
            else:
                for k in range(at, at + 4 * lanes):
                    own[k] = before[k]


@kernel
@no_type_check
def collect(
    runs, parts, terms, turns, columns, arguments, batch, x, w, slopes, tables, into_x, into_w
):
    """Turn the slopes of runs into gradients of inputs and weights.

    Weights' gradients are summed example by example in float64, so that they depend neither on
    the number of threads nor on what else is evaluated.

    Args:
        runs: of the circuit, see ``Parts``.
        parts: likewise.
        terms: likewise.
        turns: likewise.
        columns: what its angles are linear in, see ``Columns``.
        arguments: likewise.
        batch: how many examples a client has.
        x: inputs; (rows, inputs).
        w: weights; (clients, weights).
        slopes: from ``differentiate``; (groups, runs · 3 · lanes). Overwritten.
        tables: from ``lay_out``.
        into_x: receives the gradient; (rows, inputs).
        into_w: receives the gradient; (clients, weights).
    """
    lanes = width(tables)
    cosine = 4 * (runs.size - 1) * lanes
    sine = cosine + turns.size * lanes
    fetched, shares = np.empty(arguments.size * lanes), np.empty(arguments.size * lanes)
    by, inputs = np.empty(columns.size * lanes), np.empty(x.shape[1] * lanes)
    sums, total = np.zeros(arguments.size), np.empty(w.shape[1])
    rows, clients = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    client = np.int64(0)
    for group in range(slopes.shape[0]):
        first, table = group * lanes, tables[group]
        here = min(lanes, x.shape[0] - first)
        by.fill(0.0)
        for run in range(runs.size - 1):
            begin, end = runs[run].parts, runs[run + 1].parts
            at = 3 * run * lanes
            _unwind(parts, terms, begin, end, at, cosine, sine, table, slopes[group], by)
        _seat(group, batch, x.shape[0], rows, clients)
        _fetch(arguments, rows, clients, x, w, fetched)
        pull(columns, tables, fetched, by, shares)
        inputs.fill(0.0)
        for k in range(arguments.size):
            if arguments[k].from_input:
                at = arguments[k].place * lanes
                for lane in range(lanes):
                    inputs[at + lane] += shares[k * lanes + lane]
        for lane in range(here):
            for place in range(x.shape[1]):
                into_x[first + lane, place] = inputs[place * lanes + lane]
        start = np.int64(0)
        while start < here:
            end = min(here, (client + 1) * batch - first)
            for k in range(sums.size):
                for lane in range(start, end):
                    sums[k] += shares[k * lanes + lane]
            start = end
            if first + end == (client + 1) * batch:
                total.fill(0.0)
                for k in range(sums.size):
                    if not arguments[k].from_input:
                        total[arguments[k].place] += sums[k]
                for place in range(total.size):
                    into_w[client, place] = total[place]
                sums.fill(0.0)
                client += 1
