import numpy as np
import pytest
import torch
from scipy.linalg import hadamard
from scipy.stats import binom, chisquare

from fedqml.core.hashing import fold
from fedqml.quantum import outcomes
from fedqml.quantum.outcomes import draw_counts, probabilities, transform

from .strategies import numbers


@pytest.mark.parametrize("k", range(6))
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_transform_is_the_product_with_the_matrix(k, rows):
    values = numbers(1, rows, 2**k)
    expected = values @ torch.from_numpy(hadamard(2**k)).double()
    torch.testing.assert_close(transform(values), expected)


def test_probabilities_have_the_given_moments():
    p = numbers(1, 4, 8).abs()
    p = p / p.sum(-1, keepdim=True)
    torch.testing.assert_close(probabilities(transform(p)), p)
    # the third of three observables is the lowest bit, and its sign -1 where that is set
    signs = torch.tensor([1.0, -1.0] * 4, dtype=torch.float64)
    torch.testing.assert_close(transform(p)[:, 1], p @ signs)


def test_rounding_makes_no_probability_negative():
    certain = torch.tensor([[1.0, 1.0 + 1e-15, 1.0, 1.0 + 2e-15]], dtype=torch.float64)
    assert transform(certain).min() < 0
    found = probabilities(certain)
    assert found.min() == 0
    assert draw_counts(found, torch.tensor([1]), 100).tolist() == [[100, 0, 0, 0]]


def test_counts_follow_the_probabilities():
    p = torch.tensor([[0.1, 0.2, 0.0, 0.7], [0.25, 0.25, 0.25, 0.25]], dtype=torch.float64)
    counts = draw_counts(p, torch.tensor([3, 4]), 20000).numpy()
    assert (counts.sum(-1) == 20000).all()
    assert counts[0, 2] == 0
    for found, expected in zip(counts, p.numpy(), strict=True):
        kept = expected > 0
        assert chisquare(found[kept], 20000 * expected[kept]).pvalue > 1e-3


def test_the_number_of_hits_spreads_as_a_binomial():
    p = torch.tensor([[0.3, 0.7]], dtype=torch.float64).expand(20000, 2)
    hits = draw_counts(p, torch.arange(20000), 5)[:, 0].long().numpy()
    expected = 20000 * binom.pmf(range(6), 5, 0.3)
    assert chisquare(np.bincount(hits, minlength=6), expected).pvalue > 1e-3


@pytest.mark.parametrize("compiled", [True, False])
def test_a_row_draws_the_same_whoever_is_drawn_with_it(monkeypatch, compiled):
    monkeypatch.setattr(outcomes, "available", lambda: compiled)
    p, keys = numbers(1, 9, 8).abs(), torch.arange(9)
    together = draw_counts(p, keys, 50)
    assert torch.equal(draw_counts(p[4:6], keys[4:6], 50), together[4:6])
    monkeypatch.setattr(outcomes, "_DRAWN", 100)  # two rows at a time
    assert torch.equal(draw_counts(p, keys, 50), together)
    # and more shots than are drawn at a time
    counts = draw_counts(p, keys, 250)
    assert (counts.sum(-1) == 250).all()
    assert torch.equal(draw_counts(p[4:6], keys[4:6], 250), counts[4:6])
    # blocks of shots are not repetitions of each other
    assert not torch.equal(counts, (counts / 2.5).round() * 2.5)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("k", [1, 9])
def test_what_is_no_number_has_no_counts(monkeypatch, compiled, k):
    monkeypatch.setattr(outcomes, "available", lambda: compiled)
    p, keys = numbers(1, 5, 2**k).abs(), torch.arange(5)
    expected = draw_counts(p, keys, 50)
    p[1, 0], p[2, -1], p[3] = torch.nan, torch.inf, 0.0
    counts = draw_counts(p, keys, 50)
    assert counts[1:4].isnan().all()
    assert torch.equal(counts[[0, 4]], expected[[0, 4]])


@pytest.mark.parametrize("k", [0, 1, 2, 4, 9])
@pytest.mark.parametrize("shots", [1, 7, 2000])
def test_the_compiled_loop_draws_what_pytorch_draws(monkeypatch, k, shots):
    """With few outcomes, which are compared, and with many, which are bisected."""
    monkeypatch.setattr(outcomes, "_DRAWN", 900)
    p, keys = numbers(k, 30, 2**k).abs(), fold(torch.tensor(3), torch.arange(30))
    p[:10, 0] = 0
    p[:, -1] += 1e-9  # so that a row has a sum
    compiled = draw_counts(p, keys, shots)
    monkeypatch.setattr(outcomes, "available", lambda: False)
    assert torch.equal(draw_counts(p, keys, shots), compiled)
    assert (compiled.sum(-1) == shots).all()
