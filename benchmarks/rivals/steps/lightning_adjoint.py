from collections.abc import Callable

import pennylane as qml
import torch

from rivals.about import About
from rivals.circuit_problem import Arrays, CircuitProblem
from rivals.pennylane_circuit import pennylane_circuit

ABOUT = About("PennyLane lightning.qubit, adjoint", ("pennylane", "pennylane-lightning"), "loop")

torch.set_default_dtype(torch.float64)  # PennyLane gives this device's values in the default one


def lightning_adjoint(problem: CircuitProblem) -> Callable[[], Arrays]:
    """A broadcast batch a client, which the device simulates one example after the other."""
    circuit = pennylane_circuit(
        problem.qubits,
        problem.depth,
        device=qml.device("lightning.qubit", wires=problem.qubits),
        interface="torch",
        diff_method="adjoint",
    )
    x = torch.from_numpy(problem.x).requires_grad_()
    w = torch.from_numpy(problem.w).requires_grad_()
    cotangent = torch.from_numpy(problem.cotangent)

    def step() -> Arrays:
        each = [
            torch.stack(list(circuit(rows.atan(), (rows**2).atan(), angles)), -1)
            for rows, angles in zip(x, w, strict=True)
        ]
        values = torch.stack(each)
        by_x, by_w = torch.autograd.grad(values, (x, w), cotangent)
        return values.detach().numpy(), by_x.numpy(), by_w.numpy()

    return step
