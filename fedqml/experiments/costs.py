"""How often circuits are executed, counted from the model itself."""

from dataclasses import dataclass

import torch
from torch import nn

from fedqml.data.task import Objective
from fedqml.quantum import shifts
from fedqml.quantum.device import Cost
from fedqml.quantum.layer import QuantumLayer


@dataclass(frozen=True)
class CircuitCosts:
    """Executions of circuits for one example.

    Attributes:
        forward: by the model's devices, for the outputs.
        gradient: by them, for the outputs and all gradients that training needs.
        hardware_forward: circuits that hardware would execute, for the outputs.
        hardware_gradient: for the outputs and all gradients by the parameter-shift rule.
        weights: trainable weights that are circuit angles.
    """

    forward: Cost
    gradient: Cost
    hardware_forward: int
    hardware_gradient: int
    weights: int


def circuit_costs(objective: Objective) -> CircuitCosts:
    """Count the circuit executions of one example by running the model on one.

    A layer may be applied several times to one example, as in a quanvolution, so the calls
    are counted and not the layers; and its inputs need gradients only if something that is
    trained comes before it.
    """
    forward = gradient = Cost(0)
    hardware_forward = hardware_gradient = 0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal forward, gradient, hardware_forward, hardware_gradient
        assert isinstance(layer, QuantumLayer)
        circuit, device, x = layer.circuit, layer.device, inputs[0]
        calls = x.shape[:-1].numel()
        forward += calls * device.forward(circuit)
        gradient += calls * device.gradient(circuit, x.requires_grad)
        hardware_forward += calls * shifts.executions_per_forward(circuit)
        hardware_gradient += calls * shifts.executions_per_gradient(circuit, x.requires_grad)

    layers = quantum_layers(objective.module)
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        params = objective.first.clone().requires_grad_()
        key = torch.zeros((), dtype=torch.int64)
        objective.outputs(params, objective.data.data.tried[0][:1], key)
    finally:
        for hook in hooks:
            hook.remove()
    weights = sum(p.numel() for layer in layers for p in layer.parameters() if p.requires_grad)
    return CircuitCosts(forward, gradient, hardware_forward, hardware_gradient, weights)


def quantum_layers(module: nn.Module) -> list[QuantumLayer]:
    """Return the model's quantum layers."""
    return [child for child in module.modules() if isinstance(child, QuantumLayer)]
