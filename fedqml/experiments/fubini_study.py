"""The metric of a model's circuits, as a function of all its weights."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from fedqml.core.errors import InputError
from fedqml.data.task import Task
from fedqml.experiments.costs import quantum_layers
from fedqml.federated.local.quantum_natural_gradient import Metric
from fedqml.quantum.devices.reference import reference
from fedqml.quantum.equipment import on
from fedqml.quantum.fubini_study import fubini_study_diagonal
from fedqml.quantum.layer import QuantumLayer


def fubini_study(task: Task) -> Metric:
    """Return the diagonal of the Fubini-Study metric of a model, averaged over a batch.

    A circuit that an example passes several times counts so often, as the product of its states
    does. Weights outside of circuits get 1. Circuits are exact, and nothing is dropped out.

    Args:
        task: the model and the data.

    Returns:
        ``(params, rows, mask) -> g``: from the weights ``(d,)`` and the batch to ``(d,)``;
        ``torch.func`` can map it.

    Raises:
        InputError: if the model has no quantum layer.
    """
    given = task.objective(seed=0)
    if not quantum_layers(given.module):
        raise InputError("The model has no quantum layer whose state could have a metric.")
    objective = replace(given, module=on(reference())(given.module))
    weights = {
        layer: ".".join(filter(None, (name, "weights")))
        for name, layer in objective.module.named_modules()
        if isinstance(layer, QuantumLayer)
    }
    pooled, key = objective.data.data, torch.zeros((), dtype=torch.int64)

    def metric(
        params: Float[Tensor, " d"], rows: Int[Tensor, " batch"], mask: Bool[Tensor, " batch"]
    ) -> Float[Tensor, " d"]:
        seen: dict[str, Tensor] = {}

        def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            assert isinstance(layer, QuantumLayer)
            each = fubini_study_diagonal(layer.circuit, inputs[0], layer.weights)
            each = each.reshape(len(rows), -1, each.shape[-1]).sum(1)
            mean = (each * mask[:, None]).sum(0) / mask.sum().clamp(min=1)
            seen[weights[layer]] = seen.get(weights[layer], 0) + mean

        hooks = [layer.register_forward_pre_hook(look) for layer in weights]
        try:
            objective.outputs(params, pooled.x[rows], key)
        finally:
            for hook in hooks:
                hook.remove()
        outside = objective.packing.unpack(torch.ones_like(params))
        return objective.packing.pack({**outside, **seen})

    return metric
