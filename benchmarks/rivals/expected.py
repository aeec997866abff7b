"""What every rival's results are held against."""

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.func import functional_call

from fedqml.quantum import QuantumLayer, ansatze, devices, encodings
from rivals.circuit_problem import MEASURED, CircuitProblem
from rivals.process import Failed
from rivals.round_problem import DEPTH, QUBITS, RoundProblem

_TOLERANCE = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-4}
_REFERENCE_QUBITS = 8
# Clients differ in their numbers only, and the reference takes its time.
_CLIENTS = 5

Arrays = tuple[NDArray[Any], ...]


def can_check(problem: CircuitProblem | RoundProblem) -> bool:
    """Return whether results of this size are held against the expected ones."""
    return problem.clients <= _CLIENTS


def deviation(problem: CircuitProblem | RoundProblem, values: Arrays) -> float:
    """Return the largest difference from what is expected, relative to the largest entry or 1.

    Raises:
        Failed: if it is more than rounding can explain.
    """
    expected = _step(problem) if isinstance(problem, CircuitProblem) else _round(problem)
    pairs = list(zip(values, expected, strict=True))
    found = max(float(abs(a - b).max() / max(1, abs(b).max())) for a, b in pairs)
    if not found <= _TOLERANCE[expected[0].dtype]:
        raise Failed(f"wrong by {found:.0e}")
    return found


def _layer(qubits: int, depth: int) -> QuantumLayer:
    device = devices.reference() if qubits <= _REFERENCE_QUBITS else devices.statevector()
    ansatz = ansatze.rot_cnot(qubits, depth=depth)
    return QuantumLayer(encodings.arctan(qubits), ansatz, measure=MEASURED, device=device)


@cache
def _step(problem: CircuitProblem) -> Arrays:
    layer = _layer(problem.qubits, problem.depth)
    x, w = (torch.from_numpy(a).requires_grad_() for a in (problem.x, problem.w))
    each = [
        functional_call(layer, {"weights": angles.flatten()}, rows)
        for rows, angles in zip(x, w, strict=True)
    ]
    values = torch.stack(each)
    slopes = torch.autograd.grad(values, (x, w), torch.from_numpy(problem.cotangent))
    return values.detach().numpy(), *(slope.numpy() for slope in slopes)


@cache
def _round(problem: RoundProblem) -> Arrays:
    layer = _layer(QUBITS, DEPTH)
    trained = []
    for x, y, order in zip(problem.x, problem.y, problem.order, strict=True):
        weights = [torch.from_numpy(w).clone().requires_grad_() for w in problem.weights]
        matrix, bias, angles = weights
        for rows in torch.from_numpy(order).split(problem.batch):
            inputs = torch.from_numpy(x)[rows] @ matrix.T + bias
            logits = functional_call(layer, {"weights": angles.flatten()}, inputs)
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(y)[rows])
            slopes = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for weight, slope in zip(weights, slopes, strict=True):
                    weight -= problem.lr * slope
        trained.append(weights)
    means = (torch.stack(rows).mean(0) for rows in zip(*trained, strict=True))
    return tuple(mean.detach().numpy() for mean in means)
