import json

import numpy as np
import pytest
from hypothesis import given

from fedqml.core.errors import InputError
from fedqml.quantum import Op
from fedqml.quantum.noise import Channel, Noise, Readout, Rule
from fedqml.quantum.noise.channels import amplitude_damping, bit_flip, depolarising

from ..strategies import noises, some


@some
@given(noises())
def test_reads_what_it_writes(table):
    noise = Noise.from_dict(table)
    twin = Noise.from_dict(json.loads(json.dumps(noise.to_dict())))
    assert twin == noise
    assert hash(twin) == hash(noise)
    assert twin.to_dict() == noise.to_dict()


def test_the_order_of_entries_does_not_matter():
    flips, damping = Channel("bit_flip", (0.1,)), Channel("amplitude_damping", (0.2,))
    rules = Rule((), "rz"), Rule((flips, damping), "cx", (0, 1))
    first = Noise((flips, damping), gates=rules)
    second = Noise((damping, flips), gates=rules[::-1])
    assert first == second
    assert first.one_qubit == (damping, flips)
    assert second.after("cx", (1, 0)) == (damping, flips)


def test_the_most_specific_entry_counts_alone():
    noise = Noise.from_dict(
        {
            "one_qubit": {"bit_flip": 0.1},
            "two_qubit": {"bit_flip": 0.2},
            "gates": {
                "2": {"bit_flip": 0.3},
                "1 0": {"bit_flip": 0.4},
                "rz": {},
                "cx": {"bit_flip": 0.5},
                "cx 1 0": {"bit_flip": 0.6},
                "ry 2": {"bit_flip": 0.7},
            },
        }
    )
    for gate, qubits, expected in (
        ("ry", (0,), 0.1),
        ("cz", (2, 1), 0.2),
        ("rx", (2,), 0.3),
        ("cz", (0, 1), 0.4),
        ("cz", (1, 0), 0.4),
        ("rz", (0,), None),
        ("rz", (2,), None),
        ("cx", (1, 2), 0.5),
        ("cx", (0, 1), 0.6),
        ("cx", (1, 0), 0.6),
        ("ry", (2,), 0.7),
    ):
        found = noise.after(gate, qubits)
        assert found == (() if expected is None else (Channel("bit_flip", (expected,)),))


def test_operators_lie_on_the_wires_of_the_gate_and_depend_on_the_devices_qubits():
    noise = Noise.from_dict(
        {
            "two_qubit": {
                "amplitude_damping": [0.0, 0.0, 0.1, 0.0],
                "bit_flip": [0.2, 0.3, 0.4, 0.5],
                "depolarising": 0.6,
            },
            "qubits": [3, 2, 0],
        }
    )
    found = noise.kraus(Op("cx", (1, 2)))
    one = np.eye(2)
    expected = [
        [np.kron(k, one) for k in amplitude_damping(0.1)],
        [np.kron(one, k) for k in amplitude_damping(0.0)],
        [np.kron(k, one) for k in bit_flip(0.4)],
        [np.kron(one, k) for k in bit_flip(0.2)],
        depolarising(0.6, 2),
    ]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert noise.kraus(Op("h", (0,))) == []


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "Argument `noise` must be a table"),
        ({"onequbit": {}}, "Argument `noise: key` must be one of one_qubit, two_qubit, gates"),
        ({"one_qubit": {"depolarizing": 0.1}}, "Did you mean 'depolarising'?"),
        (
            {"one_qubit": {"bit_flip": 1.5}},
            "In `noise.one_qubit`: In `bit_flip`: Argument `p` must be a probability, from 0 to 1, "
            "but p=1.5.",
        ),
        ({"one_qubit": {"bit_flip": [0.1, 1.5]}}, "but p=1.5"),
        ({"one_qubit": {"bit_flip": "much"}}, "Argument `bit_flip` must be a number"),
        ({"one_qubit": {"bit_flip": []}}, "Argument `bit_flip` must be a number, or a list"),
        ({"one_qubit": {"bit_flip": True}}, "`noise.one_qubit.bit_flip` must be a number"),
        ({"one_qubit": {"thermal_relaxation": {"t1": 1.0}}}, "must have the key 't2'"),
        (
            {"one_qubit": {"thermal_relaxation": {"t1": [1, 2], "t2": [1], "duration": 1}}},
            "Argument `thermal_relaxation` must have lists of one length",
        ),
        ({"two_qubit": {"depolarising": [0.1, 0.2]}}, "Argument `depolarising` must be one number"),
        ({"gates": {"cnot": {}}}, "In `noise.gates`: Argument `gate` must be one of"),
        ({"gates": {"": {}}}, "Argument `gates` must name a gate, or qubits"),
        ({"gates": {"cx 1": {}}}, "Argument `the number of qubits` must be 2 for cx"),
        ({"gates": {"0 1 2": {}}}, "Argument `the number of qubits` must be 1 or 2 for a gate"),
        ({"gates": {"cx 1 1": {}}}, "Argument `qubits` must be different and in ascending order"),
        ({"gates": {"cx 0 1": {}, "cx 1 0": {}}}, "Argument `gates` must name nothing twice"),
        ({"gates": {"cx": 0.1}}, "Argument `'cx'` must be a table"),
        ({"readout": 2}, "In `noise.readout`: Argument `p01` must be a probability"),
        ({"readout": {"p10": [0.1, -1.0]}}, "Argument `p10` must be a probability"),
        ({"readout": {"p11": 0}}, "Argument `noise.readout: key` must be one of p01, p10"),
        ({"qubits": [0, 0]}, "In `noise`: Argument `qubits` must name nothing twice"),
        ({"qubits": [-1]}, "Argument `qubits` must be at least 0"),
        ({"qubits": [0.5]}, "Argument `noise.qubits` must be a whole number"),
    ],
)
def test_refuses(table, message):
    with pytest.raises(InputError) as error:
        Noise.from_dict(table)
    assert message in str(error.value)


def test_refuses_a_channel_given_twice():
    twice = (Channel("bit_flip", (0.1,)), Channel("bit_flip", (0.2,)))
    with pytest.raises(InputError, match="Argument `one_qubit` must name nothing twice"):
        Noise(twice)
    with pytest.raises(InputError, match="Argument `rz` must name nothing twice"):
        Noise(gates=(Rule(twice, "rz"),))
    with pytest.raises(InputError, match="Argument `values` must be 1: p"):
        Channel("bit_flip", (0.1, 0.2))


def test_refuses_qubits_that_are_not_known():
    noise = Noise.from_dict({"one_qubit": {"bit_flip": [0.1, 0.2]}, "qubits": [0, 2]})
    with pytest.raises(InputError, match=r"`noise: bit_flip.p` must have an entry for qubit 2"):
        noise.kraus(Op("h", (1,)))
    with pytest.raises(InputError, match=r"`noise\.qubits` must have an entry for qubit 2"):
        noise.kraus(Op("h", (2,)))
    with pytest.raises(InputError, match=r"`noise\.readout\.p01` must have an entry for qubit 1"):
        Readout((0.1,), 0.2).damping(1)
