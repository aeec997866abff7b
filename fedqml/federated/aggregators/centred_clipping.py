"""The mean of updates whose distance from the last aggregate is bounded."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require, whole
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.federated.aggregation import collected, sound
from fedqml.federated.columns import combine, lengths


def centred_clipping(radius: float, iterations: int = 1) -> Transform:
    """Return the clipped mean around the aggregate of the round before.

    ``v <- v + (1/k) sum_i (delta_i - v) min(1, tau / ||delta_i - v||)``, several times; v is 0
    before the first round, and lives on from round to round. All clients count alike. Breakdown
    point: less than half of the rows may be anything; f of k of them move the result by at most
    ``tau f / k`` an iteration.

    Args:
        radius: tau, in the unit of the weights, positive.
        iterations: how often, at least once.

    Raises:
        InputError: if an argument is out of range.

    Example:
        >>> import torch
        >>> from fedqml.core.updates import Context, Updates
        >>> u = Updates(torch.arange(2), torch.tensor([[1.0], [9e9]]), torch.ones(2), {})
        >>> rule = centred_clipping(radius=3.0)
        >>> context = Context(1, u.clients, torch.zeros(1, 1), 0)
        >>> rule.apply(u, rule.init(torch.zeros(1)), context)[0].delta
        tensor([[2.]])

    Source: Karimireddy et al., arXiv:2012.10333, algorithm 2.
    """
    require(radius > 0, "radius", radius, "be positive")
    whole("iterations", iterations, least=1)

    def init(params: Float[Tensor, " d"]) -> State:
        return {"centre": torch.zeros_like(params, dtype=torch.float64)}

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        kept = collected(updates, context)
        rows, centre = kept.delta, state["centre"]
        for _ in range(iterations):
            share = radius / lengths(rows, centre).clamp(min=radius) / len(rows)
            centre = centre + combine(share[None], rows, centre, torch.float64)[0]
        return replace(kept, delta=centre[None].to(rows.dtype)), {"centre": centre}

    return Transform(init, apply, admit=sound)
