import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.batches import BatchPlan, batch_plans


def plans(sizes, batch_size=4, epochs=2, first=10):
    rows = [torch.arange(first, first + n) for n in sizes]
    rngs = [np.random.default_rng(seed) for seed, _ in enumerate(sizes)]
    return batch_plans(rows, batch_size, epochs, rngs)


def plan(n, batch_size=4, epochs=2):
    return BatchPlan(*(field[0] for field in plans([n], batch_size, epochs)))


@given(st.integers(1, 30), st.integers(1, 40), st.integers(1, 3))
def test_every_epoch_visits_every_row_once(n, batch_size, epochs):
    p = plan(n, batch_size, epochs)
    assert p.rows.shape == p.mask.shape == (*p.key.shape, min(batch_size, n))
    for epoch in range(epochs):
        seen = p.rows[epoch][p.mask[epoch]]
        assert sorted(seen.tolist()) == list(range(10, 10 + n))
    assert p.mask.any(-1).all()


def test_epochs_come_in_different_orders_with_different_keys():
    p = plan(30, epochs=2)
    assert not torch.equal(p.rows[0], p.rows[1])
    assert len(set(p.key.flatten().tolist())) == p.key.numel()
    assert (p.key >= 0).all()


@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 8))
def test_stacking_keeps_each_plan_and_adds_only_masked_examples(sizes, batch_size):
    stacked = plans(sizes, batch_size)
    for i, n in enumerate(sizes):
        rngs = [np.random.default_rng(i)]
        p = BatchPlan(*(f[0] for f in batch_plans([torch.arange(10, 10 + n)], batch_size, 2, rngs)))
        _, steps, batch = p.rows.shape
        assert torch.equal(stacked.rows[i, :, :steps, :batch], p.rows)
        assert torch.equal(stacked.key[i, :, :steps], p.key)
        assert stacked.mask[i].sum() == p.mask.sum()
        assert torch.equal(stacked.mask[i, :, :steps, :batch], p.mask)
        # Padding points at rows of the same client: another's could hold NaN or be private.
        assert set(stacked.rows[i].flatten().tolist()) <= set(p.rows.flatten().tolist())
