"""How good the models are that clients keep for themselves."""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from fedqml.core.updates import State
from fedqml.data.task import Objective
from fedqml.federated.training import Received


def personal_measures(
    objective: Objective,
    personal: Callable[[Received, State], Tensor],
    received: Received,
    kept: Mapping[int, State],
    key: Int[Tensor, ""],
) -> dict[str, float]:
    """Return the means over clients of loss and metrics of their own models.

    Clients hold no test rows. Each is measured on the server's, weighted so that the classes count
    as they do in its training rows: on what it would meet at home, where clients differ in their
    mix of classes. Differences within a class, such as noisy features, are not seen.

    Args:
        objective: model and data.
        personal: from the local rule.
        received: the global model.
        kept: what each of the clients keeps.
        key: for models that draw in evaluation.

    Returns:
        A value for each measure, each client counting alike; NaN without a client whose classes
        are tested.
    """
    sums = dict.fromkeys(("loss", *objective.metrics), 0.0)
    counted = 0
    for client, own in kept.items():
        mix = class_weights(objective, client)
        if mix is None:
            continue
        counted += 1
        values = objective.of(client).per_example(personal(received, own), key)
        for name, value in values.items():
            sums[name] += float((mix * value).sum())
    return {name: total / counted if counted else math.nan for name, total in sums.items()}


def class_weights(objective: Objective, client: int) -> Float[Tensor, " tests"] | None:
    """Return what each test row counts for a client, 1 together; None if none is of its classes."""
    pooled = objective.data.data
    classes = len(pooled.classes)
    own = torch.bincount(pooled.y[objective.data.rows(client)], minlength=classes)
    labels = pooled.test_set[1]
    tested = torch.bincount(labels, minlength=classes)
    weights = (own.double() / tested.clamp(min=1))[labels]
    total = weights.sum()
    return weights / total if total > 0 else None
