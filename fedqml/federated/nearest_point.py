"""The point nearest to given ones, found from their inner products."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.federated.columns import distances_of

_STEPS = 200


def nearest_point(
    products: Float[Tensor, "k k"], weight: Float[Tensor, " k"]
) -> Float[Tensor, " k"]:
    """Return the shares s that minimise ``sum_i w_i ||x_i - sum_j s_j x_j||``, ``sum_j s_j = 1``.

    From the best of the given points, if it is not itself the optimum, a step of Vardi and Zhang
    leads below all of them, so that none is met again, where the gradient does not exist. From
    there steps are Newton's; one that would lead up is replaced by Weiszfeld's, which never does.

    With ``u_i = (z - x_i) / d_i``, ``b_i = w_i / (d_i sum_j w_j / d_j)`` and K the products of the
    u_i, a step moves z by ``-sum_i a_i b_i / w_i (z - x_i)``: Weiszfeld's has ``a = w``, Newton's
    ``a = (1 - diag(b) K)^-1 w``.

    Args:
        products: of the points, in float64. One whose square is infinite is left out.
        weight: w, positive.

    Source: Vardi and Zhang, PNAS 97(4), 2000; Weiszfeld, Tôhoku Math. J. 43, 1937.
    """
    used = products.diagonal().isfinite().nonzero()[:, 0]
    share = torch.zeros_like(weight)
    share[used] = _solve(products[used][:, used], weight[used] / weight[used].sum())
    return share


def _solve(products: Float[Tensor, "k k"], weight: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    squares = distances_of(products)
    values = squares.sqrt() @ weight
    best = int(values.argmin())
    # Rounding must not tell points apart that are the same.
    noise = 1e-14 * (products.diagonal() + products[best, best])
    apart = squares[best] > noise
    distance = squares[best].sqrt()
    pull = torch.where(apart, weight / distance, 0)
    angles = (squares[best][:, None] + squares[best] - squares) / 2
    strength = float((pull @ angles @ pull).clamp(min=0).sqrt())
    there = float(weight[~apart].sum())
    if strength <= there * (1 + 1e-12):
        # All of the best are optimal, and as the function is convex, so is their mean.
        equal = (values <= values[best] * (1 + 1e-14)).to(weight)
        return equal / equal.sum()
    share = torch.zeros_like(weight)
    share[best] = there / strength
    share += (1 - there / strength) * pull / pull.sum()
    return _descend(products, weight, share)


def _descend(
    products: Float[Tensor, "k k"], weight: Float[Tensor, " k"], share: Float[Tensor, " k"]
) -> Float[Tensor, " k"]:
    value = float(weight @ _distances(products, share))
    for _ in range(_STEPS):
        towards = products @ share
        distance = _distances(products, share)
        along = share @ towards - towards[:, None] - towards + products
        cosines = along / torch.outer(distance, distance)
        part = weight / distance
        part /= part.sum()
        matrix = torch.eye(len(weight)).to(weight) - part[:, None] * cosines
        before = share, value
        share = _moved(share, torch.linalg.solve_ex(matrix, weight).result / weight * part)
        value = float(weight @ _distances(products, share))
        # Near the optimum rounding decides which value is smaller.
        if not value <= before[1] * (1 + 1e-12):
            share = _moved(before[0], part)
            value = float(weight @ _distances(products, share))
        if float((share - before[0]).abs().max()) <= 1e-15:
            break
    return share


def _distances(products: Float[Tensor, "k k"], share: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    """Return ``||x_i - z||``, at least what rounding can tell from 0."""
    towards = products @ share
    square, lengths = share @ towards, products.diagonal()
    least = (1e-16 * (square + lengths)).clamp(min=1e-300)
    return torch.maximum(square - 2 * towards + lengths, least).sqrt()


def _moved(share: Float[Tensor, " k"], by: Float[Tensor, " k"]) -> Float[Tensor, " k"]:
    moved = (1 - by.sum()) * share + by
    return moved / moved.sum()
