import torch

from fedqml.core.random import stream
from fedqml.data.partitions import central


def test_one_client_holds_everything():
    shares = central()(torch.tensor([0, 1, 0]), ("a", "b", "a"), stream(0, "x"))
    assert [rows.tolist() for rows in shares.rows] == [[0, 1, 2]]
    assert shares.names == ()
