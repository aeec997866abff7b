import pytest
import torch

from fedqml.core.attackers import attacking
from fedqml.core.errors import InputError
from fedqml.data.dataset import Data
from fedqml.data.partitions import iid
from fedqml.data.poisons import label_flip


def split(clients=10):
    x, y = torch.rand(60, 2), torch.arange(60) % 3
    return Data(x, y, test=(x, y)).split(iid(clients))


def test_attackers_labels_flip_and_nothing_else_changes():
    before = split()
    after = label_flip([2, 5])(before, 0)
    for client, rows in enumerate(before.clients):
        y = before.data.y[rows]
        assert torch.equal(after.data.y[rows], 2 - y if client in (2, 5) else y)
    assert torch.equal(after.data.test[1], before.data.test[1])
    assert after.fingerprint() != before.fingerprint()


def test_a_fraction_of_the_clients_is_that_of_other_attacks():
    before = split()
    changed = label_flip(0.3)(before, 7).data.y != before.data.y
    found = [bool(changed[rows].any()) for rows in before.clients]
    everybody = torch.arange(10)
    assert found == attacking(0.3, everybody, everybody, 7).tolist()
    assert sum(found) == 3


def test_clients_that_are_not_there_are_refused():
    with pytest.raises(InputError, match="must name clients from 0 to 9"):
        label_flip([10])(split(), 0)
