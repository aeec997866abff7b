"""The compiled loops of the state-vector simulation.

A vector's lanes are examples: every amplitude is a vector of real parts and one of imaginary
parts, amplitude i of a state at 2iW and (2i + 1)W of a flat array, W being the number of lanes.
What happens to an example therefore never depends on which others are there.
"""

from typing import no_type_check

import numba

from fedqml.quantum.native.lanes import accumulate, load, odd, splat, store, width

_kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
_inlined = numba.njit(nogil=True, error_model="numpy", forceinline=True)

# Sums of this many terms are taken in the state's precision, and those of the sums in float64.
_PARTIAL = 64


@_inlined
@no_type_check
def _fill(tape, first, last, batch, shared, own, matrices):
    """Lay out the runs of a group's examples as lanes; missing examples repeat the last one."""
    lanes = width(matrices)
    for run in range(tape.run_mixed.size):
        place = tape.run_place[run]
        for entry in range(4):
            at = (4 * run + entry) * lanes
            if tape.run_mixed[run]:
                for lane in range(lanes):
                    matrices[at + lane] = own[min(first + lane, last), place, entry]
            else:
                for lane in range(lanes):
                    client = min(first + lane, last) // batch
                    matrices[at + lane] = shared[client, place, entry]


@_inlined
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


@_inlined
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


@_inlined
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


@_inlined
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


@_inlined
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


@_inlined
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


@_kernel
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


@_kernel
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
    _prepared(tape, state, costate, slopes)


@_inlined
@no_type_check
def _prepared(tape, state, costate, slopes):
    """Add up the slopes of the runs that prepared the qubits."""
    lanes = width(state)
    for qubit in range(tape.qubits):
        stride = 1 << (tape.qubits - 1 - qubit)
        for start in range(0, 1 << tape.qubits, 2 * stride):
            for chunk in range(start, start + stride, _PARTIAL):
                x = splat(state, 0.0)
                y, z = x, x
                for k in range(chunk, min(chunk + _PARTIAL, start + stride)):
                    i = 2 * lanes * k
                    x, y, z = _inner(state, costate, i, i + 2 * lanes * stride, x, y, z)
                accumulate(slopes, (3 * qubit) * lanes, x)
                accumulate(slopes, (3 * qubit + 1) * lanes, y)
                accumulate(slopes, (3 * qubit + 2) * lanes, z)


@_inlined
@no_type_check
def _word(tape, word, state, i):
    """Return the amplitude at the address i of the state after a Pauli word."""
    lanes = width(state)
    other = i ^ tape.word_flip[word]
    re = load(state, 2 * lanes * other)
    im = load(state, (2 * other + 1) * lanes)
    sign = splat(state, 1.0 - 2.0 * odd(other & tape.word_read[word]))
    phase = tape.word_phase[word]
    if phase % 2 == 1:  # times i
        re, im = splat(state, 0.0) - im, re
    if phase >= 2:  # times -1
        sign = splat(state, 0.0) - sign
    return sign * re, sign * im


@_inlined
@no_type_check
def _measure(tape, state, values):
    """Write ⟨P⟩ of every observable as lanes."""
    lanes = width(state)
    values[:] = 0.0
    for word in range(tape.word_flip.size):
        for chunk in range(0, 1 << tape.qubits, _PARTIAL):
            total = splat(state, 0.0)
            for i in range(chunk, min(chunk + _PARTIAL, 1 << tape.qubits)):
                re, im = _word(tape, word, state, i)
                own_re, own_im = load(state, 2 * lanes * i), load(state, (2 * i + 1) * lanes)
                total = total + own_re * re + own_im * im
            accumulate(values, word * lanes, total)


@_inlined
@no_type_check
def _seed(tape, cotangents, state, costate):
    """Write Σ_P g_P P|state⟩."""
    lanes = width(state)
    for i in range(1 << tape.qubits):
        total_re = splat(state, 0.0)
        total_im = total_re
        for word in range(tape.word_flip.size):
            re, im = _word(tape, word, state, i)
            cotangent = load(cotangents, word * lanes)
            total_re = total_re + cotangent * re
            total_im = total_im + cotangent * im
        store(costate, 2 * lanes * i, total_re)
        store(costate, (2 * i + 1) * lanes, total_im)


@_kernel
@no_type_check
def evaluate(tape, batch, shared, own, groups, scratch, values, out):
    """Evaluate groups of examples.

    Args:
        tape: the circuit.
        batch: how many examples a client has.
        shared: the runs of each client; (clients, runs, 4).
        own: the mixed runs of each example; (rows, runs, 4).
        groups: the first and the last but one group.
        scratch: memory, (matrices, state, block, cotangents), flat.
        values: memory, float64; (observables * lanes,).
        out: receives the expectation values; (rows, observables).
    """
    matrices, state, near, _ = scratch
    lanes = width(state)
    last = out.shape[0] - 1
    for group in range(groups[0], groups[1]):
        first = group * lanes
        _fill(tape, first, last, batch, shared, own, matrices)
        _evolve(tape, matrices, state, near)
        _measure(tape, state, values)
        for row in range(first, min(first + lanes, last + 1)):
            for word in range(out.shape[1]):
                out[row, word] = values[word * lanes + row - first]


@_kernel
@no_type_check
def differentiate(tape, batch, shared, own, groups, scratch, sums, cotangents, out):
    """Compute the slopes of groups of examples.

    Args:
        tape: the circuit.
        batch: how many examples a client has.
        shared: the runs of each client; (clients, runs, 4).
        own: the mixed runs of each example; (rows, runs, 4).
        groups: the first and the last but one group.
        scratch: memory, (matrices, state, block, costate, block, cotangents), flat.
        sums: memory, float64; (runs * 3 * lanes,).
        cotangents: of the expectation values; (rows, observables).
        out: receives Im⟨costate|σ|state⟩ behind each run, σ = X, Y, Z; (rows, runs, 3).
    """
    matrices, state, near, costate, conear, seeds = scratch
    lanes = width(state)
    last = out.shape[0] - 1
    for group in range(groups[0], groups[1]):
        first = group * lanes
        _fill(tape, first, last, batch, shared, own, matrices)
        for word in range(cotangents.shape[1]):
            for lane in range(lanes):
                seeds[word * lanes + lane] = cotangents[min(first + lane, last), word]
        _evolve(tape, matrices, state, near)
        _seed(tape, seeds, state, costate)
        sums[:] = 0.0
        _revolve(tape, matrices, state, costate, near, conear, sums)
        for row in range(first, min(first + lanes, last + 1)):
            for run in range(out.shape[1]):
                for axis in range(3):
                    out[row, run, axis] = sums[(3 * run + axis) * lanes + row - first]
