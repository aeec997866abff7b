"""The reference device against PennyLane's default.qubit, values and gradients in float64."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedqml.quantum import GATES, Circuit, ansatze, encodings
from fedqml.quantum.devices.reference import simulate

from .. import dense
from ..strategies import arguments, circuits, value_and_gradients

with warnings.catch_warnings():
    # what PennyLane's own imports warn of is not about this package
    warnings.simplefilter("ignore")
    qml = pytest.importorskip("pennylane")

THEIRS = {
    "rx": qml.RX,
    "ry": qml.RY,
    "rz": qml.RZ,
    "phase": qml.PhaseShift,
    "rxx": qml.IsingXX,
    "ryy": qml.IsingYY,
    "rzz": qml.IsingZZ,
    "crx": qml.CRX,
    "cry": qml.CRY,
    "crz": qml.CRZ,
    "h": qml.Hadamard,
    "x": qml.PauliX,
    "y": qml.PauliY,
    "z": qml.PauliZ,
    "s": qml.S,
    "sdg": qml.adjoint(qml.S),
    "t": qml.T,
    "tdg": qml.adjoint(qml.T),
    "sx": qml.SX,
    "sxdg": qml.adjoint(qml.SX),
    "cx": qml.CNOT,
    "cy": qml.CY,
    "cz": qml.CZ,
    "swap": qml.SWAP,
}
LETTERS = {"X": qml.PauliX, "Y": qml.PauliY, "Z": qml.PauliZ}


def evaluate(circuit, x, w):
    """The same as a device, one example at a time; x (inputs,), w (weights,)."""

    @qml.qnode(qml.device("default.qubit"), interface="torch", diff_method="backprop")
    def node():
        for op in circuit.ops:
            angle = [] if op.angle is None else [dense.angle_value(op.angle, x, w)]
            THEIRS[op.gate](*angle, wires=op.wires)
        return [
            qml.expval(
                qml.prod(*(LETTERS[a](q) for a, q in zip(p.letters, p.wires, strict=True)))
                if len(p.wires) > 1
                else LETTERS[p.letters](p.wires[0])
            )
            for p in circuit.observables
        ]

    return torch.stack([value.to(torch.float64) for value in node()])


def check(circuit: Circuit, seed: int) -> None:
    x, w = arguments(circuit, seed)
    found = value_and_gradients(simulate, circuit, x, w)
    expected = value_and_gradients(evaluate, circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_every_gate_has_its_counterpart():
    assert set(THEIRS) == set(GATES)


@settings(deadline=None, max_examples=40)
@given(circuits(), st.integers(0, 1000))
def test_random_circuits(circuit, seed):
    check(circuit, seed)


@pytest.mark.parametrize("qubits", [1, 2, 4])
@pytest.mark.parametrize("hadamard", [True, False])
@pytest.mark.parametrize("entangler", ["ring", "chain"])
@pytest.mark.parametrize("depth", [1, 2])
def test_the_papers_circuit_with_all_options(qubits, hadamard, entangler, depth):
    parts = encodings.arctan(qubits, hadamard), ansatze.rot_cnot(qubits, depth, entangler)
    check((parts[0] + parts[1]).measure(*(f"Z{q}" for q in range(min(2, qubits)))), seed=depth)


def test_rot_is_three_rotations():
    """The ansatz's RZ(α), RY(β), RZ(γ) are PennyLane's Rot(α, β, γ)."""
    circuit = ansatze.rot_cnot(1, depth=1).measure("X0", "Y0", "Z0")
    w = torch.tensor([0.3, 1.1, -2.0], dtype=torch.float64)

    @qml.qnode(qml.device("default.qubit"), interface="torch")
    def node():
        qml.Rot(*w, wires=0)
        return [qml.expval(letter(0)) for letter in LETTERS.values()]

    found = simulate(circuit, torch.zeros(0, dtype=torch.float64), w)
    torch.testing.assert_close(found, torch.stack(node()), rtol=0, atol=1e-14)
