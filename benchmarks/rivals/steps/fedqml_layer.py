from collections.abc import Callable

import torch
from torch.func import functional_call, vmap

from fedqml.quantum import QuantumLayer, ansatze, encodings
from rivals.about import About
from rivals.circuit_problem import MEASURED, Arrays, CircuitProblem

ABOUT = About("fedqml", ("fedqml", "torch", "llvmlite"), "batch")


def fedqml_layer(problem: CircuitProblem) -> Callable[[], Arrays]:
    """`QuantumLayer`, called as it is; mapped over several clients by `torch.func.vmap`."""
    n = problem.qubits
    ansatz = ansatze.rot_cnot(n, depth=problem.depth)
    layer = QuantumLayer(encodings.arctan(n), ansatz, measure=MEASURED)
    x = torch.from_numpy(problem.x).requires_grad_()
    w = torch.from_numpy(problem.w).flatten(1).requires_grad_()
    cotangent = torch.from_numpy(problem.cotangent)

    def one(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return functional_call(layer, {"weights": w}, x)

    if problem.clients == 1:
        x, w = x.detach()[0].requires_grad_(), torch.nn.Parameter(w.detach()[0])
        layer.weights, cotangent = w, cotangent[0]

    def step() -> Arrays:
        values = layer(x) if problem.clients == 1 else vmap(one)(x, w)
        by_x, by_w = torch.autograd.grad(values, (x, w), cotangent)
        found = values.detach().numpy(), by_x.numpy(), by_w.numpy()
        shapes = problem.cotangent.shape, problem.x.shape, problem.w.shape
        return tuple(a.reshape(shape) for a, shape in zip(found, shapes, strict=True))

    return step
