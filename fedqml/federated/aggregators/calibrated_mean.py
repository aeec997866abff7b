"""The mean in which clients with better hardware count for more."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import InputError, require
from fedqml.core.transform import Folding, Transform, by_folding
from fedqml.core.updates import Context, State, Updates
from fedqml.federated.aggregation import require_own_rows, weighted_mean
from fedqml.federated.calibration import Calibration


def calibrated_mean(calibration: Sequence[Calibration], shot_noise: float = 1.0) -> Transform:
    """Return the mean with the weights ``n_i a_i / (1 + r / S_i)``, of the best signal to noise.

    Of one true step d client i is taken to send ``a_i d`` with an error of variance
    ``(s^2 + t^2 / S_i) / n_i``: a part a_i of a gradient is left by noise, examples differ by s^2,
    and a single shot for each of an example's circuits adds t^2, S_i shots so much less. Then
    ``(sum w_i a_i)^2 / sum w_i^2 var_i`` is largest for ``w_i = a_i / var_i``, with
    ``r = t^2 / s^2`` the weights above. On an exact simulator S_i is infinite.

    Cautiously, s^2 is taken to be the same for all. Did noise shrink it by a_i^2, as it may where
    nothing but circuits is trained, exact but noisy clients would have to count for more than the
    others. As of any weighted mean, the result is attenuated: by the weighted mean of the a_i.
    Breakdown point 0; but clients cannot change their weights, as what is known of their hardware
    comes from the server.

    Args:
        calibration: a and S of each client, as ``fq.calibration(task)`` has them from the devices
            of the task; in experiment files they come from the sections ``device`` and ``fleet``.
        shot_noise: r, at least 0: a single shot's variance over that of examples; 0 ignores shots.

    Raises:
        InputError: if ``shot_noise`` is out of range, or a client has nothing left; before
            training, if the calibration is not of all clients; in a round whose every update is
            refused.

    Example:
        >>> u = Updates(torch.arange(2), torch.tensor([[0.0], [3.0]]), torch.ones(2), {})
        >>> rule = calibrated_mean([Calibration(0.5), Calibration()])
        >>> rule.apply(u, {}, Context(1, u.clients, torch.zeros(1, 1), seed=0))[0].delta
        tensor([[2.]])
    """
    require(0 <= shot_noise < math.inf, "shot_noise", shot_noise, "be finite and at least 0")
    quality = torch.tensor([c.attenuation / (1 + shot_noise / c.shots) for c in calibration])
    nothing = (quality < torch.finfo(torch.float32).tiny).nonzero().flatten().tolist()
    if nothing:
        raise InputError(
            f"By the calibration, noise and shots leave nothing of what clients {nothing} learn: "
            "the strategy must not weigh them by it, or they must not take part."
        )
    mean = weighted_mean(lambda weight: weight)

    def fold(state: State, context: Context) -> Folding:
        if len(quality) < max(context.population, int(context.cohort.max()) + 1):
            raise InputError(
                f"Argument `calibration` must be of all clients, but it is of {len(quality)}."
            )
        folding = mean.begin({}, context)

        def of(updates: Updates) -> Float[Tensor, " k"]:
            return quality.to(updates.weight)[updates.clients]

        def add(updates: Updates) -> None:
            require_own_rows(updates, "`calibrated_mean`")
            folding.add(replace(updates, weight=updates.weight * of(updates)))

        def finish() -> tuple[Updates, State]:
            after, _ = folding.finish()
            return replace(after, weight=after.weight / of(after)), state

        return Folding(add, finish)

    return by_folding(fold)
