"""The exact simulation of noise."""

from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum import angle
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Configured, Device
from fedqml.quantum.devices.reference import apply
from fedqml.quantum.gates import Fixed, Rotation
from fedqml.quantum.joining import joined
from fedqml.quantum.lightcone import reachable
from fedqml.quantum.noise import Noise
from fedqml.quantum.noise.model import as_noise
from fedqml.quantum.pauli import Pauli
from fedqml.quantum.transfer import LETTERS, Real, harmonics, transfer_matrix

_MOST_QUBITS = 12
# More examples are evaluated one part after the other, so that memory stays bounded.
_NUMBERS = 1 << 20


def density(noise: Noise | dict[str, Any] | None = None) -> Device:
    """Return the device for exact expectation values of noisy circuits.

    It keeps the density matrix of every example as the real mean values ⟨P⟩ of all 4^n Pauli
    words, one state for every gate if gradients are wanted: 8·4^n bytes each in float64, 8 MiB for
    10 qubits. The noise of a gate is part of the gate's matrix and costs nothing. Gates outside
    the light cone of all observables are left out: there, what acts after other gates preserves
    the trace and cannot be noticed.

    Args:
        noise: the noise, or its table as ``Noise.from_dict`` reads it; None for none.

    Returns:
        The device, a function that can be pickled.

    Raises:
        InputError: if the table of the noise is not right; when it is used, if the circuit has more
            than 12 qubits, or ones that the noise does not know.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> circuit = arctan(qubits=1, hadamard=False).measure("Z0")
        >>> noisy = density({"one_qubit": {"depolarising": 0.1}, "readout": 0.05})
        >>> noisy(circuit, torch.zeros(1), torch.zeros(0))  # after RY and RZ: 0.9² (1 - 2·0.05)
        tensor([0.7290])
    """
    known = as_noise(noise)
    return Device(Configured(_evaluate, (known,)), noise=known)


def _evaluate(
    noise: Noise,
    circuit: Circuit,
    x: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, " weights"],
) -> Float[Tensor, "*batch observables"]:
    """Return tr(Pρ) for every example and observable P, ρ being what the noisy circuit makes."""
    n = circuit.n_qubits
    allowed = (
        f"be at most {_MOST_QUBITS} for the device density, which keeps 4ⁿ numbers for every "
        f"example, here {np.dtype(float).itemsize * 4**n / 2**30:.3g} GiB"
    )
    require(n <= _MOST_QUBITS, "circuit.n_qubits", n, allowed)
    program = _compile(noise, circuit)
    batch = x.shape[:-1]
    rows = x.reshape(batch.numel(), x.shape[-1])
    # without inputs there is one state for all
    parts = rows.split(max(1, _NUMBERS >> 2 * n)) if circuit.n_inputs else (rows,)
    values = torch.cat([_simulate(program, part, w) for part in parts])
    return values.reshape(*batch, len(circuit.observables))


@dataclass(frozen=True, eq=False)
class _Program:
    """A circuit with its noise.

    Args:
        noise: the noise; that of gates is in their matrices.
        circuit: the gates that observables can notice.
        fixed: the matrices of gates without an angle, noise included, by number.
        turning: gates with an angle that are computed together, by the gate and whether they read
            inputs: their numbers, angles, and the parts of their matrices, noise included.
    """

    noise: Noise
    circuit: Circuit
    fixed: dict[int, Real]
    turning: dict[tuple[Rotation, bool], tuple[list[int], list[Angle], Real]]


@lru_cache(maxsize=128)
def _compile(noise: Noise, circuit: Circuit) -> _Program:
    smaller = reachable(circuit)
    fixed: dict[int, Real] = {}
    kinds: dict[tuple[Rotation, bool], list[tuple[int, Angle, Real]]] = {}
    for number, op in enumerate(smaller.ops):
        gate = op.definition
        channels = [transfer_matrix(kraus) for kraus in noise.kraus(op)]
        after = reduce(lambda total, matrix: matrix @ total, channels, np.eye(4 ** len(op.wires)))
        if isinstance(gate, Fixed):
            fixed[number] = after @ transfer_matrix(gate.unitary[None])
        elif op.angle is not None:
            parts = after @ harmonics(gate)[1]
            kinds.setdefault((gate, bool(op.angle.inputs)), []).append((number, op.angle, parts))
    turning = {}
    for kind, entries in kinds.items():
        numbers, angles = [entry[0] for entry in entries], [entry[1] for entry in entries]
        turning[kind] = numbers, angles, np.stack([entry[2] for entry in entries])
    return _Program(noise, smaller, fixed, turning)


def _simulate(
    program: _Program, x: Float[Tensor, "rows inputs"], w: Float[Tensor, " weights"]
) -> Float[Tensor, "rows observables"]:
    circuit, n = program.circuit, program.circuit.n_qubits
    zero = torch.tensor([1, 0, 0, 1], dtype=w.dtype, device=w.device)  # |0⟩⟨0| = (1 + Z)/2
    state = reduce(torch.kron, [zero] * n).reshape((2,) * (2 * n))
    wires = (op.wires for op in circuit.ops)
    for where, matrix in joined(zip(wires, _matrices(program, x, w), strict=True)):
        # the four letters of a qubit are two axes of two
        axes = [2 * wire + half for wire in where for half in (0, 1)]
        state = apply(matrix, axes, state, 2 * n)
    state = state.reshape(*state.shape[: state.ndim - 2 * n], *(4,) * n)
    values = [_expectation(p, n, program.noise, state) for p in circuit.observables]
    return torch.stack(values, dim=-1).expand(len(x), -1)


def _matrices(program: _Program, x: Tensor, w: Tensor) -> list[Tensor]:
    """Return every gate's matrix: (*batch, m², m²) if its angle is an input's, else (m², m²)."""
    tensor = partial(torch.tensor, dtype=w.dtype, device=w.device)
    matrices = {number: tensor(matrix) for number, matrix in program.fixed.items()}
    for (gate, _), (numbers, angles, parts) in program.turning.items():
        phase = angle.evaluate(angles, x, w)[..., None] * tensor(harmonics(gate)[0])
        series = torch.cat([torch.ones_like(phase[..., :1]), phase.cos(), phase.sin()], -1)
        stack = torch.einsum("...gr,grab->...gab", series, tensor(parts))
        matrices |= zip(numbers, stack.unbind(-3), strict=True)
    return [matrices[number] for number in range(len(program.circuit.ops))]


def _expectation(observable: Pauli, n_qubits: int, noise: Noise, state: Tensor) -> Tensor:
    """Return the mean of what is read; state (*batch, 4, ..., 4), an axis for every qubit."""
    letters = dict(zip(observable.wires, observable.letters, strict=True))
    for wire in reversed(range(n_qubits)):
        identity = state[..., 0]
        if wire in letters:
            damping, offset = noise.readout.damping(noise.qubit(wire))
            state = damping * state[..., LETTERS.index(letters[wire])] + offset * identity
        else:
            state = identity
    return state
