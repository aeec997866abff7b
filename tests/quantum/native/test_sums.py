import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum.native.sums import ONE, Leaf, Sums

from ..strategies import some


def carry_out(network, value):
    """The numbers of a network, from the tables."""
    numbers = [1.0, *(value(*map(int, leaf)) for leaf in network.leaves)]
    for k in range(0, len(network.cuts) - 1, 2):
        plus, minus, end = network.cuts[k : k + 3]
        products = [numbers[a] * numbers[b] for a, b in network.factors[plus:end]]
        numbers.append(sum(products[: minus - plus]) - sum(products[minus - plus :]))
    assert len(numbers) == network.size
    return numbers


def values(network, value):
    numbers = carry_out(network, value)
    pairs = zip(network.results, network.signs, strict=True)
    return [sign * numbers[number] for number, sign in pairs]


VALUES = [0.3, -1.7, 2.9]


@some
@given(st.data())
def test_tables_of_random_sums(data):
    """Leaves, and sums of products of what is there already, with repetitions and opposites."""
    sums = Sums()
    entries = [ONE, *(sums.leaf(Leaf(k, 0, 1)) for k in range(3))]
    expected = [1.0, *VALUES]
    for _ in range(data.draw(st.integers(0, 6))):
        which = st.tuples(st.integers(0, len(entries) - 1), st.sampled_from([1, -1]))
        found = data.draw(st.lists(st.tuples(which, which), min_size=1, max_size=4))
        products = [
            tuple((entries[k][0], entries[k][1] * sign) for k, sign in pair) for pair in found
        ]
        entry = sums.total(products)
        total = sum(expected[a] * sign * expected[b] * other for (a, sign), (b, other) in found)
        if entry is None:
            assert abs(total) < 1e-9
        else:
            entries.append(entry)
            expected.append(total)
    kept = data.draw(st.lists(st.integers(0, len(entries) - 1), min_size=1))
    network = sums.tables([*(entries[k] for k in kept), None])
    found = values(network, lambda run, row, column: VALUES[run])
    np.testing.assert_allclose(found, [*(expected[k] for k in kept), 0.0], rtol=1e-12, atol=1e-9)


def test_a_sum_is_written_down_once():
    sums = Sums()
    a, b, c = (sums.leaf(Leaf(k, 0, 0)) for k in range(3))
    first = sums.total([(a, b), (c, ONE)])
    assert sums.total([(ONE, c), (b, a)]) == first
    minus = (a[0], -1)
    assert sums.total([(minus, b), (c, (0, -1))]) == (first[0], -1)
    assert sums.products == 2


def test_products_with_one_and_sums_that_cancel_cost_nothing():
    sums = Sums()
    a, b = (sums.leaf(Leaf(k, 0, 0)) for k in range(2))
    assert sums.total([(a, (0, -1))]) == (a[0], -1)
    assert sums.total([(a, b), ((b[0], -1), a)]) is None
    assert sums.products == 0


@pytest.mark.parametrize("position", list(itertools.permutations(range(3))))
def test_only_what_is_needed_is_in_the_tables(position):
    sums = Sums()
    leaves = [sums.leaf(Leaf(k, k, 0)) for k in range(3)]
    a, b, c = (leaves[k] for k in position)
    sums.total([(a, c)])
    network = sums.tables([sums.total([(a, b), (b, b)])])
    assert sorted(network.leaves.tolist()) == sorted([[k, k, 0] for k in position[:2]])
    assert len(network.factors) == 2
