import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum.native.sums import ONE, Leaf, Sums
from fedqml.quantum.native.tensors import Tensor, TooDearError, contract

from ..strategies import some
from .test_sums import values


@st.composite
def networks(draw):
    """Indices that join two random tensors each, and random entries, some of them 0, 1 or -1."""
    count = draw(st.integers(1, 5))
    two = st.tuples(*[st.integers(0, count - 1)] * 2).filter(lambda pair: pair[0] != pair[1])
    joints = draw(st.lists(two, max_size=6)) if count > 1 else []
    owned = [[k for k, pair in enumerate(joints) if tensor in pair] for tensor in range(count)]
    shapes = [(4,) * len(indices) for indices in owned if len(indices) <= 3]
    if len(shapes) < count:
        return draw(networks())
    seed = draw(st.integers(0, 1000))
    random = np.random.default_rng(seed)
    kinds = [random.choice([0, 0, 0, 1, -1, 2], size=shape) for shape in shapes]
    return owned, [np.where(kind == 2, random.normal(size=kind.shape), kind) for kind in kinds]


@some
@given(networks())
def test_random_networks_against_einsum(network):
    owned, arrays = network
    sums, tensors, known = Sums(), [], []
    for indices, array in zip(owned, arrays, strict=True):
        entries = {}
        for word in itertools.product(range(4), repeat=len(indices)):
            number = float(array[word])
            if number in (1.0, -1.0):
                entries[word] = (0, int(number))
            elif number:
                entries[word] = sums.leaf(Leaf(len(known), 0, 0))
                known.append(number)
        tensors.append(Tensor(tuple(indices), entries))
    found = values(sums.tables([contract(tensors, sums, 10**6)]), lambda leaf, *_: known[leaf])
    operands = [x for pair in zip(arrays, owned, strict=True) for x in pair]
    np.testing.assert_allclose(found[0], np.einsum(*operands), rtol=1e-10, atol=1e-10)


def test_a_letter_that_a_neighbour_lacks_is_never_calculated():
    sums = Sums()
    a, b, c = (sums.leaf(Leaf(k, 0, 0)) for k in range(3))
    chain = [
        Tensor((0,), {(0,): a, (1,): b}),
        Tensor((0, 1), {(0, 0): c, (1, 1): ONE}),
        Tensor((1,), {(1,): ONE}),
    ]
    assert contract(chain, sums, 0) == b
    assert sums.products == 0


def test_nothing_is_left_of_tensors_without_a_common_word():
    ends = [Tensor((0,), {(1,): ONE}), Tensor((0,), {(2,): ONE}), Tensor((), {(): ONE})]
    assert contract(ends, Sums(), 0) is None


def test_too_many_products_are_refused():
    sums = Sums()
    full = [sums.leaf(Leaf(0, 0, k)) for k in range(16)]
    words = list(itertools.product(range(4), repeat=2))
    ring = [Tensor((k, (k + 1) % 4), dict(zip(words, full, strict=True))) for k in range(4)]
    with pytest.raises(TooDearError):
        contract(ring, sums, 30)
    assert contract(ring, sums, 1000) is not None
