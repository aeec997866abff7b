"""The metric of a model's circuits, as a function of all its weights."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from fedqml.core.errors import InputError
from fedqml.data.task import Objective, Task
from fedqml.experiments.costs import quantum_layers
from fedqml.federated.local.quantum_natural_gradient import Metric
from fedqml.quantum.devices.reference import reference
from fedqml.quantum.equipment import on
from fedqml.quantum.fubini_study import fubini_study_diagonal
from fedqml.quantum.layer import QuantumLayer


def fubini_study(task: Task, seed: int = 0) -> Metric:
    """Return the diagonal of the Fubini-Study metric of a model, averaged over a batch.

    A circuit that an example passes several times counts so often, as the product of its states
    does. Weights outside of circuits get 1. Circuits are exact, and nothing is dropped out.

    Args:
        task: the model and the data.
        seed: of the run, with which weights that are not trained are drawn.

    Returns:
        ``(params, rows, mask) -> g``: from the weights ``(d,)`` and the batch to ``(d,)``;
        ``torch.func`` can map it.

    Raises:
        InputError: if the model has no quantum layer, or there are clients with smaller circuits,
            whose states are others; in training, if a circuit's inputs do not begin with the batch.
    """
    return metric_of(task.objective(seed))


def metric_of(given: Objective) -> Metric:
    """Return the metric of an objective's model; see ``fubini_study``."""
    if not quantum_layers(given.module):
        raise InputError("The model has no quantum layer whose state could have a metric.")
    objective = replace(given, module=on(reference())(given.module))
    circuits = [layer.circuit for layer in quantum_layers(given.module)]
    for other in given.equipped.values():
        if [layer.circuit for layer in quantum_layers(other.module)] != circuits:
            raise InputError(
                "The metric is of the whole model's circuits, and clients that have smaller ones "
                "would be given a wrong one: all must have the same."
            )
    # layers may share their weights, which then have one name
    names = {id(parameter): name for name, parameter in objective.module.named_parameters()}
    weights = {
        layer: names[id(layer.weights)]
        for layer in quantum_layers(objective.module)
        if names[id(layer.weights)] in objective.packing.slices
    }
    pooled, key = objective.data.data, torch.zeros((), dtype=torch.int64)

    def metric(
        params: Float[Tensor, " d"], rows: Int[Tensor, " batch"], mask: Bool[Tensor, " batch"]
    ) -> Float[Tensor, " d"]:
        seen: dict[str, Tensor] = {}

        def look(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            assert isinstance(layer, QuantumLayer)
            if len(inputs[0]) != len(rows):
                raise InputError(
                    f"The metric needs a circuit's inputs with the {len(rows)} examples of the "
                    f"batch in front, but their shape is {tuple(inputs[0].shape)}."
                )
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
