"""The mean that knows which weights are angles."""

from jaxtyping import Float
from torch import Tensor

from fedqml.core.angles import Angles
from fedqml.core.errors import require
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, Updates
from fedqml.federated.circular import circular
from fedqml.federated.own_columns import mean_but_angles


def circular_mean(angles: Angles, least_length: float = 0.1) -> Transform:
    """Return federated averaging with the circular mean of angles.

    An angle's step is the direction of ``sum_i n_i exp(2pi i delta_i / T)``, at most half its
    period T; where trained angles lie on both sides of the cut, so that they differ by almost T,
    the plain mean points the opposite way. Where clients begin with the same angle, the mean
    of the steps is that of the angles; of stale ones it is that of the steps, as by ``mean``. For a
    small spread s both means agree up to s^3. Other weights are averaged as ``mean`` does.

    Args:
        angles: which weights are angles; ``fedqml.angles(model)``. A file says nothing.
        least_length: where the mean of the unit vectors is shorter, from 0 to 1, their direction is
            accidental, and the angle is averaged as other weights are. That of k angles which are
            drawn uniformly is about 1 / sqrt(k) long.

    Raises:
        InputError: for a length out of range, or a model without angles; in a round whose every
            update is refused.

    Example:
        >>> import torch
        >>> none = torch.zeros(0, 3, dtype=torch.int64)
        >>> one = Angles(1, torch.tensor([0]), torch.tensor([2 * torch.pi]), none)
        >>> u = Updates(torch.arange(2), torch.tensor([[3.0], [-3.0]]), torch.ones(2), {})
        >>> circular_mean(one).apply(u, {}, Context(1, u.clients, u.delta[:1], 0))[0].delta
        tensor([[3.1416]])

    Source: Mardia and Jupp, Directional statistics, Wiley 2000, section 2.2.1.
    """
    require(0 <= least_length <= 1, "least_length", least_length, "be in [0, 1]")

    def rule(updates: Updates, context: Context) -> Float[Tensor, " a"]:
        return circular(updates.delta, updates.weight, angles.periods, least_length)

    return mean_but_angles(angles, rule)
