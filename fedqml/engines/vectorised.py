"""All clients of a cohort as one batch."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad, vmap

from fedqml.core.batches import BatchPlan, stack
from fedqml.core.errors import InputError, require
from fedqml.core.transform import Transform
from fedqml.core.updates import State
from fedqml.data.task import Objective
from fedqml.engines.cohort import Engine, Train, cohort_engine
from fedqml.engines.sequential import train_one
from fedqml.federated.training import Local


def vectorised(at_once: int = 64) -> Engine:
    """Return the engine that trains a cohort's clients together, mapped by ``torch.vmap``.

    It gives the updates of ``sequential`` up to the order in which floating-point sums are
    taken. Clients of unequal size are padded with examples that count for nothing.

    Args:
        at_once: how many clients are trained together; a larger cohort comes in chunks.

    Raises:
        InputError: if ``at_once`` is less than 1, or the model cannot be mapped over clients.
    """
    require(at_once >= 1, "at_once", at_once, "be at least 1")
    of_cohort = cohort_engine(_train_together, at_once)

    def engine(objective: Objective, local: Local, client: Transform) -> Train:
        _try_map(objective)
        return of_cohort(objective, local, client)

    return engine


def _train_together(
    objective: Objective,
    local: Local,
    received: Float[Tensor, "k d"],
    state: State,
    plans: list[BatchPlan],
) -> tuple[Float[Tensor, "k d"], State, Float[Tensor, " k"]]:
    if len(plans) == 1:
        return train_one(objective, local, received, state, plans)  # mapping would only cost time
    plan = stack(plans)
    ragged = not bool(plan.mask.any(-1).all())

    def run(params: Tensor, own: State, steps: BatchPlan) -> tuple[Tensor, State, Tensor]:
        return local.run(objective.batch_loss, params, own, steps, ragged)

    return vmap(run)(received, state, plan)


def _try_map(objective: Objective) -> None:
    """Take the gradient for two clients at once, so that a model that cannot is refused now."""
    rows = torch.zeros(2, 1, dtype=torch.int64)
    params = objective.first.expand(2, -1)
    try:
        vmap(grad(objective.batch_loss))(params, rows, rows == 0, rows[:, 0])
    except Exception as error:  # the user's code: anything can come
        raise InputError(
            "The model cannot be trained for several clients at once; the engine `sequential` "
            f"can train it. PyTorch says: {error}"
        ) from error
