"""All clients of a cohort as one batch."""

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad, vmap

from fedqml.core.batches import BatchPlan
from fedqml.core.errors import InputError, require
from fedqml.core.transform import Transform
from fedqml.core.updates import State
from fedqml.data.task import Objective
from fedqml.engines.cohort import Engine, Train, TrainRows, cohort_engine
from fedqml.engines.traces.blocks import Batches
from fedqml.engines.traces.steps import Traced
from fedqml.federated.training import Local, mean_loss


def vectorised(at_once: int = 64) -> Engine:
    """Return the engine that trains a cohort's clients together, mapped by ``torch.vmap``.

    It gives the updates of ``sequential`` up to the order in which floating-point sums are
    taken. Clients of unequal size are padded with examples that count for nothing. On a CPU a
    client's bits do not depend on who is trained beside it, unless it has fewer examples than a
    batch: then its batch is as long as the longest, and sums of another length are rounded so.

    Args:
        at_once: how many clients are trained together; a larger cohort comes in chunks.

    Raises:
        InputError: if ``at_once`` is less than 1, or the model cannot be mapped over clients.
    """
    require(at_once >= 1, "at_once", at_once, "be at least 1")
    of_cohort = cohort_engine(_together, at_once)

    def engine(objective: Objective, local: Local, client: Transform) -> Train:
        _try_map(objective)
        return of_cohort(objective, local, client)

    return engine


def _together(objective: Objective, local: Local) -> TrainRows:
    inside = objective.module, objective.loss, local
    begin = partial(objective.begin, training=True)
    # A lone client is mapped, too: its bits must not depend on who is trained beside it.
    steps = {
        ragged: Traced(vmap(local.advance(objective.batch_loss, ragged)), inside, begin)
        for ragged in (False, True)
    }

    def train(
        received: Float[Tensor, "k d"], state: State, plan: BatchPlan
    ) -> tuple[Float[Tensor, "k d"], State, Float[Tensor, " k"]]:
        ragged = not bool(plan.mask.any(-1).all())
        # Steps first; memory in one piece, as tensors are within a step.
        batches = Batches(*(field.flatten(1, 2).transpose(0, 1).contiguous() for field in plan))
        params, state, values, sizes = steps[ragged](received.contiguous(), state, batches)
        last = plan.rows.shape[2]
        return params, state, mean_loss(values[-last:], sizes[-last:])

    return train


def _try_map(objective: Objective) -> None:
    """Take the gradient for two clients at once, so that a model that cannot is refused now."""
    objective.data.require_rows()
    rows = torch.zeros(2, 1, dtype=torch.int64)
    params = objective.first.expand(2, -1)
    try:
        vmap(grad(objective.batch_loss))(params, rows, rows == 0, rows[:, 0])
    except Exception as error:  # the user's code: anything can come
        raise InputError(
            "The model cannot be trained for several clients at once; the engine `sequential` "
            f"can train it. PyTorch says: {error}"
        ) from error
