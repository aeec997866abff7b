"""How often circuits are executed, counted from the model itself."""

from dataclasses import dataclass

import torch
from torch import nn

from fedqml.data.task import Objective
from fedqml.quantum.layer import QuantumLayer


@dataclass(frozen=True)
class CircuitCosts:
    """Executions of circuits for one example.

    Attributes:
        simulated: for the model's outputs; gradients by backpropagation need no further ones.
        forward: on hardware, for the outputs.
        gradient: on hardware, for the outputs and all gradients by the parameter-shift rule.
        weights: trainable weights that are circuit angles.
    """

    simulated: int
    forward: int
    gradient: int
    weights: int


def circuit_costs(objective: Objective) -> CircuitCosts:
    """Count the circuit executions of one example by running the model on one.

    A layer may be applied several times to one example, as in a quanvolution, so the calls
    are counted and not the layers.
    """
    simulated = forward = gradient = 0

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal simulated, forward, gradient
        assert isinstance(layer, QuantumLayer)
        calls = inputs[0].shape[:-1].numel()
        simulated += calls
        forward += calls * layer.executions_per_forward
        gradient += calls * layer.executions_per_gradient

    layers = quantum_layers(objective.module)
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with torch.no_grad():
            objective.outputs(objective.first, objective.data.data.x[:1].clone())
    finally:
        for hook in hooks:
            hook.remove()
    weights = sum(p.numel() for layer in layers for p in layer.parameters() if p.requires_grad)
    return CircuitCosts(simulated, forward, gradient, weights)


def quantum_layers(module: nn.Module) -> list[QuantumLayer]:
    """Return the model's quantum layers."""
    return [child for child in module.modules() if isinstance(child, QuantumLayer)]
