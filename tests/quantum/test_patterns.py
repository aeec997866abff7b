import inspect

import pytest

from fedqml.core.errors import InputError
from fedqml.quantum.patterns import pairs


def test_pairs():
    assert pairs(4, "linear") == [(0, 1), (1, 2), (2, 3)]
    assert pairs(4, "ring") == [(0, 1), (1, 2), (2, 3), (3, 0)]
    assert pairs(4, "full") == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize("pattern", ["linear", "ring", "full"])
def test_few_qubits_have_no_pair_twice(pattern):
    assert pairs(1, pattern) == []
    assert pairs(2, pattern) == [(0, 1)]
    assert len({frozenset(pair) for pair in pairs(3, pattern)}) == len(pairs(3, pattern))


def test_refuses():
    # without the annotations' check, which only tests have
    with pytest.raises(InputError, match=r"`pattern` must be one of linear, ring, full.*'ring'"):
        inspect.unwrap(pairs)(4, "rings")
