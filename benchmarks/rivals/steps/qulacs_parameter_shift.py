from collections.abc import Callable

import pennylane as qml
import torch

from rivals.about import About
from rivals.circuit_problem import Arrays, CircuitProblem
from rivals.pennylane_circuit import pennylane_circuit

ABOUT = About(
    "PennyLane-Qulacs, parameter-shift", ("pennylane", "pennylane-qulacs", "qulacs"), "loop"
)


def qulacs_parameter_shift(problem: CircuitProblem) -> Callable[[], Arrays]:
    """The paper's stack: example after example, since a batch cannot be shifted."""
    circuit = pennylane_circuit(
        problem.qubits,
        problem.depth,
        device=qml.device("qulacs.simulator", wires=problem.qubits),
        interface="torch",
        diff_method="parameter-shift",
    )
    x = torch.from_numpy(problem.x).requires_grad_()
    w = torch.from_numpy(problem.w).requires_grad_()
    cotangent = torch.from_numpy(problem.cotangent)

    def step() -> Arrays:
        each = [
            torch.stack(list(circuit(row.atan(), (row**2).atan(), angles)))
            for rows, angles in zip(x, w, strict=True)
            for row in rows
        ]
        values = torch.stack(each).reshape(cotangent.shape)
        by_x, by_w = torch.autograd.grad(values, (x, w), cotangent)
        return values.detach().numpy(), by_x.numpy(), by_w.numpy()

    return step
