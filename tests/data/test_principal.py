import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from fedqml.core.errors import InputError
from fedqml.data import principal as module
from fedqml.data.principal import principal

RNG = np.random.Generator(np.random.Philox(6))


def data(rows=60, features=12, tests=9):
    spread = 1.5 ** -np.arange(features)
    mix = np.linalg.qr(RNG.normal(size=(features, features)))[0]

    def make(n):
        return torch.from_numpy((RNG.normal(size=(n, features)) * spread) @ mix + 3).float()

    return make(rows), make(tests)


@pytest.mark.parametrize("all_directions", [2048, 1])
@pytest.mark.parametrize("values", [1 << 24, 70])
def test_equals_scikit_learn_up_to_signs(monkeypatch, all_directions, values):
    monkeypatch.setattr(module, "_ALL", all_directions)
    monkeypatch.setattr(module, "_VALUES", values)
    train, test = data()
    ours = principal(train, test, 3)
    pca = PCA(3, svd_solver="full").fit(train.double().numpy())
    # over rows - 1 there, over rows here
    scale = np.sqrt(pca.explained_variance_ * (len(train) - 1) / len(train))
    signs = np.sign(pca.components_[range(3), np.abs(pca.components_).argmax(1)])
    for found, part in zip(ours, (train, test), strict=False):
        expected = pca.transform(part.double().numpy()) / scale * signs
        np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=2e-6)
    assert ours[2] == pytest.approx(pca.explained_variance_ratio_.sum(), abs=1e-12)


def test_unit_variance_mean_0_and_no_correlation():
    found = principal(*data(), 4)[0].double()
    np.testing.assert_allclose(found.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found.T @ found / len(found), np.eye(4), atol=1e-6)


def test_maps_are_flattened():
    train, test = data()
    assert torch.equal(
        principal(train, test, 2)[1],
        principal(train.reshape(-1, 3, 4), test.reshape(-1, 3, 4), 2)[1],
    )


def test_what_is_not_there_is_refused():
    train, test = data(rows=5)
    with pytest.raises(InputError, match="`components` must be at most 4 for 5 training rows"):
        principal(train, test, 5)
    flat = train[:1] * torch.arange(1.0, 7.0)[:, None]
    with pytest.raises(InputError, match="the last has no variance"):
        principal(flat, test, 2)
