import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.quantum import GATES, Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.exchange import to_openqasm
from fedqml.quantum.gates import Rotation

from ..strategies import arguments, circuits, numbers, some

pytest.importorskip("openqasm3")

from .openqasm import Machine

BOUND = [(False, False), (True, False), (False, True), (True, True)]


def check(circuit: Circuit, seed: int, bound: tuple[bool, bool] = (False, False)) -> str:
    """The words' values, from the program alone, are those of the circuit."""
    x, w = (tensor.detach() for tensor in arguments(circuit, seed))
    named = {f"x{i}": v for i, v in enumerate(x.tolist())}
    named |= {f"w{j}": v for j, v in enumerate(w.tolist())}
    text = to_openqasm(circuit, x if bound[0] else None, w if bound[1] else None)
    found = Machine(text, named).values
    expected = simulate(circuit, x, w).tolist()
    assert set(found) == {str(word) for word in circuit.observables}
    for word, value in zip(circuit.observables, expected, strict=True):
        assert found[str(word)] == pytest.approx(value, abs=1e-12)
    return text


@some
@given(circuits(), st.integers(0, 1000), st.sampled_from(BOUND))
def test_the_program_computes_what_the_circuit_does(circuit, seed, bound):
    terms = [term for op in circuit.ops if op.angle for term in op.angle.terms]
    unwritten = any(term.map == "block_angle" for term in terms)
    check(circuit, seed, (True, True) if unwritten else bound)


def test_a_map_without_a_form_needs_numbers():
    circuit = encodings.amplitude(1).measure("Z0")
    with pytest.raises(InputError, match=r"`map` must be one of identity.*unless `x` and `w` are"):
        to_openqasm(circuit)
    check(circuit, 1, (True, False))


@pytest.mark.parametrize("name", GATES)
def test_every_gate_both_ways_round(name):
    turned = [Op("ry", (q,), Angle.constant(0.4 + q)) for q in range(2)]
    turned += [Op("rz", (q,), Angle.constant(1.1 - q)) for q in range(2)]
    gate = GATES[name]
    angle = Angle.weight(0) if isinstance(gate, Rotation) else None
    for wires in ((0, 1), (1, 0)):
        ops = (*turned, Op(name, wires[: len(gate.symbols)], angle), *turned)
        check(Circuit(2, ops).measure("Z0", "Z1", "X0 Y1", "Y0 Z1"), seed=3)


def test_words_that_fit_together_are_measured_together():
    circuit = (encodings.arctan(3) + ansatze.rot_cnot(3)).measure("Z0", "X1", "Z0 Z1", "Z2")
    text = check(circuit, seed=1)
    assert text.count("reset q;") == 2
    assert text.count("measure") == 3 + 2


def test_open_values_are_inputs_and_bound_ones_are_not():
    circuit = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("Z0")
    assert to_openqasm(circuit).count("input float[64]") == 2 + 6
    x, w = numbers(1, 2), numbers(2, 6)
    assert to_openqasm(circuit, x).count("input") == 6
    assert "input" not in to_openqasm(circuit, x, w)


def test_a_circuit_that_measures_nothing_is_run_once():
    assert to_openqasm(Circuit(1, (Op("h", (0,)),))).splitlines()[-2:] == ["reset q;", "h q[0];"]


def test_it_refuses_values_that_do_not_fit():
    circuit = encodings.arctan(2).measure("Z0")
    with pytest.raises(InputError, match=r"Argument `x.shape` must be \(2,\)"):
        to_openqasm(circuit, torch.zeros(3))
    with pytest.raises(InputError, match=r"Argument `w.shape` must be \(0,\)"):
        to_openqasm(circuit, w=torch.zeros(1))
