import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from fedqml.data.standardise import standardise

RNG = np.random.Generator(np.random.Philox(5))


def test_equals_scikit_learn():
    train, test = RNG.normal(3, 7, (50, 4)), RNG.normal(3, 7, (20, 4))
    scaler = StandardScaler().fit(train)
    ours = standardise(train, test)
    np.testing.assert_allclose(ours[0], scaler.transform(train), rtol=0, atol=1e-13)
    np.testing.assert_allclose(ours[1], scaler.transform(test), rtol=0, atol=1e-13)


def test_owners_sums_give_the_same_numbers():
    # What the docstring tells a federation to do.
    owners = [RNG.normal(2, 3, (n, 2)) for n in (5, 11, 30)]
    n = sum(len(x) for x in owners)
    mean = sum(x.sum(0) for x in owners) / n
    sd = np.sqrt(sum((x**2).sum(0) for x in owners) / n - mean**2)
    pooled = np.concatenate(owners)
    np.testing.assert_allclose(standardise(pooled, pooled)[0], (pooled - mean) / sd, atol=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e30, 1e-40])
def test_a_constant_feature_becomes_0_exactly(value):
    # The mean of 1000 times 0.1 is not 0.1.
    train, test = standardise(np.full((1000, 1), value), np.array([[value], [value + 2]]))
    assert not train.any()
    assert test[0, 0] == 0
    assert test[1, 0] == (value + 2) - value


@pytest.mark.parametrize("unit", [1e-300, 1e-160, 1.0, 1e38])
def test_the_unit_does_not_matter(unit):
    train = np.array([[1.0], [2.0], [3.0]]) * unit
    expected = np.array([[-1.0], [0.0], [1.0]]) * np.sqrt(1.5)
    np.testing.assert_allclose(standardise(train, train)[0], expected, rtol=1e-12, atol=1e-12)


def test_shape_is_free_and_inputs_stay_as_they_are():
    train, test = RNG.normal(size=(9, 2, 3)), RNG.normal(size=(4, 2, 3))
    copies = train.copy(), test.copy()
    assert [part.shape for part in standardise(train, test)] == [(9, 2, 3), (4, 2, 3)]
    assert np.array_equal(train, copies[0])
    assert np.array_equal(test, copies[1])
