"""The parameter-shift rule of a gate, derived from the spectrum of its generator."""

import numpy as np

from fedqml.quantum.circuit import Circuit
from fedqml.quantum.gates import Rotation
from fedqml.quantum.pauli import measurement_settings


def shift_rule(gate: Rotation) -> list[tuple[float, float]]:
    """Return coefficients c and shifts s with ∂f/∂θ = Σ c f(θ + s), for any expectation value f.

    f is a Fourier series whose frequencies Ω_r are the R different positive differences of the
    generator's eigenvalues. With ±s_μ, s_μ = (2μ - 1)π / (2RΩ_1), the coefficients ±c_μ solve
    Σ_μ 2 sin(Ω_r s_μ) c_μ = Ω_r.

    Args:
        gate: a gate with an angle.

    Returns:
        2R pairs (c, s), s in radians.

    Example:
        >>> from fedqml.quantum import gates
        >>> [(round(c, 3), round(s, 3)) for c, s in shift_rule(gates.ry)]
        [(0.5, 1.571), (-0.5, -1.571)]
        >>> len(shift_rule(gates.cry))
        4

    Source:
        Wierichs, Izaac, Wang and Lin, General parameter-shift rules for quantum gradients,
        arXiv:2107.12390, section 3.
    """
    differences = np.subtract.outer(gate.eigenvalues, gate.eigenvalues)
    frequencies = np.unique(differences[differences > 0].round(12))
    count = len(frequencies)
    shifts = (2 * np.arange(1, count + 1) - 1) * np.pi / (2 * count * frequencies[0])
    coefficients = np.linalg.solve(2 * np.sin(np.outer(frequencies, shifts)), frequencies)
    pairs = list(zip(coefficients.tolist(), shifts.tolist(), strict=True))
    return pairs + [(-c, -s) for c, s in pairs]


def shifted_circuits(circuit: Circuit, inputs: bool = True) -> int:
    """Return how many shifted circuits give the gradient of one example.

    Args:
        circuit: any circuit.
        inputs: whether inputs need gradients, as they do behind a layer that is trained.

    Returns:
        Σ (number of shifts) over the gates whose angle depends on a weight, or on an input if that
        gradient is wanted, too; each gate counts, also where several share a weight.

    Example:
        >>> from fedqml.quantum import ansatze
        >>> shifted_circuits(ansatze.rot_cnot(qubits=4, depth=2))
        48
    """
    shifted = 0
    for op in circuit.ops:
        gate, angle = op.definition, op.angle
        if isinstance(gate, Rotation) and angle and (angle.weights or (inputs and angle.inputs)):
            shifted += len(shift_rule(gate))
    return shifted


def executions_per_forward(circuit: Circuit) -> int:
    """Return how many different circuits hardware executes to evaluate one example.

    Args:
        circuit: measures what is wanted.

    Returns:
        The number of its measurement settings: 1 if all its observables fit together.

    Example:
        >>> executions_per_forward(Circuit(2, ()).measure("Z0", "Z0 Z1", "X1"))
        2
    """
    return len(measurement_settings(circuit.observables))


def executions_per_gradient(circuit: Circuit, inputs: bool = True) -> int:
    """Return the same for one example with its gradient by the parameter-shift rule.

    That is, for each measurement setting, 1 + ``shifted_circuits``.

    Args:
        circuit: measures what is wanted.
        inputs: whether inputs need gradients, as they do behind a layer that is trained.

    Returns:
        The number of different circuits; each is executed as often as shots are wanted.

    Example:
        >>> from fedqml.quantum import ansatze, encodings
        >>> executions_per_gradient((encodings.arctan() + ansatze.rot_cnot()).measure("Z0", "Z1"))
        65
    """
    return executions_per_forward(circuit) * (1 + shifted_circuits(circuit, inputs))
