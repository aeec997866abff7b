"""What is Qulacs' own; that values and gradients are right is the contract's."""

import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum import GATES, Angle, Circuit, Op, ansatze, devices, encodings
from fedqml.quantum.devices import parameter_shift, qulacs, reference
from fedqml.quantum.gates import I2, PAULI, Rotation

from ..strategies import numbers

pytest.importorskip("qulacs")

ROTATIONS = [name for name, gate in GATES.items() if isinstance(gate, Rotation)]
PAPER = (encodings.arctan(3) + ansatze.rot_cnot(3, depth=2)).measure("Z0", "Z1", "X0 Y2")


@pytest.mark.parametrize("name", ROTATIONS)
def test_generators_are_sums_of_pauli_words_that_commute(name):
    from fedqml.quantum.devices.qulacs import _words

    gate, letters = GATES[name], [I2, *PAULI.values()]
    words = []
    for numbers_of_letters, coefficient in _words(gate):
        matrix = np.eye(1)
        for number in numbers_of_letters:
            matrix = np.kron(matrix, letters[number])
        words.append(coefficient * matrix)
    rest = gate.generator - sum(words)
    np.testing.assert_array_equal(rest, rest[0, 0] * np.eye(len(rest)))
    for one in words:
        for other in words:
            np.testing.assert_array_equal(one @ other, other @ one)


def test_single_precision_is_rounded_double():
    x, w = numbers(1, 4, 3, dtype=torch.float32), numbers(2, 18, dtype=torch.float32)
    found = qulacs()(PAPER, x, w)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, reference()(PAPER, x, w), rtol=0, atol=1e-6)


def test_constant_angles_are_not_differentiated():
    ops = (Op("ry", (0,), Angle.constant(0.7)), Op("crx", (0, 1), Angle.constant(1.1)))
    circuit = Circuit(2, ops).measure("Z0", "Z1", "Y1")
    none = torch.zeros(0, dtype=torch.float64)
    found, expected = (d(circuit, none, none) for d in (qulacs(), reference()))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_second_derivatives_are_those_of_the_parameter_shift_rule_or_refused():
    x, w = numbers(1, 3), numbers(2, 18)

    def hessian(device):
        return torch.func.jacrev(torch.func.jacrev(lambda w: device(PAPER, x, w)[2]))(w)

    found = hessian(parameter_shift(qulacs()))
    torch.testing.assert_close(found, hessian(reference()), rtol=0, atol=1e-10)
    with pytest.raises(NotImplementedError, match=r"parameter_shift\(qulacs\(\)\) has them"):
        hessian(qulacs())


def test_a_missing_library_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr("fedqml.core.optional.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "fedqml\[qulacs\]"'):
        devices.qulacs()
