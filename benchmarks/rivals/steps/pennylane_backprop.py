from collections.abc import Callable

import pennylane as qml
import torch

from rivals.about import About
from rivals.circuit_problem import Arrays, CircuitProblem
from rivals.pennylane_circuit import pennylane_circuit

ABOUT = About("PennyLane default.qubit, backprop", ("pennylane", "torch"), "batch")


def pennylane_backprop(problem: CircuitProblem) -> Callable[[], Arrays]:
    """All clients' examples as one broadcast batch, each with its weights if there are many."""
    circuit = pennylane_circuit(
        problem.qubits,
        problem.depth,
        device=qml.device("default.qubit", wires=problem.qubits),
        interface="torch",
        diff_method="backprop",
    )
    x = torch.from_numpy(problem.x).requires_grad_()
    w = torch.from_numpy(problem.w).requires_grad_()
    cotangent = torch.from_numpy(problem.cotangent)

    def step() -> Arrays:
        rows = x.flatten(0, 1)
        angles = w[0] if problem.clients == 1 else w.repeat_interleave(problem.batch, dim=0)
        values = torch.stack(list(circuit(rows.atan(), (rows**2).atan(), angles)), -1)
        values = values.reshape(cotangent.shape)
        by_x, by_w = torch.autograd.grad(values, (x, w), cotangent)
        return values.detach().numpy(), by_x.numpy(), by_w.numpy()

    return step
