import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.random import stream
from fedqml.data.partitions import by_owner

LABELS = torch.tensor([0, 1, 0, 1])


def test_each_owner_is_a_client_in_order_of_names():
    shares = by_owner()(LABELS, ("Ulm", "Bern", "Ulm", "Aachen"), stream(0, "x"))
    assert shares.names == ("Aachen", "Bern", "Ulm")
    assert [rows.tolist() for rows in shares.rows] == [[3], [1], [0, 2]]


def test_data_without_owners_are_refused():
    with pytest.raises(InputError, match="must know who owns each row"):
        by_owner()(LABELS, None, stream(0, "x"))
