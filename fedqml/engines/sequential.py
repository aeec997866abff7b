"""Client after client: the readable loop, for any model."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.batches import BatchPlan
from fedqml.core.updates import State
from fedqml.data.task import Objective
from fedqml.engines.cohort import Engine, TrainRows, cohort_engine
from fedqml.federated.training import Local


def sequential() -> Engine:
    """Return the engine that trains one client after another.

    It serves every model, also those that ``torch.vmap`` cannot map, and it is what the other
    engines are held against.
    """
    return cohort_engine(one_by_one, at_once=1)


def one_by_one(objective: Objective, local: Local) -> TrainRows:
    """Return what trains a single client; see ``TrainRows``."""

    def train(
        received: Float[Tensor, "1 d"], state: State, plan: BatchPlan
    ) -> tuple[Float[Tensor, "1 d"], State, Float[Tensor, " 1"]]:
        own = {name: value[0] for name, value in state.items()}
        steps = BatchPlan(*(field[0] for field in plan))
        # A model may draw from PyTorch's global generator in its own code: give it the client's
        # stream, and leave the caller's as it was.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(steps.key[0, 0]))
            ragged = not bool(steps.mask.any(-1).all())
            params, own, loss = local.run(objective.batch_loss, received[0], own, steps, ragged)
        return params[None], {name: value[None] for name, value in own.items()}, loss[None]

    return train
