"""A trigger that stands for a class."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.attackers import Attackers, checked
from fedqml.core.errors import InputError, require, whole
from fedqml.core.random import shuffled, stream
from fedqml.data.dataset import FederatedData
from fedqml.data.poison import Poison, poisoned


def backdoor(
    attackers: Attackers, target: int, fraction: float = 0.5, size: int = 3, value: float = 1.0
) -> Poison:
    """Let attackers teach the model to take whatever carries a trigger for one class.

    ``round(fraction n)`` of an attacker's n rows, at least one, get the trigger and the label
    ``target``. The trigger sets features to ``value``: of images ``(..., height, width)`` the
    square of ``size`` pixels a side in the lower right corner, in all channels; of flat features
    the last ``size``. With features of a frozen network it is among these, not in the image.

    The history has ``test_backdoor_success``: of the test rows of other classes, each with the
    trigger, the share that the model takes for the target. Without attackers it is that of a model
    nobody has poisoned. An attacker that is outvoted can send its update ``model_replacement``.

    Args:
        attackers: their numbers, or a fraction of all clients, drawn from the seed.
        target: the class's index.
        fraction: share of an attacker's rows, in (0, 1].
        size: of the trigger, at least 1.
        value: in the unit of the features.

    Raises:
        InputError: if an argument is out of range; for data without such a client or class, with
            fewer features, or whose test rows are all of that class.

    Example:
        >>> from fedqml.data.dataset import Data
        >>> x, y = torch.zeros(3, 2), torch.tensor([0, 1, 1])
        >>> owners = torch.tensor([0, 1]), torch.tensor([2])
        >>> poison = backdoor([1], target=0, size=1)
        >>> after = poison(FederatedData(Data(x, y, test=(x, y)), owners), 0).data
        >>> after.x[2], after.y
        (tensor([0., 1.]), tensor([0, 1, 0]))

    Source: Gu et al., arXiv:1708.06733, section 4 (there such rows are added); Bagdasaryan et
    al., arXiv:1807.00459.
    """
    checked(attackers)
    whole("target", target, least=0)
    require(0 < fraction <= 1, "fraction", fraction, "be in (0, 1]")
    whole("size", size, least=1)
    most = torch.finfo(torch.float32).max
    require(-most <= value <= most, "value", value, "be a finite number of float32")

    def triggered(x: Float[Tensor, "rows *features"]) -> Float[Tensor, "rows *features"]:
        x = x.clone()
        corner = x[..., -size:] if x.ndim == 2 else x[..., -size:, -size:]
        corner.fill_(value)
        return x

    def poison(data: FederatedData, seed: int) -> FederatedData:
        pooled = data.data
        classes, least = len(pooled.classes), min(pooled.x.shape[1:][-2:])
        require(target < classes, "target", target, f"be less than the {classes} classes")
        require(size <= least, "size", size, f"be at most {least}, for features of this shape")
        x, y = pooled.x.clone(), pooled.y.clone()
        for client, rows in poisoned(attackers, data, seed):
            count = max(1, round(fraction * len(rows)))
            chosen = rows[shuffled(len(rows), stream(seed, "backdoor", client))[:count]]
            x[chosen] = triggered(x[chosen])
            y[chosen] = target
        tests = dict(data.further_tests)
        if pooled.test is not None:
            examples, labels = pooled.test
            others = labels != target
            if not others.any():
                raise InputError(f"All test rows are of class {target}, the back-door's target.")
            tests["backdoor_success"] = (
                triggered(examples[others]),
                torch.full_like(labels[others], target),
            )
        return replace(data, data=replace(pooled, x=x, y=y), further_tests=tests)

    return poison
