"""The circuit in Qulacs' own words, and how its gradients become those of a batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import qulacs
from numpy.typing import NDArray

from rivals.circuit_problem import MEASURED, Arrays, CircuitProblem

Gradient = Callable[[Any, Any], Any]
"""``(circuit, observable) -> derivatives by all angles``."""


def qulacs_step(problem: CircuitProblem, gradient: Gradient) -> Callable[[], Arrays]:
    """Return the step that goes example after example; the cotangent makes one observable.

    Args:
        problem: the task.
        gradient: Qulacs' way to differentiate.
    """
    n = problem.qubits
    circuit, state = _circuit(problem), qulacs.QuantumState(n)
    measured = [_observable(n, {qubit: 1.0}) for qubit in range(MEASURED)]

    def example(
        x: NDArray[np.float64], w: NDArray[np.float64], cotangent: NDArray[np.float64]
    ) -> tuple[list[float], NDArray[np.float64]]:
        # Qulacs turns the other way round
        for index, angle in enumerate([*np.arctan([x, x**2]).T.flat, *w.flat]):
            circuit.set_parameter(index, -angle)
        state.set_zero_state()
        circuit.update_quantum_state(state)
        values = [observable.get_expectation_value(state) for observable in measured]
        weighted = _observable(n, dict(enumerate(cotangent)))
        return values, -np.real(gradient(circuit, weighted))

    def step() -> Arrays:
        found = [
            example(row, w, cotangent)
            for rows, w, cotangents in zip(problem.x, problem.w, problem.cotangent, strict=True)
            for row, cotangent in zip(rows, cotangents, strict=True)
        ]
        values = np.array([values for values, _ in found]).reshape(problem.cotangent.shape)
        slopes = np.array([slopes for _, slopes in found])
        x, by_angle = problem.x, slopes[:, : 2 * n].reshape(*problem.x.shape, 2)
        by_x = by_angle[..., 0] / (1 + x**2) + by_angle[..., 1] * 2 * x / (1 + x**4)
        by_w = slopes[:, 2 * n :].reshape(problem.clients, problem.batch, -1).sum(1)
        return values, by_x, by_w.reshape(problem.w.shape)

    return step


def _circuit(problem: CircuitProblem) -> Any:
    circuit = qulacs.ParametricQuantumCircuit(problem.qubits)
    for qubit in range(problem.qubits):
        circuit.add_H_gate(qubit)
        circuit.add_parametric_RY_gate(qubit, 0.0)
        circuit.add_parametric_RZ_gate(qubit, 0.0)
    for _ in range(problem.depth):
        for pair in problem.entanglers:
            circuit.add_CNOT_gate(*pair)
        for qubit in range(problem.qubits):
            circuit.add_parametric_RZ_gate(qubit, 0.0)
            circuit.add_parametric_RY_gate(qubit, 0.0)
            circuit.add_parametric_RZ_gate(qubit, 0.0)
    return circuit


def _observable(qubits: int, weights: dict[int, float]) -> Any:
    observable = qulacs.Observable(qubits)
    for qubit, weight in weights.items():
        observable.add_operator(weight, f"Z {qubit}")
    return observable
