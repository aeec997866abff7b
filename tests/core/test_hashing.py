import torch
from scipy import stats

from fedqml.core.hashing import bits, fold, uniform

KEYS = torch.arange(1000)


def test_uniform_numbers_pass_a_kolmogorov_smirnov_test():
    drawn = uniform(torch.tensor(2**40 + 3), 200_000)
    assert drawn.dtype == torch.float64
    assert 0 < drawn.min() < drawn.max() < 1
    assert stats.kstest(drawn.numpy(), "uniform").pvalue > 1e-3


def test_neighbouring_numbers_and_keys_are_uncorrelated():
    drawn = uniform(KEYS, 300) - 0.5
    bound = 4 / 12 / (1000 * 299) ** 0.5
    assert abs((drawn[:, 1:] * drawn[:, :-1]).mean()) < bound
    assert abs((drawn[1:] * drawn[:-1]).mean()) < bound


def test_folded_keys_differ_and_start_streams_of_their_own():
    children = fold(KEYS[:, None], torch.arange(1000))
    assert children.unique().numel() == 1_000_000
    assert children.min() >= 0
    assert children.max() < 2**63 - 1
    grandchild = fold(children[3, 5], torch.tensor(5))
    assert grandchild != fold(children[5, 3], torch.tensor(5)) != children[3, 5]
    first = uniform(children.flatten(), 1)[:, 0]
    assert stats.kstest(first.numpy(), "uniform").pvalue > 1e-3


def test_mapped_over_keys_it_draws_the_same():
    mapped = torch.func.vmap(lambda key: uniform(fold(key, torch.tensor(4)), 5))(KEYS)
    assert torch.equal(mapped, uniform(fold(KEYS, torch.tensor(4)), 5))
    each = [bits(key, torch.tensor(1)) for key in KEYS]
    assert torch.equal(bits(KEYS, torch.tensor(1)), torch.stack(each))
