from collections.abc import Callable

import deepquantum as dq
import torch

from rivals.about import About
from rivals.circuit_problem import MEASURED, Arrays, CircuitProblem

ABOUT = About("DeepQuantum", ("deepquantum", "torch"), "batch")


def deepquantum_circuit(problem: CircuitProblem) -> Callable[[], Arrays]:
    """All angles are encoded data, so that every client's examples have its weights."""
    n = problem.qubits
    circuit = dq.QubitCircuit(n)
    for qubit in range(n):
        circuit.h(qubit)
        circuit.ry(qubit, encode=True)
        circuit.rz(qubit, encode=True)
    for _ in range(problem.depth):
        for pair in problem.entanglers:
            circuit.cnot(*pair)
        for qubit in range(n):
            for gate in (circuit.rz, circuit.ry, circuit.rz):
                gate(qubit, encode=True)
    for qubit in range(MEASURED):
        circuit.observable(qubit)
    circuit.to(torch.double)
    x = torch.from_numpy(problem.x).requires_grad_()
    w = torch.from_numpy(problem.w).requires_grad_()
    cotangent = torch.from_numpy(problem.cotangent)

    def step() -> Arrays:
        angles = torch.stack([x.atan(), (x**2).atan()], -1).flatten(2)
        weights = w.flatten(1)[:, None].expand(-1, problem.batch, -1)
        circuit(data=torch.cat([angles, weights], -1).flatten(0, 1))
        values = circuit.expectation().reshape(cotangent.shape)
        by_x, by_w = torch.autograd.grad(values, (x, w), cotangent)
        return values.detach().numpy(), by_x.numpy(), by_w.numpy()

    return step
