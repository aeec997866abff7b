"""The compiled loops of the state-vector simulation.

A vector's lanes are examples: every amplitude is a vector of real parts and one of imaginary
parts, amplitude i of a state at 2iW and (2i + 1)W of a flat array, W being the number of lanes.
What happens to an example therefore never depends on which others are there.
"""

from typing import no_type_check

import numpy as np

from fedqml.quantum.native import unpack
from fedqml.quantum.native.compiler.arrays import array, clear
from fedqml.quantum.native.compiler.kernel import kernel
from fedqml.quantum.native.compiler.lanes import accumulate, load, odd, splat, store, width
from fedqml.quantum.native.pack import (
    ALIGNED,
    CLIENT_GROUPS,
    GROUPS,
    OBSERVABLES,
    ROWS,
    RUNS,
    SLOTS,
    WORK,
)
from fedqml.quantum.native.turns import fill, seat, table_size
from fedqml.quantum.native.unpack import packed_at, table

# Sums of this many terms are taken in the state's precision, and those of the sums in float64.
_PARTIAL = 64


@no_type_check
def _near_size(passes, lanes):
    """Return the size of the memory for a block, of which a whole state has no need."""
    return 2 * lanes * passes.stride_places.shape[1] if passes.pass_blocks.shape[1] > 1 else 0


@no_type_check
def _near(passes, state, memory):
    """Return where a block is worked on."""
    size = _near_size(passes, width(state))
    return memory[:size] if size > 0 else state


@no_type_check
def _product_state(passes, matrices, state):
    """Write the state in which the first runs leave |0...0>."""
    lanes = width(state)
    store(state, 0, splat(state, 1.0))
    store(state, lanes, splat(state, 0.0))
    for qubit in range(passes.qubits):
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


@no_type_check
def _amplitudes(state, i, j):
    """Return those at two places: real and imaginary parts in turn."""
    lanes = width(state)
    return load(state, i), load(state, i + lanes), load(state, j), load(state, j + lanes)


@no_type_check
def _put(state, i, j, amplitudes):
    lanes = width(state)
    a, b, c, d = amplitudes
    store(state, i, a)
    store(state, i + lanes, b)
    store(state, j, c)
    store(state, j + lanes, d)


@no_type_check
def _turn(quaternion, amplitudes):
    """Apply q0 - i(q1 X + q2 Y + q3 Z) to two amplitudes."""
    q0, q1, q2, q3 = quaternion
    a, b, c, d = amplitudes
    return (
        q0 * a + q3 * b - q2 * c + q1 * d,
        q0 * b - q3 * a - q2 * d - q1 * c,
        q2 * a + q1 * b + q0 * c - q3 * d,
        q2 * b - q1 * a + q0 * d + q3 * c,
    )


@no_type_check
def _across(low, high):
    """Return of two pairs of amplitudes the first ones, and the second ones."""
    (a, b, c, d), (e, f, g, h) = low, high
    return (a, b, e, f), (c, d, g, h)


@no_type_check
def _turn_two(one, other, low, high):
    """Apply a run to the amplitudes at 00 and 10, and at 01 and 11, then one across."""
    low, high = _across(_turn(one, low), _turn(one, high))
    return _across(_turn(other, low), _turn(other, high))


@no_type_check
def _quaternion(matrices, run):
    lanes = width(matrices)
    at = 4 * run * lanes
    return (
        load(matrices, at),
        load(matrices, at + lanes),
        load(matrices, at + 2 * lanes),
        load(matrices, at + 3 * lanes),
    )


@no_type_check
def _inverse(matrices, run):
    zero = splat(matrices, 0.0)
    q0, q1, q2, q3 = _quaternion(matrices, run)
    return q0, zero - q1, zero - q2, zero - q3


@no_type_check
def _at(lanes, origin, places, number):
    return 2 * lanes * (origin ^ places[number])


@no_type_check
def _apply(run, two, role, matrices, source, origin, places, target, aim, goals):
    """Apply a run, or two, to the amplitudes at origin ⊕ places; write them to aim ⊕ goals.

    Bits of the role are 1 for runs whose qubit is 1 at the first of the places.
    """
    lanes, one = width(source), _quaternion(matrices, run)
    if two:
        other = _quaternion(matrices, run + 1)
        for quad in range(0, places.size, 4):
            a, b, c, d = quad + role, quad + (role ^ 1), quad + (role ^ 2), quad + (role ^ 3)
            at = (lanes, origin, places)
            low = _amplitudes(source, _at(*at, a), _at(*at, b))
            high = _amplitudes(source, _at(*at, c), _at(*at, d))
            low, high = _turn_two(one, other, low, high)
            to = (lanes, aim, goals)
            _put(target, _at(*to, a), _at(*to, b), low)
            _put(target, _at(*to, c), _at(*to, d), high)
    else:
        for pair in range(0, places.size, 2):
            a, b = pair + role, pair + (role ^ 1)
            i, j = _at(lanes, origin, places, a), _at(lanes, origin, places, b)
            u, v = _at(lanes, aim, goals, a), _at(lanes, aim, goals, b)
            _put(target, u, v, _turn(one, _amplitudes(source, i, j)))


@no_type_check
def _undo(
    run, two, role, matrices, source, cosource, origin, places, target, cotarget, aim, goals, slopes
):
    """Take a run, or two, back from both states, after adding Im⟨costate|σ|state⟩, σ = X, Y, Z.

    Amplitudes are read and written as by ``_apply``.
    """
    lanes, one = width(source), _inverse(matrices, run)
    zero = splat(source, 0.0)
    for chunk in range(0, places.size, 2 * _PARTIAL):
        end = min(chunk + 2 * _PARTIAL, places.size)
        sums, others = (zero, zero, zero), (zero, zero, zero)
        if two:
            other = _inverse(matrices, run + 1)
            for quad in range(chunk, end, 4):
                a, b, c, d = quad + role, quad + (role ^ 1), quad + (role ^ 2), quad + (role ^ 3)
                at = (lanes, origin, places)
                i, j, k, m = _at(*at, a), _at(*at, b), _at(*at, c), _at(*at, d)
                low, high = _amplitudes(source, i, k), _amplitudes(source, j, m)
                colow, cohigh = _amplitudes(cosource, i, k), _amplitudes(cosource, j, m)
                others = _inner(high, cohigh, _inner(low, colow, others))
                low, high = _across(_turn(other, low), _turn(other, high))
                colow, cohigh = _across(_turn(other, colow), _turn(other, cohigh))
                sums = _inner(high, cohigh, _inner(low, colow, sums))
                to = (lanes, aim, goals)
                i, j, k, m = _at(*to, a), _at(*to, b), _at(*to, c), _at(*to, d)
                _put(target, i, j, _turn(one, low))
                _put(target, k, m, _turn(one, high))
                _put(cotarget, i, j, _turn(one, colow))
                _put(cotarget, k, m, _turn(one, cohigh))
            _add(slopes, run + 1, lanes, others)
        else:
            for pair in range(chunk, end, 2):
                a, b = pair + role, pair + (role ^ 1)
                i, j = _at(lanes, origin, places, a), _at(lanes, origin, places, b)
                own, coown = _amplitudes(source, i, j), _amplitudes(cosource, i, j)
                sums = _inner(own, coown, sums)
                i, j = _at(lanes, aim, goals, a), _at(lanes, aim, goals, b)
                _put(target, i, j, _turn(one, own))
                _put(cotarget, i, j, _turn(one, coown))
        _add(slopes, run, lanes, sums)


@no_type_check
def _add(slopes, run, lanes, sums):
    x, y, z = sums
    accumulate(slopes, (3 * run) * lanes, x)
    accumulate(slopes, (3 * run + 1) * lanes, y)
    accumulate(slopes, (3 * run + 2) * lanes, z)


@no_type_check
def _inner(amplitudes, coamplitudes, sums):
    (a, b, c, d), (e, f, g, h), (x, y, z) = amplitudes, coamplitudes, sums
    return (
        x + e * d - f * c + g * b - h * a,
        y - e * c - f * d + g * a + h * b,
        z + e * b - f * a - g * d + h * c,
    )


@no_type_check
def _role(passes, run, two, block):
    """Return which of the runs' qubits are 1 at a block's first address."""
    role = odd(block & passes.run_read[run - passes.qubits])
    return role + 2 * odd(block & passes.run_read[run + 1 - passes.qubits]) if two else role


@no_type_check
def _evolve(passes, matrices, state, near):
    """Write the state of the whole circuit."""
    _product_state(passes, matrices, state)
    for number in range(passes.pass_strides.size - 1):
        start, end = passes.pass_strides[number], passes.pass_strides[number + 1]
        for place in range(passes.pass_blocks.shape[1]):
            block = passes.pass_blocks[number, place]
            for stride in range(start, end):
                run, places = passes.stride_runs[stride], passes.stride_places[stride]
                two = passes.stride_runs[stride + 1] - run > 1
                role = _role(passes, run, two, block)
                if start < stride < end - 1:  # as below, but quicker with one address, not two
                    _apply(run, two, role, matrices, near, 0, places, near, 0, places)
                    continue
                source, origin, goals = near, 0, places
                target, aim = near, 0
                if stride == start:  # fetches the block
                    source, origin, places = state, block, passes.pass_first[number]
                if stride == end - 1:  # takes it back
                    target, aim, goals = state, block, passes.pass_last[number]
                _apply(run, two, role, matrices, source, origin, places, target, aim, goals)


@no_type_check
def _revolve(passes, matrices, final, state, costate, near, conear, parts, slopes):
    """Go back through the circuit and add up the slopes of every run."""
    known = final
    for number in range(passes.pass_strides.size - 2, -1, -1):
        start, end = passes.pass_strides[number], passes.pass_strides[number + 1]
        for place in range(passes.pass_blocks.shape[1]):
            block = passes.pass_blocks[number, place]
            for stride in range(end - 1, start - 1, -1):
                run, places = passes.stride_runs[stride], passes.stride_places[stride]
                two = passes.stride_runs[stride + 1] - run > 1
                role = _role(passes, run, two, block)
                if start < stride < end - 1:
                    here = (near, conear, 0, places)
                    _undo(run, two, role, matrices, *here, *here, slopes)
                    continue
                source, cosource, origin, goals = near, conear, 0, places
                target, cotarget, aim = near, conear, 0
                if stride == end - 1:
                    source, cosource, origin = known, costate, block
                    places = passes.pass_last[number]
                if stride == start:
                    target, cotarget, aim = state, costate, block
                    goals = passes.pass_first[number]
                there, aims = (source, cosource, origin, places), (target, cotarget, aim, goals)
                _undo(run, two, role, matrices, *there, *aims, slopes)
        known = state
    _prepared(passes, matrices, known, state, costate, parts, slopes)


@no_type_check
def _prepared(passes, matrices, final, state, costate, parts, slopes):
    """Add up the slopes of the runs that prepared the qubits; destroys both states.

    The final state is a product, |rest⟩|v⟩, so that one contraction ⟨rest|costate⟩ serves all
    three slopes of the last qubit, and ⟨v|costate⟩ those of the other ones.
    """
    lanes = width(state)
    zero = splat(state, 0.0)
    source = final
    for number in range(passes.qubits):
        qubit = passes.qubits - 1 - number
        a_re = load(matrices, (4 * qubit) * lanes)
        b_im = load(matrices, (4 * qubit + 1) * lanes)
        b_re = load(matrices, (4 * qubit + 2) * lanes)
        a_im = load(matrices, (4 * qubit + 3) * lanes)
        clear(parts)
        for chunk in range(0, 1 << qubit, _PARTIAL):
            a, b, c, d = zero, zero, zero, zero
            for k in range(chunk, min(chunk + _PARTIAL, 1 << qubit)):
                e = load(source, 4 * k * lanes)
                f = load(source, (4 * k + 1) * lanes)
                g = load(source, (4 * k + 2) * lanes)
                h = load(source, (4 * k + 3) * lanes)
                re = a_re * e - a_im * f + b_re * g - b_im * h
                im = a_re * f + a_im * e + b_re * h + b_im * g
                store(state, 2 * k * lanes, re)
                store(state, (2 * k + 1) * lanes, im)
                e = load(costate, 4 * k * lanes)
                f = load(costate, (4 * k + 1) * lanes)
                g = load(costate, (4 * k + 2) * lanes)
                h = load(costate, (4 * k + 3) * lanes)
                a = a + re * e + im * f
                b = b + re * f - im * e
                c = c + re * g + im * h
                d = d + re * h - im * g
                store(costate, 2 * k * lanes, a_re * e - a_im * f + b_re * g - b_im * h)
                store(costate, (2 * k + 1) * lanes, a_re * f + a_im * e + b_re * h + b_im * g)
            accumulate(parts, 0, a)
            accumulate(parts, lanes, b)
            accumulate(parts, 2 * lanes, c)
            accumulate(parts, 3 * lanes, d)
        for lane in range(lanes):
            v0 = matrices[4 * qubit * lanes + lane]
            v1 = -matrices[(4 * qubit + 1) * lanes + lane]
            v2 = matrices[(4 * qubit + 2) * lanes + lane]
            v3 = -matrices[(4 * qubit + 3) * lanes + lane]
            p, q = parts[lane], parts[lanes + lane]
            r, s = parts[2 * lanes + lane], parts[3 * lanes + lane]
            slopes[3 * qubit * lanes + lane] = p * v1 - q * v2 + r * v3 - s * v0
            slopes[(3 * qubit + 1) * lanes + lane] = r * v0 + s * v3 - p * v2 - q * v1
            slopes[(3 * qubit + 2) * lanes + lane] = p * v3 - q * v0 - r * v1 + s * v2
        source = state


@no_type_check
def _sign(passes, word, state, i):
    return splat(state, 1.0 - 2.0 * odd(i & passes.word_read[word]))


@no_type_check
def _word(passes, word, state, i):
    """Return the amplitude at the address i of the state after a Pauli word."""
    lanes = width(state)
    other = i ^ passes.word_flip[word]
    re = load(state, 2 * lanes * other)
    im = load(state, (2 * other + 1) * lanes)
    sign = _sign(passes, word, state, other)
    phase = passes.word_phase[word]
    if phase & 1:  # times i
        re, im = splat(state, 0.0) - im, re
    if phase & 2:  # times -1
        sign = splat(state, 0.0) - sign
    return sign * re, sign * im


@no_type_check
def _measure(passes, state, values):
    """Write ⟨P⟩ of every observable as lanes."""
    lanes = width(state)
    clear(values)
    for chunk in range(0, 1 << passes.qubits, _PARTIAL):
        end = min(chunk + _PARTIAL, 1 << passes.qubits)
        for word in range(values.size // lanes):  # while the chunk is in fast memory
            total = splat(state, 0.0)
            if passes.word_flip[word] == 0:  # only Z: a sum of probabilities with signs
                for i in range(chunk, end):
                    re, im = load(state, 2 * lanes * i), load(state, (2 * i + 1) * lanes)
                    total = total + _sign(passes, word, state, i) * (re * re + im * im)
            else:
                for i in range(chunk, end):
                    re, im = _word(passes, word, state, i)
                    own_re, own_im = load(state, 2 * lanes * i), load(state, (2 * i + 1) * lanes)
                    total = total + own_re * re + own_im * im
            accumulate(values, word * lanes, total)


@no_type_check
def _seed(passes, cotangents, state, costate):
    """Write Σ_P g_P P|state⟩."""
    lanes = width(state)
    for i in range(1 << passes.qubits):
        factor = splat(state, 0.0)
        for word in range(passes.word_flip.size):
            if passes.word_flip[word] == 0:
                factor = factor + _sign(passes, word, state, i) * load(cotangents, word * lanes)
        store(costate, 2 * lanes * i, factor * load(state, 2 * lanes * i))
        store(costate, (2 * i + 1) * lanes, factor * load(state, (2 * i + 1) * lanes))
    for word in range(passes.word_flip.size):
        if passes.word_flip[word] != 0:
            cotangent = load(cotangents, word * lanes)
            for i in range(1 << passes.qubits):
                re, im = _word(passes, word, state, i)
                at = 2 * lanes * i
                store(costate, at, load(costate, at) + cotangent * re)
                store(costate, at + lanes, load(costate, at + lanes) + cotangent * im)


@no_type_check
def _spread(slots, shared, lane, own):
    """Write the quaternions of a client's runs, which are the same for all of its examples."""
    lanes = width(own)
    for number in range(slots.size):
        run = slots[number]
        for k in range(4 * run, 4 * run + 4):
            store(own, k * lanes, splat(own, shared[k * lanes + lane]))


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
        stride: how much of the latter a group has; if it ends with its table, its state is only in
            memory.
        memory: its address, for a state and a block.
        out: receives the expectation values, unless it is 0; (rows, observables).
        share: whether to compute the tables of clients.
        first: the first group.
        end: the one after the last.
    """
    packed = packed_at(address)
    passes, lanes, item = unpack.passes(packed), width(like), like.itemsize
    slots = table(packed, SLOTS, 1, np.int64)
    size, whole, own_groups = (
        table_size(packed, lanes),
        2 * lanes << passes.qubits,
        packed[CLIENT_GROUPS],
    )
    shared = array(kept, (own_groups, size), like.dtype)
    places = kept + shared.size * item
    rows = array(memory, (lanes,), np.int64)
    clients = array(memory + 8 * lanes, (lanes,), np.int64)
    # measured values take the place of angles
    observables = packed[OBSERVABLES] if out else 0
    values = array(memory + 16 * lanes, (observables * lanes,), np.float64)
    found = array(out, (packed[ROWS], packed[OBSERVABLES]), like.dtype)
    near_at = memory + 8 * packed[WORK]
    near = array(near_at + whole * item, (_near_size(passes, lanes),), like.dtype)
    known = packed[ROWS]  # nobody
    for step in range(-own_groups if share else first, end):
        of_clients, group, place = step < 0, step, places + step * stride * item
        if of_clients:
            group, place = step + own_groups, kept + (step + own_groups) * size * item
        client = fill(like, packed, x, w, of_clients, group, known, memory, place)
        if of_clients:
            continue
        own = array(place, (size,), like.dtype)
        known = packed[ROWS] if observables else client
        if packed[ALIGNED] == 1:
            _spread(slots, shared[client // lanes], client % lanes, own)
        state = array(place + size * item if stride > size else near_at, (whole,), like.dtype)
        _evolve(passes, own, state, _near(passes, state, near))
        _measure(passes, state, values)
        here = seat(packed, group, rows, clients)
        for lane in range(here):
            for word in range(observables):
                found[rows[lane], word] = values[word * lanes + lane]


@kernel
@no_type_check
def differentiate(like, address, kept, stride, memory, slopes, cotangents, first, end):
    """Compute the slopes of groups of examples.

    Args:
        like: as for ``evaluate``.
        address: likewise.
        kept: as ``evaluate`` left it.
        stride: likewise.
        memory: as ``evaluate`` left it if there is only one group's state; for two states, a block
            of each, and cotangents.
        slopes: the address of Im⟨costate|σ|state⟩ behind each run, σ = X, Y, Z.
        cotangents: that of the expectation values'; (rows, observables).
        first: the first group.
        end: the one after the last.
    """
    packed = packed_at(address)
    passes, lanes, item = unpack.passes(packed), width(like), like.itemsize
    size, whole, near_size = (
        table_size(packed, lanes),
        2 * lanes << passes.qubits,
        _near_size(passes, lanes),
    )
    places = kept + packed[CLIENT_GROUPS] * size * item
    rows = array(memory, (lanes,), np.int64)
    clients = array(memory + 8 * lanes, (lanes,), np.int64)
    parts = array(memory + 16 * lanes, (4 * lanes,), np.float64)
    found = array(slopes, (packed[GROUPS], 3 * (packed[RUNS + 1] - 1) * lanes), np.float64)
    given = array(cotangents, (packed[ROWS], packed[OBSERVABLES]), like.dtype)
    at = memory + 8 * packed[WORK]
    state = array(at, (whole,), like.dtype)
    costate = array(at + whole * item, (whole,), like.dtype)
    at += 2 * whole * item
    near = _near(passes, state, array(at, (near_size,), like.dtype))
    conear = _near(passes, costate, array(at + near_size * item, (near_size,), like.dtype))
    at += 2 * near_size * item
    seeds = array(at, (packed[OBSERVABLES] * lanes,), like.dtype)
    for group in range(first, end):
        place, slope = places + group * stride * item, found[group]
        own = array(place, (size,), like.dtype)
        final = array(place + size * item, (whole,), like.dtype) if stride > size else state
        here = seat(packed, group, rows, clients)
        clear(seeds)
        for word in range(packed[OBSERVABLES]):
            for lane in range(here):
                seeds[word * lanes + lane] = given[rows[lane], word]
        _seed(passes, seeds, final, costate)
        clear(slope)
        _revolve(passes, own, final, state, costate, near, conear, parts, slope)
