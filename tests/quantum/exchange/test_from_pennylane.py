"""The circuit of a QNode gives what the QNode gives."""

import math
import warnings

import numpy as np
import pytest
import torch

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.quantum import QuantumLayer, ansatze, encodings
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.exchange import from_pennylane

from ...federations import AVERAGING, task
from ..strategies import numbers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    qml = pytest.importorskip("pennylane")


def node(function):
    return qml.QNode(function, qml.device("default.qubit"), interface="torch")


def check(function, shapes, in_features, **options):
    """Values and gradients at a point that the reading has not seen."""
    circuit = from_pennylane(function, shapes, in_features, **options)
    x = numbers(1, in_features).requires_grad_()
    parts = {name: numbers(len(name), *np.atleast_1d(shape)) for name, shape in shapes.items()}
    w = torch.cat([torch.zeros(0).double(), *(part.flatten() for part in parts.values())])
    w.requires_grad_()
    pieces, start = dict(parts), 0
    for name, part in parts.items():
        pieces[name] = w[start : start + part.numel()].reshape(part.shape)
        start += part.numel()
    arguments = {options.get("inputs", "inputs"): x} if in_features else {}
    qnode = function if isinstance(function, qml.QNode) else node(function)
    expected = qnode(**arguments, **pieces)
    expected = torch.stack(expected) if isinstance(expected, list | tuple) else expected[None]
    found = simulate(circuit, x, w)
    torch.testing.assert_close(found, expected.double(), rtol=0, atol=1e-12)
    leaves = [leaf for leaf in (x, w) if leaf.numel()]
    if leaves:
        mixed = numbers(9, len(found))
        ours, theirs = (
            torch.autograd.grad((values * mixed).sum(), leaves) for values in (found, expected)
        )
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-10)
    return circuit


def z(count):
    return [qml.expval(qml.Z(q)) for q in range(count)]


def test_the_layer_of_pennylanes_tutorial():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def layer(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return z(2)

    circuit = check(layer, {"weights": (3, 2)}, 2)
    assert (circuit.n_qubits, circuit.n_inputs, circuit.n_weights) == (2, 2, 6)
    assert [str(word) for word in circuit.observables] == ["Z0", "Z1"]


def test_the_papers_circuit():
    def paper(inputs, weights):
        for q in range(4):
            qml.RY(torch.atan(inputs[q]), wires=q)
            qml.RZ(torch.atan(inputs[q] ** 2), wires=q)
        for block in weights:
            for q in range(4):
                qml.CNOT(wires=[q, (q + 1) % 4])
            for q in range(4):
                qml.Rot(*block[q], wires=q)
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    found = check(paper, {"weights": (2, 4, 3)}, 4)
    expected = encodings.arctan(4, hadamard=False) + ansatze.rot_cnot(4, depth=2)
    assert found == expected.measure("Z0", "Z1")


TEMPLATES = {
    "strongly_entangling": (
        lambda inputs, weights: qml.StronglyEntanglingLayers(weights, wires=range(3)),
        (2, 3, 3),
    ),
    "iqp": (lambda inputs, weights: qml.IQPEmbedding(inputs, wires=range(3), n_repeats=2), None),
    "random": (lambda inputs, weights: qml.RandomLayers(weights, wires=range(3), seed=3), (2, 4)),
    "qaoa": (
        lambda inputs, weights: qml.QAOAEmbedding(inputs, weights, wires=range(3)),
        (2, 6),
    ),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates(name):
    template, shape = TEMPLATES[name]

    def function(inputs, weights=None):
        qml.AngleEmbedding(inputs, wires=range(3), rotation="Y")
        template(inputs, weights)
        return z(3)

    check(function, {} if shape is None else {"weights": shape}, 3)


GATES = {
    "Rot": lambda a, b, c: qml.Rot(a, b, c, wires=1),
    "U1": lambda a, b, c: qml.U1(a, wires=1),
    "U2": lambda a, b, c: qml.U2(a, b, wires=1),
    "U3": lambda a, b, c: qml.U3(a, b, c, wires=1),
    "CRot": lambda a, b, c: qml.CRot(a, b, c, wires=[2, 0]),
    "Toffoli": lambda a, b, c: qml.Toffoli(wires=[0, 2, 1]),
    "CSWAP": lambda a, b, c: qml.CSWAP(wires=[0, 2, 1]),
    "IsingXY": lambda a, b, c: qml.IsingXY(a, wires=[0, 2]),
    "MultiRZ": lambda a, b, c: qml.MultiRZ(a, wires=[0, 1, 2]),
    "PauliRot": lambda a, b, c: qml.PauliRot(a, "XYZ", wires=[0, 1, 2]),
    "ControlledPhaseShift": lambda a, b, c: qml.ControlledPhaseShift(a, wires=[0, 2]),
    "adjoint": lambda a, b, c: qml.adjoint(qml.RX)(a, wires=0),
    "adjoint of Rot": lambda a, b, c: qml.adjoint(qml.Rot(a, b, c, wires=0)),
    "ctrl": lambda a, b, c: qml.ctrl(qml.RX, control=2)(a, wires=0),
    "pow": lambda a, b, c: qml.pow(qml.RX(a, wires=0), 2),
    "single excitation": lambda a, b, c: qml.SingleExcitation(a, wires=[0, 2]),
    "QubitUnitary": lambda a, b, c: qml.QubitUnitary(np.array([[0, 1j], [1, 0]]), wires=1),
    "QFT": lambda a, b, c: qml.QFT(wires=[0, 1, 2]),
    "Identity": lambda a, b, c: qml.Identity(wires=1),
    "GlobalPhase": lambda a, b, c: qml.GlobalPhase(a, wires=1),
    "Barrier": lambda a, b, c: qml.Barrier(wires=[0, 1]),
}


@pytest.mark.parametrize("name", GATES)
def test_gates_that_have_to_be_decomposed(name):
    def function(w):
        for q in range(3):
            qml.RY(w[q] + 0.3, wires=q)
            qml.RZ(w[q + 3], wires=q)
        GATES[name](w[0], w[1] * 0.5, w[4])
        for q in range(3):
            qml.RX(w[q], wires=q)
        return qml.expval(qml.Z(0)), qml.expval(qml.X(1) @ qml.Y(2)), qml.expval(qml.Y(0))

    check(function, {"w": 6}, 0)


def test_a_basis_state_to_begin_with():
    def function(w):
        qml.BasisState(np.array([1, 0, 1]), wires=[0, 1, 2])
        for q in range(3):
            qml.RY(w[q], wires=q)
        return z(3)

    check(function, {"w": 3}, 0)


def test_angles_of_many_forms():
    def function(x, w, v):
        qml.RY(torch.atan(x[0]), wires=0)
        qml.RX(math.pi * x[1] / 3 - 0.25, wires=1)
        qml.RZ(x[0] * w[1] + v, wires=0)
        qml.RY((math.pi - x[0]) * (math.pi - x[1]), wires=1)
        qml.RX(w @ x, wires=0)
        return qml.expval(qml.Z(0)), qml.expval(qml.Z(1))

    circuit = check(function, {"w": 2, "v": ()}, 2, inputs="x")
    texts = [str(op.angle) for op in circuit.ops]
    assert texts == [
        "atan x0",
        "π/3·x1-0.25",
        "w2+x0·w1",
        "-π·x0-π·x1+x0·x1+9.87",
        "x0·w0+x1·w1",
    ]


@pytest.mark.filterwarnings("ignore:__array_wrap__")
def test_functions_of_numpy():
    """As in code written for PennyLane's own NumPy."""

    def function(inputs):
        qml.RY(np.arctan(inputs[0]), wires=0)
        return qml.expval(qml.Z(0))

    assert str(from_pennylane(function, {}, 1).ops[0].angle) == "atan x0"


def test_a_dense_layer_inside():
    """Angles that depend on many numbers are told apart one by one."""

    def function(inputs, weights):
        for q in range(2):
            qml.RY(torch.dot(weights[q], inputs), wires=q)
        return z(2)

    assert len(check(function, {"weights": (2, 6)}, 6).ops[0].angle.terms) == 6


def test_wires_follow_the_device_then_numbers_then_appearance():
    def function(w):
        qml.RX(w[0], wires="b")
        qml.CNOT(wires=["b", "a"])
        return qml.expval(qml.Z("a"))

    assert check(function, {"w": 1}, 0).observables[0].wires == (1,)
    named = qml.QNode(function, qml.device("default.qubit", wires=["a", "c", "b"]))
    circuit = check(named, {"w": 1}, 0)
    assert (circuit.n_qubits, circuit.ops[1].wires) == (3, (2, 0))

    def sparse(w):
        seven = np.int64(7)
        qml.RX(w[0], wires=seven)
        qml.CNOT(wires=[seven, 2])
        return qml.expval(qml.Z(2))

    assert check(sparse, {"w": 1}, 0).ops[1].wires == (1, 0)


def test_a_circuit_without_weights_or_inputs():
    def function():
        qml.Hadamard(wires=0)
        return qml.expval(qml.X(0))

    assert check(function, {}, 0).ops[0].gate == "h"


def test_the_transforms_of_a_qnode_are_applied():
    @qml.transforms.cancel_inverses
    @qml.qnode(qml.device("default.qubit"))
    def function(inputs):
        qml.Hadamard(0)
        qml.Hadamard(0)
        qml.RX(inputs[0], 0)
        return qml.expval(qml.Z(0))

    assert [op.gate for op in from_pennylane(function, {}, 1).ops] == ["rx"]


@qml.transform
def doubled(tape):
    return [tape], lambda results: 2 * results[0]


@qml.transform
def swapped(tape):
    return [tape], lambda results: results[0][::-1]


@qml.transform
def averaged(tape):
    return [tape, tape], lambda results: results[0]


@pytest.mark.parametrize("transform", [doubled, swapped, averaged])
def test_transforms_that_do_more_are_refused(transform):
    def function(inputs):
        qml.RX(inputs[0], 0)
        qml.RX(inputs[1], 1)
        return z(1 if transform is doubled else 2)

    refused(transform(node(function)), f"but it has {transform.tape_transform.__name__}(")


def refused(function, message, shapes=None, in_features=2):
    with pytest.raises(InputError) as error:
        from_pennylane(function, shapes or {}, in_features)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (
            lambda x: qml.RX(torch.sin(x[0]), 0),
            "that of RX on wires (0,) is another function of x0",
        ),
        (lambda x: qml.RX(x[0] % 6, 0), "is another function of x0"),
        (lambda x: qml.Rot(0, torch.exp(x[1]), 0, 0), "RY (part of Rot) on wires (0,)"),
        (lambda x: qml.RX(torch.clip(x[0], -3, 3), 0), "is another function of x0"),
        (lambda x: qml.RX(torch.clip(x[0], -12, 12), 0), "is another function of x0"),
        (lambda x: qml.RX(torch.clip(x[0], max=150), 0), "is another function of x0"),
        (lambda x: qml.RX(torch.where(x[0] > 9.5, 0, x[0]), 0), "is another function of x0"),
        (lambda x: qml.RX(x[0], 0) if x[0] > -50 else qml.X(0), "chooses them by their values"),
        (lambda x: qml.RX(np.random.default_rng().normal(), 0), "is another function of x0, x1"),
        (lambda x: qml.RX(x[0], 0) if x[0] > 1 else qml.X(0), "such as RX on wires (0,) or PauliX"),
        (lambda x: [qml.H(0) for _ in range(int(x[0] > 1))], "at one time 3 of them, at another 2"),
        (lambda x: qml.RX(x[:, 0], 0), "but it raised IndexError"),
        (lambda x: qml.RX(x, 0), "RX on wires (0,) has angles of shape (2,)"),
        (lambda x: qml.DepolarizingChannel(0.1, 0), "DepolarizingChannel on wires (0,) is none"),
        (lambda x: qml.measure(0), "on wires (0,) is none, nor can PennyLane"),
        (lambda x: qml.AmplitudeEmbedding(x, [0], normalize=True), "encodings.amplitude(qubits)"),
        (lambda x: qml.StatePrep(x, [0], normalize=True), "StatePrep chooses them by the"),
    ],
)
def test_what_cannot_be_a_circuit_is_refused(gate, message):
    def function(inputs):
        qml.RX(inputs[0], 0)
        qml.RX(inputs[1], 0)
        gate(inputs)
        return qml.expval(qml.Z(0))

    refused(function, message)


def test_what_is_advised_for_amplitudes_and_matrices_does_the_same():
    matrix = np.array([[1, 2 - 1j], [2 + 1j, -3]])

    @qml.qnode(qml.device("default.qubit"))
    def theirs(inputs):
        qml.AmplitudeEmbedding(inputs, range(2), normalize=True)
        qml.CRX(0.3, [0, 1])
        return qml.expval(qml.Hermitian(matrix, 1))

    coefficients, words = qml.pauli_decompose(matrix, wire_order=[1]).terms()

    def rest():
        qml.CRX(0.3, [0, 1])
        return [qml.expval(word) for word in words if word.name != "Identity"]

    circuit = encodings.amplitude(2) + from_pennylane(rest, {})
    x = numbers(1, 4)
    found = simulate(circuit, x, numbers(2, 0))
    ones = [c for c, word in zip(coefficients, words, strict=True) if word.name == "Identity"]
    others = [c for c, word in zip(coefficients, words, strict=True) if word.name != "Identity"]
    total = found @ torch.tensor(others, dtype=found.dtype) + sum(ones)
    torch.testing.assert_close(total, theirs(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (lambda: qml.probs(0), "must return expectation values, but it returns probs"),
        (lambda: qml.var(qml.Z(0)), "must return expectation values"),
        (lambda: qml.state(), "must return expectation values"),
        (lambda: qml.expval(qml.Z(0) + qml.X(0)), "Return the expectation value of each of its"),
        (lambda: qml.expval(2 * qml.Z(0)), "must measure Pauli words, but it measures 2 * Z(0)"),
        (lambda: qml.expval(qml.Hermitian(np.eye(2), 0)), "`qml.pauli_decompose(matrix)` finds"),
        (lambda: qml.expval(qml.Projector([1], 0)), "`qml.pauli_decompose(matrix)` finds"),
        (lambda: qml.expval(qml.Identity(0)), "must measure Pauli words"),
        (lambda: 3, "but it raised QuantumFunctionError"),
    ],
)
def test_what_is_no_pauli_word_is_refused(measure, message):
    def function(inputs):
        qml.RX(inputs[0], 0)
        return measure()

    refused(function, message, in_features=1)


def test_results_in_another_order_than_measured_are_refused():
    def function(inputs):
        qml.RX(inputs[0], 0)
        first, second = qml.expval(qml.Z(0)), qml.expval(qml.X(0))
        return second, first

    refused(function, "in the order they are measured", in_features=1)


def test_shapes_that_do_not_fit_are_refused():
    def function(inputs, weights):
        qml.RX(inputs[0] + weights[0], 0)
        return qml.expval(qml.Z(0))

    refused(function, "`in_features` must be 1, as the", {"weights": 1}, in_features=2)
    refused(function, "`weight_shapes` must name 1 numbers", {"weights": 2}, in_features=1)
    refused(function, "`in_features` must be at least 0", {"weights": 1}, in_features=-1)
    refused(function, "but it raised TypeError", {"wights": 1}, in_features=1)


def test_a_layer_of_a_qnode_is_federated():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def node(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return z(2)

    circuit = from_pennylane(node, {"weights": (2, 2)}, in_features=2)

    def model():
        return torch.nn.Sequential(torch.nn.Linear(3, 2), QuantumLayer.from_circuit(circuit))

    history = fq.run(
        task(model, rows=80), fq.local.adam(lr=0.2), AVERAGING, rounds=6, clients_per_round=6
    )
    accuracies = history.column("test_accuracy")
    assert accuracies[-1] >= 0.9 > accuracies[0]


def test_an_operation_that_pennylane_fails_to_decompose_is_named():
    @qml.qnode(qml.device("default.qubit", wires=2))
    def node(inputs, w):
        qml.RX(inputs[0], 0)
        qml.evolve(qml.X(0) @ qml.Z(1), w[0])
        return qml.expval(qml.Z(0))

    with pytest.raises(InputError, match="fails to decompose Evolution on wires"):
        from_pennylane(node, {"w": (1,)}, in_features=1)
