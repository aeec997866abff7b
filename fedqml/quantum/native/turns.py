"""The compiled loops between angles and runs of turns, in float64 and example by example."""

import math
from typing import no_type_check

import numba
import numpy as np

_kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
_inlined = numba.njit(nogil=True, error_model="numpy", forceinline=True)


@_inlined
@no_type_check
def _multiply(tape, mixed, x, w, turns, quaternions):
    """Compute the turns of a row, and multiply them to runs: the mixed ones or the others."""
    for run in range(tape.run_mixed.size):
        if tape.run_mixed[run] != mixed:
            continue
        a, b, c, d = 1.0, 0.0, 0.0, 0.0
        for part in range(tape.run_parts[run], tape.run_parts[run + 1]):
            axis = tape.part_axis[part]
            p = tape.part_quaternion[part, 0]
            q = tape.part_quaternion[part, 1]
            r = tape.part_quaternion[part, 2]
            s = tape.part_quaternion[part, 3]
            if axis < 3:
                column = tape.part_column[part]
                value = x[column] if tape.part_input[part] else w[column]
                half = 0.5 * (tape.part_scale[part] * value + tape.part_offset[part])
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
        place = tape.run_place[run]
        quaternions[place, 0] = a
        quaternions[place, 1] = b
        quaternions[place, 2] = c
        quaternions[place, 3] = d


@_kernel
@no_type_check
def prepare(tape, batch, x, w, shared_turns, shared, own_turns, own):
    """Compute what all amplitudes share, in float64.

    Args:
        tape: the circuit.
        batch: how many examples a client has.
        x: inputs; (rows, columns).
        w: weights; (clients, columns).
        shared_turns: receives cos θ/2 and sin θ/2 of each client; (clients, parts, 2).
        shared: receives the quaternions of the runs that are not mixed; (clients, runs, 4).
        own_turns: receives cos θ/2 and sin θ/2 of each example; (rows, parts, 2).
        own: receives the quaternions of the mixed runs; (rows, runs, 4).
    """
    for client in range(w.shape[0]):
        _multiply(tape, False, w[client], w[client], shared_turns[client], shared[client])
    for row in range(x.shape[0]):
        _multiply(tape, True, x[row], w[row // batch], own_turns[row], own[row])


@_inlined
@no_type_check
def _unwind(tape, run, slope, turns, into_x, into_w):
    """Distribute the slopes behind a run to the angles in it, from the last to the first."""
    for part in range(tape.run_parts[run + 1] - 1, tape.run_parts[run] - 1, -1):
        axis = tape.part_axis[part]
        if axis < 3:
            term = tape.part_scale[part] * slope[axis]
            if tape.part_input[part]:
                into_x[tape.part_column[part]] += term
            else:
                into_w[tape.part_column[part]] += term
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


@_kernel
@no_type_check
def collect(tape, batch, slopes, shared_turns, own_turns, into_x, into_w):
    """Turn the slopes of runs into gradients of inputs and weights.

    Weights' gradients are summed example by example in float64, so that they depend neither on
    the number of threads nor on what else is evaluated.

    Args:
        tape: the circuit.
        batch: how many examples a client has.
        slopes: of ``differentiate``; (rows, runs, 3). Overwritten.
        shared_turns: cosines and sines of each client; (clients, parts, 2).
        own_turns: those of each example; (rows, parts, 2).
        into_x: receives the gradient; zeros of (rows, columns).
        into_w: receives the gradient; zeros of (clients, columns).
    """
    total = np.empty((tape.run_mixed.size, 3))
    for client in range(into_w.shape[0]):
        total[:] = 0.0
        for row in range(client * batch, (client + 1) * batch):
            for run in range(tape.run_mixed.size):
                if tape.run_mixed[run]:
                    _unwind(
                        tape, run, slopes[row, run], own_turns[row], into_x[row], into_w[client]
                    )
                else:
                    for axis in range(3):
                        total[run, axis] += slopes[row, run, axis]
        for run in range(tape.run_mixed.size):
            if not tape.run_mixed[run]:
                _unwind(tape, run, total[run], shared_turns[client], into_x[0], into_w[client])
