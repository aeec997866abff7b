"""How good each client's hardware is, as the devices of a task say."""

import math

from fedqml.core.errors import InputError
from fedqml.data.task import Objective, Task
from fedqml.experiments.costs import quantum_layers
from fedqml.federated.calibration import Calibration
from fedqml.quantum.layer import QuantumLayer
from fedqml.quantum.noise.attenuation import attenuation


def calibration(task: Task) -> list[Calibration]:
    """Return what noise and shots of its devices do to each client's gradients; see ``of_clients``.

    Args:
        task: with the fleet.

    Returns:
        A calibration for each client, which the aggregator ``calibrated_mean`` takes.

    Raises:
        InputError: if the model has no quantum layer.
    """
    return of_clients(task.objective(seed=0))


def of_clients(objective: Objective) -> list[Calibration]:
    """Return the calibration of each client.

    The attenuation is that of ``fedqml.quantum.noise.attenuation``; of several circuits in a model
    it is the product, and the shots are the fewest. Nothing is known of the noise in devices of
    PennyLane's, and the samples of ``trajectories`` are no shots: no hardware has their errors.

    Raises:
        InputError: if the model has no quantum layer.
    """
    kinds = {kind: _of(kind) for kind in (objective, *objective.equipped.values())}
    return [kinds[objective.of(client)] for client in range(len(objective.data.clients))]


def _of(objective: Objective) -> Calibration:
    layers = quantum_layers(objective.module)
    if not layers:
        raise InputError(
            "The model has no quantum layer whose device could be calibrated, which the aggregator "
            "`calibrated_mean` needs."
        )
    left = math.prod(attenuation(layer.circuit, layer.device.noise) for layer in layers)
    return Calibration(left, min(map(_shots, layers)))


def _shots(layer: QuantumLayer) -> float:
    cost = layer.device.forward(layer.circuit)
    return cost.shots / cost.evaluations if cost.shots else math.inf
