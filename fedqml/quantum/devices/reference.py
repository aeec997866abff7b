"""The reference device: the whole state vector, one gate after the other, in plain PyTorch."""

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Complex, Float, Inexact
from torch import Tensor

from fedqml.quantum.angle import Angle, evaluate
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Device, check_memory
from fedqml.quantum.gates import PAULI, Fixed, Rotation
from fedqml.quantum.pauli import Pauli


def reference() -> Device:
    """Return the device that every other one is compared with.

    It keeps the 2^n amplitudes of every example, and of every step for the gradient: memory and
    time grow with examples · gates · 2^n. Nothing is approximated and there is no shot noise.

    Returns:
        The device, a function that can be pickled.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> circuit = arctan(qubits=2, hadamard=False).measure("Z0", "Z1", "Z0 Z1")
        >>> x = torch.tensor([[0.0, 1.0]])  # ⟨Z⟩ = cos arctan x = 1/√(1 + x²)
        >>> reference()(circuit, x, torch.zeros(0))
        tensor([[1.0000, 0.7071, 0.7071]])
    """
    return Device(simulate)


def simulate(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Float[Tensor, "*batch observables"]:
    """Return ⟨P⟩ = ⟨0|U† P U|0⟩ for every example and observable P, U being the circuit.

    Args:
        circuit: what to evaluate; measures at least one observable.
        x: the inputs, one row an example, no unit; (*batch, inputs).
        w: the weights, the same for every example, radians; (weights,).

    Returns:
        Expectation values between -1 and 1; (*batch, observables).

    Raises:
        InputError: if there are more than 26 qubits.

    Example:
        >>> from fedqml.quantum.operation import Op
        >>> bell = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1)))).measure("X0 X1", "Z0 Z1")
        >>> simulate(bell, torch.zeros(0), torch.zeros(0)).round(decimals=4)
        tensor([1., 1.])
    """
    n, state = circuit.n_qubits, _evolve(circuit, x, w)
    values = [expectation(observable, state, n) for observable in circuit.observables]
    return torch.stack(values, dim=-1).expand(*x.shape[:-1], -1)


def state_vectors(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Complex[Tensor, "*batch amplitudes"]:
    """Return the state vector U|0...0⟩ of every example, U being the circuit.

    Args:
        circuit: its gates are meant; it need not measure anything.
        x: the inputs, one row an example, no unit; (*batch, inputs).
        w: the weights, the same for every example, radians; (weights,).

    Returns:
        The amplitudes, (*batch, 2^qubits); qubit 0 is the most significant bit of the place.

    Example:
        >>> from fedqml.quantum.operation import Op
        >>> bell = Circuit(2, (Op("h", (0,)), Op("cx", (0, 1))))
        >>> state_vectors(bell, torch.zeros(0), torch.zeros(0)).real
        tensor([0.7071, 0.0000, 0.0000, 0.7071])
    """
    return _evolve(circuit, x, w).flatten(-circuit.n_qubits).expand(*x.shape[:-1], -1)


def states(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Iterator[Complex[Tensor, "..."]]:
    """Yield the state before the first gate, and after each.

    Args:
        circuit: its gates are meant; it need not measure anything.
        x: the inputs, one row an example, no unit; (*batch, inputs).
        w: the weights, the same for every example, radians; (weights,).

    Returns:
        Amplitudes, an axis of two for every qubit, with the batch once a gate has read inputs.

    Example:
        >>> from fedqml.quantum.operation import Op
        >>> flip = Circuit(1, (Op("x", (0,)),))
        >>> [state.real.tolist() for state in states(flip, torch.zeros(0), torch.zeros(0))]
        [[1.0, 0.0], [0.0, 1.0]]
    """
    check_memory(circuit)
    n = circuit.n_qubits
    # a matrix's first row (1, 0, ..., 0) is |0...0⟩
    state = torch.eye(1, 2**n, dtype=w.dtype.to_complex(), device=w.device).reshape((2,) * n)
    yield state
    for op, unitary in zip(circuit.ops, unitaries(circuit, x, w), strict=True):
        state = apply(unitary, op.wires, state, n)
        yield state


def _evolve(circuit: Circuit, x: Tensor, w: Tensor) -> Tensor:
    return deque(states(circuit, x, w), maxlen=1).pop()


def unitaries(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> list[Complex[Tensor, "... _ _"]]:
    """Return the matrix of every gate.

    Gates of one kind are computed together, one tensor expression instead of dozens: on small
    circuits the calls cost more than the arithmetic.

    Args:
        circuit: its gates are meant.
        x: the inputs; (*batch, inputs).
        w: the weights, radians; (weights,).

    Returns:
        For every gate (*batch, m, m) if its angle is an input's, else (m, m).

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> matrices = unitaries(rot_cnot(qubits=2, depth=1), torch.zeros(5, 0), torch.zeros(6))
        >>> [tuple(matrix.shape) for matrix in matrices[:3]]
        [(4, 4), (4, 4), (2, 2)]
    """
    matrices: dict[int, Tensor] = {}
    kinds: dict[tuple[Rotation, bool], dict[int, Angle]] = {}
    for number, op in enumerate(circuit.ops):
        gate = op.definition
        if isinstance(gate, Fixed):
            matrices[number] = gate.matrix(w.dtype, w.device)
        elif op.angle is not None:
            kind = (gate, bool(op.angle.inputs))
            kinds.setdefault(kind, {})[number] = op.angle
    for (gate, _), angles in kinds.items():
        stack = gate.matrix(evaluate(list(angles.values()), x, w))
        matrices |= zip(angles, stack.unbind(-3), strict=True)
    return [matrices[number] for number in range(len(circuit.ops))]


def apply(
    matrix: Inexact[Tensor, "... m m"],
    wires: Sequence[int],
    state: Inexact[Tensor, "..."],
    n_qubits: int,
) -> Inexact[Tensor, "..."]:
    """Return the state after a gate, ψ'_{..a..} = Σ_b U_{ab} ψ_{..b..}.

    Args:
        matrix: U, one for all examples or one for each; (*batch, m, m), m = 2 ** wires.
        wires: the qubits it acts on.
        state: the amplitudes, an axis of two for every qubit; (*batch, 2, ..., 2).
        n_qubits: how many of the axes are qubits.

    Returns:
        The amplitudes, (*batch, 2, ..., 2).

    Example:
        >>> flip = torch.tensor([[0, 1], [1, 0]], dtype=torch.complex64)
        >>> state = torch.tensor([[1, 0], [0, 0]], dtype=torch.complex64)
        >>> apply(flip, [1], state, n_qubits=2).real
        tensor([[0., 1.],
                [0., 0.]])
    """
    axes, last = [wire - n_qubits for wire in wires], list(range(-len(wires), 0))
    size = 2 ** len(wires)
    # amplitudes that the gate mixes side by side: one product of matrices does the rest
    batch = state.shape[: state.ndim - n_qubits]
    rows = state.movedim(axes, last).reshape(*batch, 2**n_qubits // size, size)
    mixed = rows @ matrix.mT
    return mixed.reshape(*mixed.shape[:-2], *(2,) * n_qubits).movedim(last, axes)


def expectation(
    observable: Pauli, state: Complex[Tensor, "..."], n_qubits: int
) -> Float[Tensor, "*batch"]:
    """Return ⟨ψ|P|ψ⟩.

    Args:
        observable: P.
        state: ψ, an axis of two for every qubit; (*batch, 2, ..., 2).
        n_qubits: how many of the axes are qubits.

    Returns:
        Values between -1 and 1; (*batch,).

    Example:
        >>> state = torch.tensor([0.6, 0.8j])
        >>> expectation(Pauli.parse("Z0"), state, n_qubits=1)
        tensor(-0.2800)
    """
    changed = state
    for letter, wire in zip(observable.letters, observable.wires, strict=True):
        matrix = torch.tensor(PAULI[letter], dtype=state.dtype, device=state.device)
        changed = apply(matrix, [wire], changed, n_qubits)
    # the imaginary part of an expectation value is zero
    return (state.conj() * changed).real.flatten(-n_qubits).sum(-1)
