"""Qulacs' simulation of state vectors in C++."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from fedqml.core.optional import library, require_library
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Device
from fedqml.quantum.estimate import Estimate
from fedqml.quantum.gates import I2, PAULI, Matrix, Rotation
from fedqml.quantum.opened import opened
from fedqml.quantum.pauli import Pauli

Array = NDArray[np.float64]

_LETTERS = {"I": I2, **PAULI}  # in the order of Qulacs' numbers for them


def qulacs() -> Device:
    """Return a device that gives every example to Qulacs.

    Values and gradients are exact and computed in double precision, gradients of all angles by one
    pass backward through the circuit. A gate with an angle, exp(-iθ Σ c P) with Pauli words P that
    commute, becomes rotations exp(iφP/2) by φ = -2cθ, whose sign in Qulacs is the opposite of
    everybody's. Examples are simulated one after the other, in as many threads as Qulacs takes
    (``OMP_NUM_THREADS``).

    Returns:
        The device, a function that can be pickled. Its second derivatives are refused; those of
        ``parameter_shift(qulacs())`` are not.

    Raises:
        InputError: if Qulacs is not installed.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> circuit = arctan(qubits=2, hadamard=False).measure("Z0", "Z1", "Z0 Z1")
        >>> x = torch.tensor([[0.0, 1.0]])  # ⟨Z⟩ = cos arctan x = 1/√(1 + x²)
        >>> qulacs()(circuit, x, torch.zeros(0))
        tensor([[1.0000, 0.7071, 0.7071]])

    Source:
        Suzuki et al., Qulacs: a fast and versatile quantum circuit simulator for research
        purpose, arXiv:2011.13524.
    """
    require_library("qulacs")
    return Device(_evaluate)


def _evaluate(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Float[Tensor, "*batch observables"]:
    batch, target = x.shape[:-1], opened(circuit)
    angles = target.read(x.reshape(batch.numel(), x.shape[-1]), w)
    keys = x.new_zeros(batch.numel(), dtype=torch.int64)  # nothing is drawn
    values: Tensor = Estimate.apply(_Values(target.circuit), keys, *angles)
    return values.reshape(*batch, len(circuit.observables))


@dataclass(frozen=True)
class _Values:
    """A rule: the values of a circuit of which every input is an angle."""

    circuit: Circuit

    def values(
        self, key: Int[Tensor, " rows"], point: Sequence[Float[Tensor, "rows _"]]
    ) -> Float[Tensor, "rows observables"]:
        """Return the values at every row of angles."""
        angles = torch.cat(list(point), -1)
        simulation = _Simulation(self.circuit)
        found = np.empty((len(angles), len(self.circuit.observables)))
        for number, row in enumerate(_numbers(angles)):
            found[number] = simulation.values(row)
        return torch.from_numpy(found).to(angles)

    def pull(
        self,
        key: Int[Tensor, " rows"],
        point: Sequence[Float[Tensor, "rows _"]],
        cotangents: Float[Tensor, "rows observables"],
        wanted: Sequence[bool],
    ) -> Sequence[Float[Tensor, "rows _"]]:
        """Return the gradients of Σ g ⟨P⟩; all of them cost what one does."""
        angles = torch.cat(list(point), -1)
        found: Tensor = Estimate.apply(_Gradients(self.circuit), key, angles, cotangents)
        return found.split([group.shape[-1] for group in point], -1)


@dataclass(frozen=True)
class _Gradients:
    """A rule: the gradients of Σ g ⟨P⟩, for angles and g."""

    circuit: Circuit

    def values(
        self, key: Int[Tensor, " rows"], point: Sequence[Float[Tensor, "rows _"]]
    ) -> Float[Tensor, "rows angles"]:
        """Return the gradients at every row."""
        angles, factors = point
        simulation = _Simulation(self.circuit)
        found = np.empty(angles.shape)
        rows = zip(_numbers(angles), _numbers(factors), strict=True)
        for number, (row, g) in enumerate(rows):
            found[number] = simulation.gradients(row, g)
        return torch.from_numpy(found).to(angles)

    def pull(
        self,
        key: Int[Tensor, " rows"],
        point: Sequence[Float[Tensor, "rows _"]],
        cotangents: Float[Tensor, "rows angles"],
        wanted: Sequence[bool],
    ) -> Sequence[Float[Tensor, "rows _"]]:
        """Refuse, as Qulacs has first derivatives only."""
        raise NotImplementedError(
            "The device qulacs has no second derivatives; parameter_shift(qulacs()) has them."
        )


class _Simulation:
    """A circuit of which every input is an angle, in Qulacs."""

    def __init__(self, circuit: Circuit) -> None:
        self.qulacs, n = library("qulacs"), circuit.n_qubits
        self.n_qubits, self.n_angles = n, circuit.n_inputs
        self.words = [_pauli_string(word) for word in circuit.observables]
        self.observables = [self.combination([word], [1.0]) for word in self.words]
        self.circuit = self.qulacs.ParametricQuantumCircuit(n)
        self.sources: list[tuple[int, float]] = []  # each parameter is an angle times a factor
        for op in circuit.ops:
            gate = op.definition
            if not isinstance(gate, Rotation):
                # Qulacs' matrices begin with the least significant qubit
                wires = list(reversed(op.wires))
                self.circuit.add_gate(self.qulacs.gate.DenseMatrix(wires, gate.unitary))
                continue
            assert op.angle is not None, "a rotation has one"
            for letters, coefficient in _words(gate):
                word, factor = (list(op.wires), letters), -2 * coefficient
                if op.angle.terms:
                    self.circuit.add_parametric_multi_Pauli_rotation_gate(*word, 0.0)
                    self.sources.append((min(op.angle.inputs), factor))
                else:
                    turn = self.qulacs.gate.PauliRotation(*word, factor * op.angle.offset)
                    self.circuit.add_gate(turn)

    def combination(self, words: list[str], factors: list[float]) -> Any:
        """Return the operator Σ factor · word."""
        operator = self.qulacs.GeneralQuantumOperator(self.n_qubits)
        for word, factor in zip(words, factors, strict=True):
            operator.add_operator(factor, word)
        return operator

    def turn(self, angles: Array) -> None:
        """Set the angles."""
        for number, (source, factor) in enumerate(self.sources):
            self.circuit.set_parameter(number, factor * float(angles[source]))

    def values(self, angles: Array) -> list[float]:
        """Return every ⟨P⟩."""
        self.turn(angles)
        state = self.qulacs.QuantumState(self.n_qubits)
        self.circuit.update_quantum_state(state)
        return [operator.get_expectation_value(state).real for operator in self.observables]

    def gradients(self, angles: Array, factors: Array) -> Array:
        """Return the derivatives of Σ factor · ⟨P⟩."""
        total = np.zeros(self.n_angles)
        if self.sources:
            self.turn(angles)
            found = self.circuit.backprop(self.combination(self.words, factors.tolist()))
            for (source, factor), slope in zip(self.sources, found, strict=True):
                total[source] += factor * slope
        return total


def _numbers(values: Tensor) -> Array:
    return values.detach().to("cpu", torch.float64).numpy()


def _pauli_string(word: Pauli) -> str:
    return " ".join(f"{a} {wire}" for a, wire in zip(word.letters, word.wires, strict=True))


def _words(gate: Rotation) -> list[tuple[list[int], float]]:
    """Return the Pauli words of a generator by Qulacs' numbers, with c = tr(PG)/2^m.

    The identity is left out: it changes the phase of the whole state only.
    """
    found = []
    for numbers in product(range(4), repeat=len(gate.symbols)):
        matrix: Matrix = np.eye(1, dtype=complex)
        for number in numbers:
            matrix = np.kron(matrix, list(_LETTERS.values())[number])
        coefficient = float(np.trace(matrix @ gate.generator).real) / len(matrix)
        if any(numbers) and coefficient != 0:
            found.append((list(numbers), coefficient))
    return found
