import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum.noise import Readout

from ..strategies import some

PROBABILITIES = st.floats(0, 1)


@some
@given(*(st.tuples(PROBABILITIES, PROBABILITIES) for _ in range(2)), st.integers(0, 100))
def test_it_is_the_mean_over_bits_that_are_misread(p01, p10, seed):
    """For two entangled qubits, with the probabilities of all outcomes, true and read."""
    true = np.random.default_rng(seed).dirichlet(np.ones(4)).reshape(2, 2)
    read = np.zeros((2, 2))
    for bits, seen in itertools.product(itertools.product((0, 1), repeat=2), repeat=2):
        chance = true[bits]
        for k in range(2):
            wrong = (p01, p10)[bits[k]][k]
            chance *= wrong if bits[k] != seen[k] else 1 - wrong
        read[seen] += chance
    signs = np.array([1, -1])
    (a, b), (c, d) = (Readout(p01, p10).damping(k) for k in range(2))
    for expected, found in (
        (read.sum(1) @ signs, a * (true.sum(1) @ signs) + b),
        (signs @ read @ signs, (a * signs + b) @ true @ (c * signs + d)),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-15)
