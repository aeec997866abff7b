"""The numbers that angles are linear in, as tables, and what happens to maps not among them."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import MAPS, Angle, Circuit, Op
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.devices.statevector import evaluate
from fedqml.quantum.native import columns, program

from ..strategies import arguments, circuits, some, value_and_gradients


def test_the_kernels_know_every_map_but_two():
    # PyTorch computes these, as it would any map of tomorrow, and the kernels do the rest
    assert set(columns.CODES) == set(MAPS) - {"block_angle", "complement_product"}


def test_columns_as_tables():
    mixed = [("arctan", (2,), ()), ("product", (1,), (0, 3))]
    table = columns.tabulate(mixed, [("identity", (), (1,))])
    assert table.mixed == 2
    assert table.columns["start"].tolist() == [0, 1, 4, 5]
    assert table.arguments["place"].tolist() == [2, 1, 0, 3, 1]
    assert table.arguments["from_input"].tolist() == [1, 1, 0, 0, 0]
    assert columns.tabulate([("a map of tomorrow", (0,), ())], []) is None


@some
@given(circuits(max_qubits=3), st.integers(0, 1000))
def test_maps_unknown_to_the_kernels_are_left_to_pytorch(circuit, seed):
    x, w = arguments(circuit, seed, 5)
    expected = value_and_gradients(simulate, circuit, x, w)
    known = dict(columns.CODES)
    try:
        for name in known.keys() - {"identity"}:
            del columns.CODES[name]
        program._compile.cache_clear()
        found = value_and_gradients(evaluate, circuit, x, w)
    finally:
        columns.CODES.update(known)
        program._compile.cache_clear()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_only_one_map_unknown_is_enough(monkeypatch):
    monkeypatch.delitem(columns.CODES, "arctan")
    program._compile.cache_clear()
    ops = (Op("ry", (0,), Angle.input(0, map="arctan") + Angle.weight(0)),)
    circuit = Circuit(1, ops).measure("Z0")
    assert program.compile(circuit).columns is None
    x, w = arguments(circuit, 1, 3)
    torch.testing.assert_close(evaluate(circuit, x, w), simulate(circuit, x, w))
    program._compile.cache_clear()


def test_a_slope_at_the_ends_of_the_line():
    """arctan is flat there, and its square as well, without an overflow on the way."""
    for name in ("arctan", "arctan_square"):
        circuit = Circuit(1, (Op("ry", (0,), Angle.input(0, map=name)),)).measure("X0")
        x = torch.tensor([[-1e200], [1e200]], dtype=torch.float64, requires_grad=True)
        evaluate(circuit, x, torch.zeros(0, dtype=torch.float64)).sum().backward()
        assert torch.equal(x.grad, torch.zeros_like(x))
