"""The compiled loops of the state-vector simulation.

A vector's lanes are examples: every amplitude is a vector of real parts and one of imaginary
parts, amplitude i of a state at 2iW and (2i + 1)W of a flat array, W being the number of lanes.
What happens to an example therefore never depends on which others are there.
"""

from typing import no_type_check

import numpy as np

from fedqml.quantum.native.compiled import inlined, kernel
from fedqml.quantum.native.lanes import accumulate, load, odd, splat, store, width
from fedqml.quantum.native.turns import multiply

# Sums of this many terms are taken in the state's precision, and those of the sums in float64.
_PARTIAL = 64


@inlined
@no_type_check
def _lay_out(tape, first, last, batch, x, w, known, turns, quaternions, matrices, own_turns):
    """Lay out the runs of a group's examples as lanes; missing examples repeat the last one.

    Returns the client whose runs are in ``quaternions``, which was ``known`` before.
    """
    lanes = width(matrices)
    for lane in range(lanes):
        row = min(first + lane, last)
        client = row // batch
        for run in range(tape.run_mixed.size):
            if tape.run_mixed[run]:
                own = own_turns[min(row, own_turns.shape[0] - 1)]
                multiply(tape, run, x[row], w[client], own, quaternions)
            elif client != known:
                multiply(tape, run, x[row], w[client], turns, quaternions)
            for entry in range(4):
                matrices[(4 * run + entry) * lanes + lane] = quaternions[run, entry]
        known = client
    return known


@inlined
@no_type_check
def _product_state(tape, matrices, state):
    """Write the state in which the first runs leave |0...0>."""
    lanes = width(state)
    store(state, 0, splat(state, 1.0))
    store(state, lanes, splat(state, 0.0))
    for qubit in range(tape.qubits):
        # |0> becomes a|0> + b|1>, a = q0 - i q3, b = q2 - i q1
        a_re = load(matrices, (4 * qubit) * lanes)
        b_im = load(matrices, (4 * qubit + 1) * lanes)
        b_re = load(matrices, (4 * qubit + 2) * lanes)
        a_im = load(matrices, (4 * qubit + 3) * lanes)
        for number in range(1 << qubit):
            # from behind, as amplitude k makes room for 2k and 2k + 1
            k = (1 << qubit) - 1 - number
            re = load(state, 2 * k * lanes)
            im = load(state, (2 * k + 1) * lanes)
            store(state, 4 * k * lanes, re * a_re + im * a_im)
            store(state, (4 * k + 1) * lanes, im * a_re - re * a_im)
            store(state, (4 * k + 2) * lanes, re * b_re + im * b_im)
            store(state, (4 * k + 3) * lanes, im * b_re - re * b_im)


@inlined
@no_type_check
def _turn(state, i, j, q0, q1, q2, q3):
    """Apply q0 - i(q1 X + q2 Y + q3 Z) to the amplitudes at two offsets."""
    lanes = width(state)
    a = load(state, i)
    b = load(state, i + lanes)
    c = load(state, j)
    d = load(state, j + lanes)
    store(state, i, q0 * a + q3 * b - q2 * c + q1 * d)
    store(state, i + lanes, q0 * b - q3 * a - q2 * d - q1 * c)
    store(state, j, q2 * a + q1 * b + q0 * c - q3 * d)
    store(state, j + lanes, q2 * b - q1 * a + q0 * d + q3 * c)


@inlined
@no_type_check
def _apply(pairs, run, role, matrix, matrices, state):
    lanes = width(state)
    q0 = load(matrices, (4 * matrix) * lanes)
    q1 = load(matrices, (4 * matrix + 1) * lanes)
    q2 = load(matrices, (4 * matrix + 2) * lanes)
    q3 = load(matrices, (4 * matrix + 3) * lanes)
    for pair in range(pairs.shape[1]):
        i = 2 * lanes * pairs[run, pair, role]
        j = 2 * lanes * pairs[run, pair, 1 - role]
        _turn(state, i, j, q0, q1, q2, q3)


@inlined
@no_type_check
def _undo(pairs, run, role, matrix, matrices, state, costate, slopes):
    """Take a run back from both states, after adding Im⟨costate|σ|state⟩, σ = X, Y, Z."""
    lanes = width(state)
    zero = splat(state, 0.0)
    q0 = load(matrices, (4 * matrix) * lanes)
    q1 = zero - load(matrices, (4 * matrix + 1) * lanes)
    q2 = zero - load(matrices, (4 * matrix + 2) * lanes)
    q3 = zero - load(matrices, (4 * matrix + 3) * lanes)
    x, y, z = zero, zero, zero
    for pair in range(pairs.shape[1]):
        i = 2 * lanes * pairs[run, pair, role]
        j = 2 * lanes * pairs[run, pair, 1 - role]
        x, y, z = _inner(state, costate, i, j, x, y, z)
        _turn(state, i, j, q0, q1, q2, q3)
        _turn(costate, i, j, q0, q1, q2, q3)
    accumulate(slopes, (3 * matrix) * lanes, x)
    accumulate(slopes, (3 * matrix + 1) * lanes, y)
    accumulate(slopes, (3 * matrix + 2) * lanes, z)


@inlined
@no_type_check
def _inner(state, costate, i, j, x, y, z):
    lanes = width(state)
    a = load(state, i)
    b = load(state, i + lanes)
    c = load(state, j)
    d = load(state, j + lanes)
    e = load(costate, i)
    f = load(costate, i + lanes)
    g = load(costate, j)
    h = load(costate, j + lanes)
    return (
        x + e * d - f * c + g * b - h * a,
        y - e * c - f * d + g * a + h * b,
        z + e * b - f * a - g * d + h * c,
    )


@inlined
@no_type_check
def _copy(steps, block, source, target, gather):
    """Copy a block's amplitudes to where they lie together, or back."""
    lanes = width(source)
    for k in range(steps.size):
        near = 2 * lanes * k
        far = 2 * lanes * (block ^ steps[k])
        i, j = (far, near) if gather else (near, far)
        store(target, j, load(source, i))
        store(target, j + lanes, load(source, i + lanes))


@inlined
@no_type_check
def _evolve(tape, matrices, state, near):
    """Write the state of the whole circuit."""
    _product_state(tape, matrices, state)
    n = tape.qubits
    for number in range(tape.pass_runs.size - 1):
        steps = tape.pass_steps[number]
        for block in tape.pass_blocks[number]:
            if tape.pass_blocks.shape[1] > 1:
                _copy(steps, block, state, near, True)
            target = near if tape.pass_blocks.shape[1] > 1 else state
            for run in range(tape.pass_runs[number], tape.pass_runs[number + 1]):
                role = odd(block & tape.run_read[run - n])
                _apply(tape.run_pairs, run - n, role, run, matrices, target)
            if tape.pass_blocks.shape[1] > 1:
                _copy(steps, block, near, state, False)


@inlined
@no_type_check
def _revolve(tape, matrices, state, costate, near, conear, slopes):
    """Go back through the circuit and add up the slopes of every run."""
    n = tape.qubits
    blocked = tape.pass_blocks.shape[1] > 1
    for number in range(tape.pass_runs.size - 2, -1, -1):
        steps = tape.pass_steps[number]
        for block in tape.pass_blocks[number]:
            if blocked:
                _copy(steps, block, state, near, True)
                _copy(steps, block, costate, conear, True)
            target = near if blocked else state
            cotarget = conear if blocked else costate
            for run in range(tape.pass_runs[number + 1] - 1, tape.pass_runs[number] - 1, -1):
                role = odd(block & tape.run_read[run - n])
                _undo(tape.run_pairs, run - n, role, run, matrices, target, cotarget, slopes)
            if blocked:
                _copy(steps, block, near, state, False)
                _copy(steps, block, conear, costate, False)
    _prepared(tape, matrices, state, costate, slopes)


@inlined
@no_type_check
def _contract(matrices, qubit, state):
    """Leave out the last qubit, q, of a state, multiplied by ⟨v| if |v⟩ is how it was prepared."""
    lanes = width(state)
    a_re = load(matrices, (4 * qubit) * lanes)
    b_im = load(matrices, (4 * qubit + 1) * lanes)
    b_re = load(matrices, (4 * qubit + 2) * lanes)
    a_im = load(matrices, (4 * qubit + 3) * lanes)
    for k in range(1 << qubit):
        a = load(state, 4 * k * lanes)
        b = load(state, (4 * k + 1) * lanes)
        c = load(state, (4 * k + 2) * lanes)
        d = load(state, (4 * k + 3) * lanes)
        store(state, 2 * k * lanes, a_re * a - a_im * b + b_re * c - b_im * d)
        store(state, (2 * k + 1) * lanes, a_re * b + a_im * a + b_re * d + b_im * c)


@inlined
@no_type_check
def _prepared(tape, matrices, state, costate, slopes):
    """Add up the slopes of the runs that prepared the qubits; destroys both states.

    The state is a product, |state⟩ = |rest⟩|v⟩, so that one contraction ⟨rest|costate⟩ serves
    all three slopes of the last qubit, and ⟨v|costate⟩ those of the other ones.
    """
    lanes = width(state)
    zero = splat(state, 0.0)
    parts = np.empty(4 * lanes)
    for number in range(tape.qubits):
        qubit = tape.qubits - 1 - number
        _contract(matrices, qubit, state)
        parts.fill(0.0)
        for chunk in range(0, 1 << qubit, _PARTIAL):
            a, b, c, d = zero, zero, zero, zero
            for k in range(chunk, min(chunk + _PARTIAL, 1 << qubit)):
                re = load(state, 2 * k * lanes)
                im = load(state, (2 * k + 1) * lanes)
                e = load(costate, 4 * k * lanes)
                f = load(costate, (4 * k + 1) * lanes)
                g = load(costate, (4 * k + 2) * lanes)
                h = load(costate, (4 * k + 3) * lanes)
                a = a + re * e + im * f
                b = b + re * f - im * e
                c = c + re * g + im * h
                d = d + re * h - im * g
            accumulate(parts, 0, a)
            accumulate(parts, lanes, b)
            accumulate(parts, 2 * lanes, c)
            accumulate(parts, 3 * lanes, d)
        _contract(matrices, qubit, costate)
        for lane in range(lanes):
            a_re = matrices[4 * qubit * lanes + lane]
            b_im = -matrices[(4 * qubit + 1) * lanes + lane]
            b_re = matrices[(4 * qubit + 2) * lanes + lane]
            a_im = -matrices[(4 * qubit + 3) * lanes + lane]
            e, f = parts[lane], parts[lanes + lane]
            g, h = parts[2 * lanes + lane], parts[3 * lanes + lane]
            slopes[3 * qubit * lanes + lane] = e * b_im - f * b_re + g * a_im - h * a_re
            slopes[(3 * qubit + 1) * lanes + lane] = g * a_re + h * a_im - e * b_re - f * b_im
            slopes[(3 * qubit + 2) * lanes + lane] = e * a_im - f * a_re - g * b_im + h * b_re


@inlined
@no_type_check
def _sign(tape, word, state, i):
    return splat(state, 1.0 - 2.0 * odd(i & tape.word_read[word]))


@inlined
@no_type_check
def _word(tape, word, state, i):
    """Return the amplitude at the address i of the state after a Pauli word."""
    lanes = width(state)
    other = i ^ tape.word_flip[word]
    re = load(state, 2 * lanes * other)
    im = load(state, (2 * other + 1) * lanes)
    sign = _sign(tape, word, state, other)
    phase = tape.word_phase[word]
    if phase & 1:  # times i
        re, im = splat(state, 0.0) - im, re
    if phase & 2:  # times -1
        sign = splat(state, 0.0) - sign
    return sign * re, sign * im


@inlined
@no_type_check
def _measure(tape, state, values):
    """Write ⟨P⟩ of every observable as lanes."""
    lanes = width(state)
    values.fill(0.0)
    for word in range(tape.word_flip.size):
        for chunk in range(0, 1 << tape.qubits, _PARTIAL):
            total = splat(state, 0.0)
            end = min(chunk + _PARTIAL, 1 << tape.qubits)
            if tape.word_flip[word] == 0:  # only Z: a sum of probabilities with signs
                for i in range(chunk, end):
                    re, im = load(state, 2 * lanes * i), load(state, (2 * i + 1) * lanes)
                    total = total + _sign(tape, word, state, i) * (re * re + im * im)
            else:
                for i in range(chunk, end):
                    re, im = _word(tape, word, state, i)
                    own_re, own_im = load(state, 2 * lanes * i), load(state, (2 * i + 1) * lanes)
                    total = total + own_re * re + own_im * im
            accumulate(values, word * lanes, total)


@inlined
@no_type_check
def _seed(tape, cotangents, state, costate):
    """Write Σ_P g_P P|state⟩."""
    lanes = width(state)
    for i in range(1 << tape.qubits):
        factor = splat(state, 0.0)
        for word in range(tape.word_flip.size):
            if tape.word_flip[word] == 0:
                factor = factor + _sign(tape, word, state, i) * load(cotangents, word * lanes)
        store(costate, 2 * lanes * i, factor * load(state, 2 * lanes * i))
        store(costate, (2 * i + 1) * lanes, factor * load(state, (2 * i + 1) * lanes))
    for word in range(tape.word_flip.size):
        if tape.word_flip[word] != 0:
            cotangent = load(cotangents, word * lanes)
            for i in range(1 << tape.qubits):
                re, im = _word(tape, word, state, i)
                at = 2 * lanes * i
                store(costate, at, load(costate, at) + cotangent * re)
                store(costate, at + lanes, load(costate, at + lanes) + cotangent * im)


@kernel
@no_type_check
def evaluate(tape, batch, x, w, groups, scratch, states, out):
    """Evaluate groups of examples, as many to a group as a vector has lanes.

    Args:
        tape: the circuit.
        batch: how many examples a client has.
        x: inputs; (rows, columns).
        w: weights; (clients, columns).
        groups: the first one, and the one after the last.
        scratch: memory, (matrices, state, block, cotangents), flat.
        states: receives the groups' states, if it has rows; (groups, size).
        out: receives the expectation values; (rows, observables).
    """
    matrices, state, near, _ = scratch
    lanes = width(state)
    last = out.shape[0] - 1
    turns = np.empty((1, tape.part_axis.size, 2))
    quaternions = np.empty((tape.run_mixed.size, 4))
    values = np.empty(out.shape[1] * lanes)
    client = np.int64(-1)  # none yet
    for group in range(groups[0], groups[1]):
        first = group * lanes
        client = _lay_out(
            tape, first, last, batch, x, w, client, turns[0], quaternions, matrices, turns
        )
        target = states[group] if states.shape[0] > 0 else state
        _evolve(tape, matrices, target, near)
        _measure(tape, target, values)
        for row in range(first, min(first + lanes, last + 1)):
            for word in range(out.shape[1]):
                out[row, word] = values[word * lanes + row - first]


@kernel
@no_type_check
def differentiate(tape, batch, x, w, groups, scratch, states, cotangents, turns, out):
    """Compute the slopes of groups of examples.

    Args:
        tape: the circuit.
        batch: how many examples a client has.
        x: inputs; (rows, columns).
        w: weights; (clients, columns).
        groups: the first one, and the one after the last.
        scratch: memory, (matrices, state, block, costate, block, cotangents), flat.
        states: what ``evaluate`` wrote there; without rows, states are evolved once more.
        cotangents: of the expectation values; (rows, observables).
        turns: receives cos θ/2 and sin θ/2 of the parts of mixed runs; (rows, parts, 2).
        out: receives Im⟨costate|σ|state⟩ behind each run, σ = X, Y, Z; (rows, runs, 3).
    """
    matrices, state, near, costate, conear, seeds = scratch
    lanes = width(state)
    last = out.shape[0] - 1
    shared_turns = np.empty((tape.part_axis.size, 2))
    quaternions = np.empty((tape.run_mixed.size, 4))
    slopes = np.empty(3 * tape.run_mixed.size * lanes)
    client = np.int64(-1)  # none yet
    for group in range(groups[0], groups[1]):
        first = group * lanes
        client = _lay_out(
            tape, first, last, batch, x, w, client, shared_turns, quaternions, matrices, turns
        )
        for word in range(cotangents.shape[1]):
            for lane in range(lanes):
                seeds[word * lanes + lane] = cotangents[min(first + lane, last), word]
        if states.shape[0] > 0:
            for k in range(0, state.size, lanes):
                store(state, k, load(states[group], k))
        else:
            _evolve(tape, matrices, state, near)
        _seed(tape, seeds, state, costate)
        slopes.fill(0.0)
        _revolve(tape, matrices, state, costate, near, conear, slopes)
        for row in range(first, min(first + lanes, last + 1)):
            for run in range(out.shape[1]):
                for axis in range(3):
                    out[row, run, axis] = slopes[(3 * run + axis) * lanes + row - first]
