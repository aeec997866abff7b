"""Amplitude encoding: the inputs, divided by their norm, are the state's amplitudes."""

from dataclasses import replace

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op


def amplitude(qubits: int = 4, inputs: int | None = None) -> Circuit:
    """Return a circuit that makes Σ_i x_i |i⟩ / ‖x‖ of |0...0⟩.

    Qubit by qubit, RY(2 atan2(‖second half‖, ‖first half‖)) shares every block of inputs between
    its halves. The turns of a qubit, one for each state of the qubits before it, are multiplexed:
    2^k RY with sums of these angles, and as many CNOTs in the order of Gray's code between them.
    Each such sum has 2^k terms, so the circuit is large: 4^qubits terms in all.

    All values are exact, of inputs with zeros, too. The gradient is exact except by inputs in
    a block of zeros, where it is 0: there the angles, unlike the state, have a kink.
    Inputs that are all zero give |0...0⟩.

    Args:
        qubits: how many.
        inputs: how many inputs, at least 2; None for 2^qubits. Missing ones count as zeros.

    Returns:
        A circuit with that many inputs and no weights.

    Raises:
        InputError: if there is no qubit, or the inputs are too few or too many for the qubits.

    Example:
        >>> print(amplitude(qubits=2).draw())
        0: ──RY(β(x0, x1, x2, x3))───────────╭●──────────────────────────────────╭●──
        1: ──RY(0.5·β(x0, x1)+0.5·β(x2, x3))─╰⊕──RY(0.5·β(x0, x1)-0.5·β(x2, x3))─╰⊕──

    Source:
        Möttönen, Vartiainen, Bergholm and Salomaa, Transformation of quantum states using
        uniformly controlled rotations, arXiv:quant-ph/0407010, equation 3 and the angles about y.
    """
    require(qubits >= 1, "qubits", qubits, "be at least 1")
    count = 2**qubits if inputs is None else inputs
    allowed = f"be from 2 to 2^qubits, {2**qubits}"
    require(2 <= count <= 2**qubits, "inputs", count, allowed)
    ops: list[Op] = []
    for qubit in range(qubits):
        size = 2 ** (qubits - qubit)
        blocks = [range(first, min(first + size, count)) for first in range(0, 2**qubits, size)]
        # a block whose second half is empty stays in its first: no turn
        turns = [
            Angle.input(*block, map="block_angle") if len(block) > size // 2 else Angle()
            for block in blocks
        ]
        ops.extend(_multiplexed(turns, qubit))
    return Circuit(qubits, tuple(ops))


def _multiplexed(turns: list[Angle], target: int) -> list[Op]:
    """Return RY(turns[s]) of a qubit for every state s of the qubits before it.

    A CNOT in front of a turn reverses it for the states with a 1 in the control. With Gray's code
    g(k), whose neighbours differ in one bit, the turn number k is reversed in all for the states s
    of which s and g(k) share an odd number of bits: Hadamard's matrix, which is its own inverse
    up to the factor 1/2^target.
    """
    if not any(turn.terms for turn in turns):
        return []
    ops = []
    for k in range(len(turns)):
        code = k ^ (k >> 1)
        terms = tuple(
            replace(term, scale=(-1) ** (code & s).bit_count() / len(turns))
            for s, turn in enumerate(turns)
            for term in turn.terms
        )
        ops.append(Op("ry", (target,), Angle(terms)))
        following = (k + 1) % len(turns)
        changed = code ^ following ^ (following >> 1)
        if changed:
            ops.append(Op("cx", (target - changed.bit_length(), target)))
    return ops
