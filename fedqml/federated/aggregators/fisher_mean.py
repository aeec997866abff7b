"""The mean in which a client counts, weight by weight, by how much the weight matters to it."""

from dataclasses import replace

from fedqml.core.errors import require
from fedqml.core.finite import finite_rows
from fedqml.core.transform import Folding, Transform, by_folding
from fedqml.core.updates import Context, State, Updates
from fedqml.federated.aggregation import reported, sound, weighted_mean


def fisher_mean(damping: float = 1e-6) -> Transform:
    """Return ``sum_i n_i (F_i + l) delta_i / sum_i n_i (F_i + l)`` in each coordinate.

    F_i is what clients report by the local rule ``fisher``. With the posterior of client i's
    weights taken for a Gaussian around its own, of precision ``n_i F_i``, this is where the product
    of all is largest; on quadratic losses with diagonal curvatures F_i, the joint optimum of the
    clients' own. The rows are taken in as they come, as by the mean.

    A row is refused if its report has an entry that is negative or not finite, or too large to
    multiply with. Breakdown point 0, and lower than the mean's in effect: a client that reports a
    large F_i has a coordinate for itself.

    Args:
        damping: l, from 1e-30 to 1e30 in units of F, squared gradients: coordinates in which every
            F_i is far below it get the plain mean.

    Raises:
        InputError: if the damping is out of range; before training, if the local rule does not
            report ``fisher``; in a round whose every update is refused.

    Example:
        >>> import torch
        >>> u = Updates(torch.arange(2), torch.tensor([[0.0, 1.0], [4.0, 3.0]]), torch.ones(2), {},
        ...     reports={"fisher": torch.tensor([[1.0, 0.0], [3.0, 0.0]])})
        >>> context = Context(1, u.clients, torch.zeros(1, 2), seed=0)
        >>> fisher_mean().apply(u, {}, context)[0].delta
        tensor([[3.0000, 2.0000]])

    Source: Matena and Raffel, arXiv:2111.09832 (Fisher merging, of the diagonal); as a federated
    rule, Jhunjhunwala, Wang and Joshi, arXiv:2403.12329 (FedFisher).
    """
    # what float32 can add and divide by
    require(1e-30 <= damping <= 1e30, "damping", damping, "be from 1e-30 to 1e30")
    mean = weighted_mean(lambda n: n)

    def fold(state: State, context: Context) -> Folding:
        moved, matter = mean.begin({}, context), mean.begin({}, context)

        def add(updates: Updates) -> None:
            whole = sound(updates)
            fisher = reported(whole, "fisher", "fisher_mean")
            precision = fisher + damping
            usable = (fisher >= 0).all(1) & finite_rows(whole.delta * precision)
            kept, precision = (
                (whole, precision) if usable.all() else (whole.keep(usable), precision[usable])
            )
            moved.add(replace(kept, delta=kept.delta * precision))
            matter.add(replace(kept, delta=precision))

        def finish() -> tuple[Updates, State]:
            after, _ = moved.finish()
            return replace(after, delta=after.delta / matter.finish()[0].delta), state

        return Folding(add, finish)

    return by_folding(fold)
