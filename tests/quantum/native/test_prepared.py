"""What a call of the kernels is made of."""

import pytest
import torch

from fedqml.quantum import ansatze, encodings
from fedqml.quantum.native import call
from fedqml.quantum.native.pack import GROUPS, SPAN
from fedqml.quantum.native.prepared import prepare
from fedqml.quantum.native.program import compile

pytestmark = pytest.mark.skipif(not call.available(), reason="llvmlite is not installed")
DTYPES = [torch.float32, torch.float64]


def program(qubits=4, depth=2):
    whole = encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth)
    return compile(whole.measure("Z0", "Z1"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_depends_on_weights_alone_is_there_once_a_client(dtype):
    few, many = (prepare(program(), 100, batch, dtype) for batch in (15, 16))
    assert few.shared == 0
    assert many.shared > 0
    # of 23 turns, 15 are of weights alone; clients are lanes, so their tables are few
    assert many.shared < many.blocks * many.short


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("depth", [2, 6])
def test_all_examples_have_a_lane(dtype, depth):
    for clients, batch in ((1, 1), (3, 5), (1, 16), (7, 33)):
        made = prepare(program(depth=depth), clients, batch, dtype)
        rows, inputs, found_clients, weights, found_batch = made.packed[:5]
        assert (rows, found_clients, found_batch) == (clients * batch, clients, batch)
        assert (inputs, weights) == (4, 12 * depth)
        from fedqml.quantum.native.compiler.lanes import WIDTH_BYTES

        lanes = WIDTH_BYTES // dtype.itemsize
        groups, span = (int(made.packed[k]) for k in (GROUPS, SPAN))
        alone = clients * -(-batch // lanes) if batch >= 16 else -(-rows // lanes)
        assert groups == alone
        assert groups * lanes >= rows
        assert made.blocks == -(-groups // span)


def test_states_are_kept_only_if_they_are_small():
    small, large = (prepare(program(n, depth=6), 1, 32, torch.float64) for n in (8, 18))
    assert small.long > small.short
    assert large.long == large.short
