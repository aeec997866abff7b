import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum.devices.reference import apply, unitaries
from fedqml.quantum.joining import joined

from .strategies import arguments, circuits, some


@some
@given(circuits(), st.sampled_from([(), (3,)]), st.integers(0, 1000))
def test_the_state_is_the_same(circuit, batch, seed):
    n = circuit.n_qubits
    state = torch.eye(1, 2**n, dtype=torch.complex128).reshape((2,) * n)
    matrices = unitaries(circuit, *arguments(circuit, seed, *batch))
    steps = [(op.wires, matrix) for op, matrix in zip(circuit.ops, matrices, strict=True)]
    found = expected = state
    for wires, matrix in steps:
        expected = apply(matrix, wires, expected, n)
    for wires, matrix in joined(steps):
        found = apply(matrix, wires, found, n)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_neighbours_on_a_wire_become_one():
    one, two = torch.eye(2), torch.eye(4)
    steps = [((0,), 2 * one), ((1,), 3 * one), ((0,), 5 * one), ((0, 2), two), ((0,), 7 * one)]
    found = [(wires, float(matrix[0, 0])) for wires, matrix in joined(steps)]
    assert found == [((0,), 10.0), ((0, 2), 1.0), ((1,), 3.0), ((0,), 7.0)]
