"""The compiled loops between angles and runs of turns, in float64 and example by example."""

import math
from typing import no_type_check

import numpy as np

from fedqml.quantum.native.compiled import inlined, kernel
from fedqml.quantum.native.lanes import width
from fedqml.quantum.native.maps import pull, read


@inlined
@no_type_check
def multiply(parts, run, x, w, turns, quaternions):
    """Compute the turns of a run, and their product.

    Args:
        parts: of the circuit.
        run: its number.
        x: the columns that an example reads; (columns,).
        w: those that its client reads; (columns,).
        turns: receives cos θ/2 and sin θ/2 of the run's parts; (parts, 2).
        quaternions: receives the product in a row; (runs, 4).
    """
    a, b, c, d = 1.0, 0.0, 0.0, 0.0
    for part in range(parts.run_parts[run], parts.run_parts[run + 1]):
        axis = parts.part_axis[part]
        p = parts.part_quaternion[part, 0]
        q = parts.part_quaternion[part, 1]
        r = parts.part_quaternion[part, 2]
        s = parts.part_quaternion[part, 3]
        if axis < 3:
            angle = parts.part_offset[part]
            for term in range(parts.part_terms[part], parts.part_terms[part + 1]):
                column = parts.term_column[term]
                value = x[column] if parts.term_input[term] else w[column]
                angle += parts.term_scale[term] * value
            half = 0.5 * angle
            p = math.cos(half)
            sine = math.sin(half)
            turns[part, 0] = p
            turns[part, 1] = sine
            q = sine if axis == 0 else 0.0
            r = sine if axis == 1 else 0.0
            s = sine if axis == 2 else 0.0
        a, b, c, d = (
            p * a - q * b - r * c - s * d,
            p * b + q * a + r * d - s * c,
            p * c + r * a + s * b - q * d,
            p * d + s * a + q * c - r * b,
        )
    quaternions[run, 0] = a
    quaternions[run, 1] = b
    quaternions[run, 2] = c
    quaternions[run, 3] = d


@inlined
@no_type_check
def _unwind(parts, run, slope, turns, into_x, into_w):
    """Distribute the slopes behind a run to the angles in it, from the last to the first."""
    for part in range(parts.run_parts[run + 1] - 1, parts.run_parts[run] - 1, -1):
        axis = parts.part_axis[part]
        if axis < 3:
            for term in range(parts.part_terms[part], parts.part_terms[part + 1]):
                share = parts.term_scale[term] * slope[axis]
                if parts.term_input[term]:
                    into_x[parts.term_column[term]] += share
                else:
                    into_w[parts.term_column[term]] += share
            # in front of the turn the axes stand turned back by θ
            c, s = turns[part, 0], turns[part, 1]
            cosine, sine = c * c - s * s, 2.0 * c * s
            u, v = (axis + 1) % 3, (axis + 2) % 3
            slope[u], slope[v] = (
                cosine * slope[u] + sine * slope[v],
                (cosine * slope[v] - sine * slope[u]),
            )
        else:
            a = parts.part_quaternion[part, 0]
            q = parts.part_quaternion[part, 1:]
            # v -> (a² - q·q) v + 2 (q·v) q - 2a q×v, the inverse rotation
            dot = q[0] * slope[0] + q[1] * slope[1] + q[2] * slope[2]
            norm = a * a - q[0] * q[0] - q[1] * q[1] - q[2] * q[2]
            x, y, z = slope[0], slope[1], slope[2]
            slope[0] = norm * x + 2 * dot * q[0] - 2 * a * (q[1] * z - q[2] * y)
            slope[1] = norm * y + 2 * dot * q[1] - 2 * a * (q[2] * x - q[0] * z)
            slope[2] = norm * z + 2 * dot * q[2] - 2 * a * (q[0] * y - q[1] * x)


@kernel
@no_type_check
def lay_out(parts, columns, batch, x, w, groups, matrices, turns):
    """Compute the runs of groups of examples, as many to a group as a vector has lanes.

    An example is a lane; those missing in the last group repeat the last one.

    Args:
        parts: of the circuit.
        columns: what its angles are linear in.
        batch: how many examples a client has.
        x: inputs; (rows, inputs).
        w: weights; (clients, weights).
        groups: the first one, and the one after the last.
        matrices: receives every run's quaternion; (groups, runs · 4 · lanes).
        turns: receives cos θ/2 and sin θ/2 of the parts of mixed runs; (groups, parts · 2 · lanes).
    """
    lanes = width(matrices)
    own_x, own_w = np.empty(columns.mixed), np.empty(columns.code.size - columns.mixed)
    own = np.empty((parts.part_axis.size, 2))
    quaternions = np.empty((parts.run_mixed.size, 4))
    known = np.int64(-1)  # whose quaternions of runs that are not mixed are there: none's yet
    for group in range(groups[0], groups[1]):
        for lane in range(lanes):
            row = min(group * lanes + lane, x.shape[0] - 1)
            client = row // batch
            inputs, weights = x[row], w[client]
            for column in range(own_x.size):
                own_x[column] = read(columns, column, inputs, weights)
            if client != known:
                for column in range(own_w.size):
                    own_w[column] = read(columns, columns.mixed + column, inputs, weights)
            for run in range(parts.run_mixed.size):
                if parts.run_mixed[run] or client != known:
                    multiply(parts, run, own_x, own_w, own, quaternions)
                for entry in range(4):
                    matrices[group, (4 * run + entry) * lanes + lane] = quaternions[run, entry]
                if parts.run_mixed[run]:
                    for part in range(parts.run_parts[run], parts.run_parts[run + 1]):
                        for entry in range(2):
                            turns[group, (2 * part + entry) * lanes + lane] = own[part, entry]
            known = client


@kernel
@no_type_check
def collect(parts, columns, batch, x, w, slopes, turns, into_x, into_w):
    """Turn the slopes of runs into gradients of inputs and weights.

    Weights' gradients are summed example by example in float64, so that they depend neither on
    the number of threads nor on what else is evaluated.

    Args:
        parts: of the circuit.
        columns: what its angles are linear in.
        batch: how many examples a client has.
        x: inputs; (rows, inputs).
        w: weights; (clients, weights).
        slopes: from ``differentiate``; (rows, runs, 3). Overwritten.
        turns: from ``lay_out``; (groups, parts · 2 · lanes).
        into_x: receives the gradient; zeros of (rows, inputs).
        into_w: receives the gradient; zeros of (clients, weights).
    """
    lanes = width(turns)
    own_x, own_w = np.empty(columns.mixed), np.empty(columns.code.size - columns.mixed)
    by_x, by_w = np.empty(own_x.size), np.empty(own_w.size)
    total = np.empty((parts.run_mixed.size, 3))
    own = np.empty((parts.part_axis.size, 2))
    quaternions = np.empty((parts.run_mixed.size, 4))
    for client in range(into_w.shape[0]):
        total.fill(0.0)
        by_w.fill(0.0)
        weights, into_weights = w[client], into_w[client]
        inputs, into_inputs = x[client * batch], into_x[client * batch]
        for row in range(client * batch, (client + 1) * batch):
            by_x.fill(0.0)
            for run in range(parts.run_mixed.size):
                if parts.run_mixed[run]:
                    for part in range(parts.run_parts[run], parts.run_parts[run + 1]):
                        for entry in range(2):
                            at = (2 * part + entry) * lanes + row % lanes
                            own[part, entry] = turns[row // lanes, at]
                    _unwind(parts, run, slopes[row, run], own, by_x, by_w)
                else:
                    for axis in range(3):
                        total[run, axis] += slopes[row, run, axis]
            inputs, into_inputs = x[row], into_x[row]
            for column in range(by_x.size):
                pull(columns, column, inputs, weights, by_x[column], into_inputs, into_weights)
        # from here on any example's inputs will do, as nothing depends on them
        for column in range(own_w.size):
            own_w[column] = read(columns, columns.mixed + column, inputs, weights)
        for run in range(parts.run_mixed.size):
            if not parts.run_mixed[run]:
                multiply(parts, run, own_x, own_w, own, quaternions)
                _unwind(parts, run, total[run], own, by_x, by_w)
        for column in range(by_w.size):
            number = columns.mixed + column
            pull(columns, number, inputs, weights, by_w[column], into_inputs, into_weights)
