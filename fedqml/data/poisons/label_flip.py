"""Wrong labels."""

from dataclasses import replace

from fedqml.core.attackers import Attackers, checked
from fedqml.data.dataset import FederatedData
from fedqml.data.poison import Poison, poisoned


def label_flip(attackers: Attackers) -> Poison:
    """Let attackers train on ``C - 1 - y`` in place of y, of C classes.

    The test data stay as they are.

    Args:
        attackers: their numbers, or a fraction of all clients, drawn from the seed.

    Raises:
        InputError: if ``attackers`` is out of range; for data without such a client.

    Example:
        >>> import torch
        >>> from fedqml.data.dataset import Data
        >>> x, y = torch.rand(4, 1), torch.tensor([0, 1, 2, 0])
        >>> owners = (torch.tensor([0, 1]), torch.tensor([2, 3]))
        >>> label_flip([1])(FederatedData(Data(x, y, test=(x, y)), owners), 0).data.y
        tensor([0, 1, 0, 2])

    Source: Tolpegin et al., arXiv:2007.08432; all classes flipped, as in Karimireddy et al.,
    arXiv:2006.09365.
    """
    checked(attackers)

    def poison(data: FederatedData, seed: int) -> FederatedData:
        y = data.data.y.clone()
        for _, rows in poisoned(attackers, data, seed):
            y[rows] = len(data.data.classes) - 1 - y[rows]
        return replace(data, data=replace(data.data, y=y))

    return poison
