"""Partitions that make clients differ: what they promise, for any data."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.core.random import stream
from fedqml.data.dataset import Data
from fedqml.data.partitions import (
    dirichlet,
    feature_noise,
    k_classes,
    power_law,
    quantity_skew,
    shards,
)

ALPHAS = st.sampled_from([1e-300, 1e-6, 0.1, 1.0, 1e6, 1e15])


def held(partition, labels, seed=0):
    return partition(torch.as_tensor(labels), None, stream(seed, "x")).rows


def counts(rows, labels):
    labels = torch.as_tensor(labels)
    size = int(labels.max()) + 1
    return np.array([torch.bincount(labels[own], minlength=size).tolist() for own in rows])


def assert_cover(rows, n, clients):
    assert len(rows) == clients
    assert sorted(torch.cat(rows).tolist()) == list(range(n))
    assert all(torch.equal(own, own.sort().values) for own in rows)


@st.composite
def labelled(draw):
    n = draw(st.integers(1, 120))
    classes = draw(st.integers(1, 12))
    labels = np.random.default_rng(draw(st.integers(0, 99))).integers(classes, size=n)
    return labels, draw(st.one_of(st.just(1), st.just(n), st.integers(1, n)))


@settings(deadline=None)
@given(labelled(), ALPHAS, st.integers(0, 2**31), st.sampled_from([dirichlet, quantity_skew]))
def test_any_alpha_gives_everyone_a_row(problem, alpha, seed, factory):
    labels, clients = problem
    rows = held(factory(clients, alpha), labels, seed)
    assert_cover(rows, len(labels), clients)
    assert min(len(own) for own in rows) >= 1


@settings(deadline=None)
@given(labelled(), st.floats(0, 100))
def test_a_power_law_gives_everyone_a_row(problem, exponent):
    labels, clients = problem
    rows = held(power_law(clients, exponent), labels)
    assert_cover(rows, len(labels), clients)
    assert min(len(own) for own in rows) >= 1


@settings(deadline=None)
@given(labelled(), st.data())
def test_shards_are_equal(problem, data):
    labels, clients = problem
    per_client = data.draw(st.integers(1, len(labels) // clients))
    rows = held(shards(clients, per_client), labels)
    assert_cover(rows, len(labels), clients)
    sizes = [len(own) for own in rows]
    assert max(sizes) - min(sizes) <= per_client


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 10), st.data())
def test_k_classes_a_client(clients, classes, data):
    k = data.draw(st.integers(-(-classes // clients), max(classes, -(-classes // clients))))
    labels = np.arange(classes * 35) % classes
    if k > classes:
        return
    table = counts(held(k_classes(clients, k), labels, data.draw(st.integers(0, 99))), labels)
    assert ((table > 0).sum(1) == k).all()
    assert (table.sum(0) == 35).all()
    owners = (table > 0).sum(0)
    assert owners.max() - owners.min() <= 1
    for column in table.T:  # each class shared equally
        own = column[column > 0]
        assert own.max() - own.min() <= 1


def test_small_alpha_gives_each_class_to_one_client_and_large_alpha_equal_shares():
    labels = np.arange(1000) % 10
    table = counts(held(dirichlet(10, 1e-6, least=1), labels), labels)
    assert ((table >= 90).sum(0) == 1).all()  # but for the rows that empty clients got
    table = counts(held(dirichlet(10, 1e6), labels), labels)
    assert (table == 10).all()
    sizes = [len(own) for own in held(quantity_skew(10, 1e6), labels)]
    assert max(sizes) - min(sizes) <= 2


def test_dirichlet_shares_have_the_distribution_s_moments():
    # Dir(a) over K: mean 1/K, variance (1/K)(1 - 1/K) / (aK + 1).
    labels = np.zeros(10_000, dtype=np.int64)
    shares = np.array(
        [[len(own) / 1e4 for own in held(quantity_skew(4, 0.5), labels, s)] for s in range(1000)]
    )
    np.testing.assert_allclose(shares.mean(0), 0.25, atol=5 * 0.25 / np.sqrt(1000))
    np.testing.assert_allclose(shares.var(0), 0.0625, rtol=0.15)


def test_a_power_law_s_sizes():
    sizes = [len(own) for own in held(power_law(3, 1.0), np.zeros(1100, dtype=np.int64))]
    assert sizes == [600, 300, 200]
    assert [len(own) for own in held(power_law(4, 0.0), np.zeros(8, dtype=np.int64))] == [2] * 4


def test_mcmahan_s_shards():
    labels = np.repeat(np.arange(10), 600)
    table = counts(held(shards(100), labels), labels)
    assert (table.sum(1) == 60).all()
    assert ((table > 0).sum(1) <= 2).all()


@pytest.mark.parametrize("factory", [dirichlet, quantity_skew])
@pytest.mark.parametrize("alpha", [0.0, -1.0, float("inf"), float("nan")])
def test_alpha_must_be_positive_and_finite(factory, alpha):
    with pytest.raises(InputError, match="`alpha` must be positive"):
        factory(3, alpha)


@pytest.mark.parametrize("factory", [dirichlet, quantity_skew])
def test_a_client_without_a_row_is_named_and_the_way_out(factory):
    with pytest.raises(InputError, match=r"without a row: [\d, ]+\. With `least = 1`"):
        held(factory(20, 1e-6, least=0), np.arange(100) % 3)


def test_more_rows_for_everyone_than_there_are():
    with pytest.raises(InputError, match="`least` must leave 6 clients room in 5 rows"):
        held(dirichlet(6, 1.0), np.zeros(5, dtype=np.int64))
    assert (
        min(len(own) for own in held(power_law(4, 5.0, least=10), np.zeros(60).astype(int))) == 10
    )


def test_k_must_fit_classes_and_clients():
    labels = np.arange(12) % 3
    with pytest.raises(InputError, match="k=4 with 2 clients and 3 classes"):
        held(k_classes(2, 4), labels)
    with pytest.raises(InputError, match="k=1 with 2 clients and 3 classes"):
        held(k_classes(2, 1), labels)
    with pytest.raises(InputError, match="class 0 has 4 for 5: use fewer clients"):
        held(k_classes(5, 3), labels)


def test_more_shards_than_rows_are_refused():
    with pytest.raises(InputError, match="a row for each of 3 x 2 shards, but there are 5 rows"):
        held(shards(3), [0, 1, 0, 1, 0])


@pytest.mark.parametrize("variance", [-0.1, float("inf"), float("nan")])
def test_a_variance_must_be_finite(variance):
    with pytest.raises(InputError, match="`variance` must be finite"):
        feature_noise(3, variance)


def test_the_variance_of_the_noise_grows_and_the_test_data_stay_clean():
    data = Data(torch.zeros(4000, 5), torch.arange(4000) % 2, (torch.zeros(2, 5), torch.arange(2)))
    split = data.split(feature_noise(4, variance=2.0), seed=1)
    measured = [float(split.data.x[own].var()) for own in split.clients]
    np.testing.assert_allclose(measured, [0.5, 1.0, 1.5, 2.0], rtol=0.08)
    assert not split.data.test[0].any()
    assert not data.x.any()
    assert [c["noise"] ** 2 for c in split.description()["clients"]] == pytest.approx(
        [0.5, 1.0, 1.5, 2.0]
    )
    again = data.split(feature_noise(4, variance=2.0), seed=1)
    assert again.fingerprint() == split.fingerprint()
    assert data.split(feature_noise(4, 2.0), seed=2).fingerprint() != split.fingerprint()
    assert split.to(torch.float64).noise == split.noise


def test_no_variance_no_noise():
    x = torch.rand(8, 2)
    data = Data(x, torch.arange(8) % 2, (x, torch.arange(8) % 2))
    assert torch.equal(data.split(feature_noise(2, 0.0)).data.x, x)
