import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.core.random import stream
from fedqml.data.partitions import iid


@settings(deadline=None)
@given(st.data())
def test_shares_are_equal_disjoint_and_cover(data):
    n = data.draw(st.integers(1, 200))
    clients = data.draw(st.integers(1, n))
    seed = data.draw(st.integers(0, 2**31))
    rows = iid(clients)(torch.zeros(n, dtype=torch.int64), None, stream(seed, "x")).rows
    sizes = [len(held) for held in rows]
    assert sizes == [n // clients + (k < n % clients) for k in range(clients)]
    assert sorted(torch.cat(rows).tolist()) == list(range(n))
    assert all(torch.equal(held, held.sort().values) for held in rows)


def test_the_papers_split():
    rows = iid(100)(torch.zeros(23_000, dtype=torch.int64), None, stream(0, "x")).rows
    assert {len(held) for held in rows} == {230}


def test_any_client_may_get_any_row():
    # Where row 0 goes, over 1000 seeds and 4 clients: binomial with sd 13.7.
    labels = torch.zeros(8, dtype=torch.int64)
    counts = np.zeros(4)
    for seed in range(1000):
        rows = iid(4)(labels, None, stream(seed, "x")).rows
        counts[next(k for k, held in enumerate(rows) if 0 in held)] += 1
    assert np.abs(counts - 250).max() < 5 * 13.7


def test_more_clients_than_rows_are_refused():
    with pytest.raises(InputError, match="clients=6 and there are 5 rows"):
        iid(6)(torch.zeros(5, dtype=torch.int64), None, stream(0, "x"))


@pytest.mark.parametrize("clients", [0, -3])
def test_no_client_is_refused(clients):
    with pytest.raises(InputError, match=f"must be at least 1, but clients={clients}"):
        iid(clients)
