"""Which weights clients with smaller circuits do not train."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.data.task import Objective
from fedqml.experiments.costs import quantum_layers
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Configured, Device
from fedqml.quantum.lightcone import influential

_EXAMPLES = 256


def left_out(objective: Objective) -> Mapping[int, Int[Tensor, " n"]]:
    """Return what clients do not train, because of their circuits and not of their data.

    Of a circuit these are the weights that no gate of the client's part reads, or only gates that
    no observable notices (see ``influential``: noise is not thought of); of layers before it those
    that only make inputs which it does not notice.

    Returns:
        For each client whose circuits are smaller than the model's, the entries of the weight
        vector that matter in the model, but not there.
    """
    kinds = dict.fromkeys(objective.equipped.values())
    if not kinds:
        return {}
    everywhere = _matters(objective)
    entries = {kind: (everywhere & ~_matters(kind)).nonzero().flatten() for kind in kinds}
    found = {client: entries[kind] for client, kind in objective.equipped.items()}
    return {client: entries for client, entries in found.items() if len(entries)}


def _matters(objective: Objective) -> Tensor:
    """Return which weights reach the loss through what circuits notice."""
    module = deepcopy(objective.module)
    for layer in quantum_layers(module):
        layer.device = Device(Configured(_stand_in, (layer.circuit,)))
        layer.circuit = layer.whole
    params = objective.first.clone().requires_grad_()
    pooled = objective.data.data
    here = (pooled.x, pooled.y) if len(pooled.y) else pooled.test_set
    x, y = (values[:_EXAMPLES] for values in here)
    key = torch.zeros((), dtype=torch.int64)
    outputs = replace(objective, module=module).outputs(params, x.clone(), key)
    (slopes,) = torch.autograd.grad(objective.loss(outputs, y).sum(), params)
    return slopes != 0


def _stand_in(
    part: Circuit,
    circuit: Circuit,
    x: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, " weights"],
) -> Float[Tensor, "*batch observables"]:
    """Return numbers that depend on all of a circuit, with slopes by what its part notices only.

    The numbers are the same for all parts, so that layers behind them do the same, too.
    """
    angles = [op.angle for op in influential(part).ops if op.angle is not None]
    inputs = _slopes_by(x, {i for angle in angles for i in angle.inputs})
    weights = _slopes_by(w, {j for angle in angles for j in angle.weights})
    scales = torch.arange(1, 1 + len(circuit.observables)).to(w)
    return ((inputs.sum(-1) + weights.sum())[..., None] * scales).sin()


def _slopes_by(values: Tensor, chosen: set[int]) -> Tensor:
    mask = torch.zeros(values.shape[-1], dtype=torch.bool)
    mask[sorted(chosen)] = True
    return torch.where(mask, values, values.detach())
