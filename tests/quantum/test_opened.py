import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import ansatze, encodings, shift_rule
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.opened import opened

from .strategies import arguments, circuits, some


@some
@given(circuits(), st.sampled_from([0, 1, 3]), st.integers(0, 1000))
def test_it_is_the_same_circuit_at_its_angles(circuit, batch, seed):
    x, w = arguments(circuit, seed, batch)
    found = opened(circuit)
    angles = torch.cat(found.read(x, w), -1)
    assert angles.shape == (batch, found.circuit.n_inputs)
    assert found.circuit.n_weights == 0
    values = simulate(found.circuit, angles, w.new_zeros(0))
    torch.testing.assert_close(values, simulate(circuit, x, w), rtol=0, atol=1e-12)


@some
@given(circuits())
def test_angles_are_grouped_and_every_gate_has_its_rule(circuit):
    found = opened(circuit)
    by_inputs, by_weights, by_both = found.angles
    assert not any(angle.weights for angle in by_inputs)
    assert all(angle.weights and not angle.inputs for angle in by_weights)
    assert all(angle.weights and angle.inputs for angle in by_both)
    for op in found.circuit.ops:
        if op.angle and op.angle.terms:
            (place,) = op.angle.inputs
            rule = [(s.coefficient, s.amount) for s in found.shifts if s.angle == place]
            assert rule == shift_rule(op.definition)


def test_equal_circuits_are_opened_once():
    twins = [encodings.arctan(3) + ansatze.rot_cnot(3) for _ in range(2)]
    assert opened(twins[0]) is opened(twins[1])
