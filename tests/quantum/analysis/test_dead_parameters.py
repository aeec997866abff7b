import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.analysis import dead_parameters

from ..strategies import circuits, some

NINE = (11, 14, 17, 18, 19, 20, 21, 22, 23)


def test_nine_of_the_papers_24_angles_behind_its_encoding():
    for hadamard in (True, False):
        circuit = encodings.arctan(4, hadamard) + ansatze.rot_cnot(4, depth=2)
        found = dead_parameters(circuit.measure("Z0", "Z1"))
        assert found.proved == found.silent == NINE
        alive = [j for j in range(24) if j not in NINE]
        assert found.largest[alive].min() > 1e-2
        assert torch.equal(found.largest[list(NINE)], torch.zeros(9, dtype=torch.float64))


def test_without_the_encoding_turns_of_zeros_are_dead_as_well():
    found = dead_parameters(ansatze.rot_cnot(4, depth=2).measure("Z0", "Z1"))
    assert found.proved == (0, 3, 6, 9, *NINE)
    assert found.silent == found.proved


def test_measuring_all_qubits_leaves_the_last_turns_about_z():
    circuit = encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)
    found = dead_parameters(circuit.measure("Z0", "Z1", "Z2", "Z3"))
    assert found.proved == found.silent == (14, 17, 20, 23)


def test_turns_that_undo_each_other_are_silent_but_not_proved():
    circuit = Circuit(
        1,
        (
            Op("rx", (0,), Angle.weight(0)),
            Op("ry", (0,), Angle.weight(1)),
            Op("ry", (0,), -Angle.weight(1)),
        ),
    )
    found = dead_parameters(circuit.measure("Z0"))
    assert found.proved == ()
    assert found.silent == (1,)


@some
@given(circuits(max_qubits=4, max_ops=10), st.integers(0, 1000))
def test_what_is_proved_is_silent(circuit, seed):
    assume(circuit.n_weights > 0)
    found = dead_parameters(circuit, samples=3, seed=seed)
    assert set(found.proved) <= set(found.silent)
    unread = set(range(circuit.n_weights)) - {
        j for op in circuit.ops if op.angle for j in op.angle.weights
    }
    assert unread <= set(found.proved)
