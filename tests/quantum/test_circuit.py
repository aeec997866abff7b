import json

import pytest
import torch
from hypothesis import given

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, Pauli, ansatze, encodings

from . import dense
from .strategies import arguments, circuits, some

PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "Z1")


@some
@given(circuits(max_qubits=3))
def test_a_circuit_and_its_inverse_are_the_identity(circuit):
    x, w = arguments(circuit, seed=3)
    whole = circuit + circuit.inverse()
    one = torch.eye(2**circuit.n_qubits, dtype=torch.complex128)
    torch.testing.assert_close(dense.unitary(whole, x, w), one, rtol=0, atol=1e-12)
    assert circuit.inverse().observables == ()
    assert circuit.inverse().inverse().ops == circuit.ops


@some
@given(circuits())
def test_json_brings_the_circuit_back(circuit):
    text = json.dumps(circuit.to_dict(), allow_nan=False)
    assert Circuit.from_dict(json.loads(text)) == circuit


@some
@given(circuits())
def test_equal_circuits_have_equal_hashes(circuit):
    again = Circuit.from_dict(circuit.to_dict())
    assert hash(again) == hash(circuit)
    assert again.draw() == circuit.draw()


def test_the_papers_circuit_has_its_counts():
    assert (PAPER.n_qubits, PAPER.n_inputs, PAPER.n_weights, len(PAPER.ops)) == (4, 4, 24, 44)
    # H RY RZ, then twice a ring of 4 CNOTs and RZ RY RZ; in the second ring, and in the first
    # rotations, nothing can start earlier on the qubit that the ring's last CNOT ends on
    assert PAPER.depth == 3 + 4 + 3 + 4 + 3


def test_counts_are_one_more_than_the_largest_index():
    circuit = Circuit(1, (Op("rx", (0,), Angle.weight(6)), Op("ry", (0,), Angle.input(2))))
    assert (circuit.n_inputs, circuit.n_weights) == (3, 7)
    assert (Circuit(1, ()).n_inputs, Circuit(1, ()).n_weights, Circuit(1, ()).depth) == (0, 0, 0)


def test_depth_counts_steps_in_parallel():
    h = tuple(Op("h", (qubit,)) for qubit in range(3))
    assert Circuit(3, h).depth == 1
    # a gate does not occupy the wires it only passes
    assert Circuit(3, (Op("cx", (0, 2)), Op("h", (1,)))).depth == 1
    assert Circuit(3, (*h, Op("cx", (0, 1)), Op("cx", (1, 2)))).depth == 3


def test_sum_joins_ops_and_observables_in_order():
    first = Circuit(2, (Op("h", (0,)),)).measure("X0")
    second = Circuit(2, (Op("cx", (0, 1)),)).measure("Z1")
    assert first + second == Circuit(2, first.ops + second.ops).measure("X0", "Z1")
    with pytest.raises(InputError, match="n_qubits=3"):
        first + Circuit(3, ())


def test_renumber_gives_weights_of_its_own():
    block = ansatze.rot_cnot(2, depth=1)
    series = block + block.renumber(weights=block.n_weights)
    assert series == ansatze.rot_cnot(2, depth=2)
    shifted = encodings.arctan(2).renumber(inputs=2)
    assert shifted.n_inputs == 4
    with pytest.raises(InputError, match=r"weights=\(-1,\)"):
        block.renumber(weights=-1)


def test_measure_replaces_the_observables():
    circuit = Circuit(2, ()).measure("Z0").measure(Pauli((0, 1), "XY"), "Z1")
    assert [str(word) for word in circuit.observables] == ["X0 Y1", "Z1"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Circuit(0, ()), "Argument `n_qubits` must be at least 1, but n_qubits=0."),
        (
            lambda: Circuit(2, (Op("h", (0,)), Op("cx", (0, 2)))),
            "Argument `ops[1].wires` must be below n_qubits=2, but ops[1].wires=(0, 2).",
        ),
        (lambda: Circuit(2, ()).measure("Z2"), "Argument `observables[0].wires` must be below"),
        (lambda: Circuit(2, ()).measure("Q1"), "Argument `observable` must be a Pauli word"),
        (lambda: Circuit(1, ()).draw(width=0), "Argument `width` must be at least 1"),
    ],
)
def test_refuses(build, message):
    with pytest.raises(InputError) as error:
        build()
    assert message in str(error.value)


H = {"gate": "h", "wires": [0]}


def rx(**angle):
    return {"n_qubits": 1, "ops": [H, {"gate": "rx", "wires": [0], "angle": angle}]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "Argument `circuit` must be a table, but circuit=[]."),
        ({"ops": []}, "Argument `circuit` must have the key 'n_qubits', but circuit=['ops']."),
        ({"n_qubits": 1, "ops": [], "obs": []}, "Did you mean 'ops'?"),
        ({"n_qubits": True, "ops": []}, "`circuit.n_qubits` must be a whole number"),
        ({"n_qubits": 1.0, "ops": []}, "`circuit.n_qubits` must be a whole number"),
        ({"n_qubits": 1, "ops": {}}, "`circuit.ops` must be a list"),
        ({"n_qubits": 1, "ops": [], "observables": [3]}, "`observables` must be a text"),
        ({"n_qubits": 1, "ops": [], "observables": ["A0"]}, "In `circuit`: Argument `observable`"),
        ({"n_qubits": 1, "ops": [H, 3]}, "In `circuit`: Argument `ops[1]` must be a table"),
        ({"n_qubits": 1, "ops": [{"gate": "h"}]}, "must have the key 'wires'"),
        ({"n_qubits": 1, "ops": [{"gate": "h", "wires": ["0"]}]}, "`ops[0].wires` must be a whole"),
        ({"n_qubits": 1, "ops": [{"gate": "H", "wires": [0]}]}, "In `ops[0]`: Argument `gate`"),
        ({"n_qubits": 1, "ops": [{"gate": "h", "wires": [1]}]}, "must be below n_qubits=1"),
        (rx(term=[]), "Did you mean 'terms'?"),
        (rx(terms=[{"weights": [-1]}]), "In `ops[1].angle.terms[0]`: Argument `weights` must be"),
        (rx(terms=[{"weights": ["0"]}]), "`ops[1].angle.terms[0].weights` must be a whole number"),
        (rx(terms=[{"weights": [0], "scale": "1"}]), "terms[0].scale` must be a number"),
        (rx(terms=[{"weights": [0], "scale": float("nan")}]), "`scale` must be finite"),
        (rx(offset=float("nan")), "`offset` must be finite"),
    ],
)
def test_from_dict_refuses_and_says_where(data, message):
    with pytest.raises(InputError) as error:
        Circuit.from_dict(data)
    assert message in str(error.value)


def test_from_dict_accepts_whole_numbers_as_scale_and_leaves_out_defaults():
    angle = Circuit.from_dict(rx(terms=[{"weights": [0], "scale": 2}])).ops[1].angle
    assert angle == 2.0 * Angle.weight(0)
