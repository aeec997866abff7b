"""The compiled loops between angles and runs of turns, in float64 and example by example."""

import math
from typing import no_type_check

import numpy as np

from fedqml.quantum.native.compiled import inlined, kernel
from fedqml.quantum.native.lanes import width


@inlined
@no_type_check
def multiply(tape, run, x, w, turns, quaternions):
    """Compute the turns of a run, and their product.

    Args:
        tape: the circuit.
        run: its number.
        x: inputs of an example; (columns,).
        w: its client's weights; (columns,).
        turns: receives cos θ/2 and sin θ/2 of the run's parts; (parts, 2).
        quaternions: receives the product in a row; (runs, 4).
    """
    a, b, c, d = 1.0, 0.0, 0.0, 0.0
    for part in range(tape.run_parts[run], tape.run_parts[run + 1]):
        axis = tape.part_axis[part]
        p = tape.part_quaternion[part, 0]
        q = tape.part_quaternion[part, 1]
        r = tape.part_quaternion[part, 2]
        s = tape.part_quaternion[part, 3]
        if axis < 3:
            angle = tape.part_offset[part]
            for term in range(tape.part_terms[part], tape.part_terms[part + 1]):
                column = tape.term_column[term]
                value = x[column] if tape.term_input[term] else w[column]
                angle += tape.term_scale[term] * value
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
def _unwind(tape, run, slope, turns, into_x, into_w):
    """Distribute the slopes behind a run to the angles in it, from the last to the first."""
    for part in range(tape.run_parts[run + 1] - 1, tape.run_parts[run] - 1, -1):
        axis = tape.part_axis[part]
        if axis < 3:
            for term in range(tape.part_terms[part], tape.part_terms[part + 1]):
                share = tape.term_scale[term] * slope[axis]
                if tape.term_input[term]:
                    into_x[tape.term_column[term]] += share
                else:
                    into_w[tape.term_column[term]] += share
            # in front of the turn the axes stand turned back by θ
            c, s = turns[part, 0], turns[part, 1]
            cosine, sine = c * c - s * s, 2.0 * c * s
            u, v = (axis + 1) % 3, (axis + 2) % 3
            slope[u], slope[v] = (
                cosine * slope[u] + sine * slope[v],
                (cosine * slope[v] - sine * slope[u]),
            )
        else:
            a = tape.part_quaternion[part, 0]
            q = tape.part_quaternion[part, 1:]
            # v -> (a² - q·q) v + 2 (q·v) q - 2a q×v, the inverse rotation
            dot = q[0] * slope[0] + q[1] * slope[1] + q[2] * slope[2]
            norm = a * a - q[0] * q[0] - q[1] * q[1] - q[2] * q[2]
            x, y, z = slope[0], slope[1], slope[2]
            slope[0] = norm * x + 2 * dot * q[0] - 2 * a * (q[1] * z - q[2] * y)
            slope[1] = norm * y + 2 * dot * q[1] - 2 * a * (q[2] * x - q[0] * z)
            slope[2] = norm * z + 2 * dot * q[2] - 2 * a * (q[0] * y - q[1] * x)


@kernel
@no_type_check
def lay_out(tape, batch, x, w, groups, matrices, turns):
    """Compute the runs of groups of examples, as many to a group as a vector has lanes.

    An example is a lane; those missing in the last group repeat the last one.

    Args:
        tape: the circuit.
        batch: how many examples a client has.
        x: inputs; (rows, columns).
        w: weights; (clients, columns).
        groups: the first one, and the one after the last.
        matrices: receives every run's quaternion; (groups, runs · 4 · lanes).
        turns: receives cos θ/2 and sin θ/2 of the parts of mixed runs; (groups, parts · 2 · lanes).
    """
    lanes = width(matrices)
    own = np.empty((tape.part_axis.size, 2))
    quaternions = np.empty((tape.run_mixed.size, 4))
    known = np.int64(-1)  # whose quaternions of runs that are not mixed are there: none's yet
    for group in range(groups[0], groups[1]):
        for lane in range(lanes):
            row = min(group * lanes + lane, x.shape[0] - 1)
            client = row // batch
            for run in range(tape.run_mixed.size):
                if tape.run_mixed[run] or client != known:
                    multiply(tape, run, x[row], w[client], own, quaternions)
                for entry in range(4):
                    matrices[group, (4 * run + entry) * lanes + lane] = quaternions[run, entry]
            for part in range(tape.part_axis.size):
                for entry in range(2):
                    turns[group, (2 * part + entry) * lanes + lane] = own[part, entry]
            known = client


@kernel
@no_type_check
def collect(tape, batch, x, w, slopes, turns, into_x, into_w):
    """Turn the slopes of runs into gradients of inputs and weights.

    Weights' gradients are summed example by example in float64, so that they depend neither on
    the number of threads nor on what else is evaluated.

    Args:
        tape: the circuit.
        batch: how many examples a client has.
        x: inputs; (rows, columns).
        w: weights; (clients, columns).
        slopes: from ``differentiate``; (rows, runs, 3). Overwritten.
        turns: from ``lay_out``; (groups, parts · 2 · lanes).
        into_x: receives the gradient; zeros of (rows, columns).
        into_w: receives the gradient; zeros of (clients, columns).
    """
    lanes = width(turns)
    total = np.empty((tape.run_mixed.size, 3))
    own = np.empty((tape.part_axis.size, 2))
    quaternions = np.empty((tape.run_mixed.size, 4))
    for client in range(into_w.shape[0]):
        total.fill(0.0)
        for row in range(client * batch, (client + 1) * batch):
            for part in range(tape.part_axis.size):
                for entry in range(2):
                    at = (2 * part + entry) * lanes + row % lanes
                    own[part, entry] = turns[row // lanes, at]
            for run in range(tape.run_mixed.size):
                if tape.run_mixed[run]:
                    _unwind(tape, run, slopes[row, run], own, into_x[row], into_w[client])
                else:
                    for axis in range(3):
                        total[run, axis] += slopes[row, run, axis]
        row = client * batch  # any of them, as nothing here depends on inputs
        for run in range(tape.run_mixed.size):
            if not tape.run_mixed[run]:
                multiply(tape, run, x[row], w[client], own, quaternions)
                _unwind(tape, run, total[run], own, into_x[row], into_w[client])
