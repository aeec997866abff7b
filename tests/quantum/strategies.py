"""Random circuits, and the numbers to evaluate them at."""

import math

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor

from fedqml.quantum import GATES, MAPS, Angle, Circuit, Op, Pauli
from fedqml.quantum.angle import Term
from fedqml.quantum.gates import Rotation
from fedqml.quantum.noise import CHANNELS

INPUTS, WEIGHTS = 3, 5

# no deadline: on a busy machine the first example, which imports and compiles, is slow
some = settings(deadline=None, max_examples=40)

_numbers = st.floats(-2, 2).map(lambda value: round(value, 3))


@st.composite
def angles(draw):
    return Angle(tuple(draw(st.lists(terms(), max_size=3))), draw(_numbers))


@st.composite
def terms(draw):
    name = draw(st.sampled_from(list(MAPS)))
    least, most = MAPS[name].least, MAPS[name].most or MAPS[name].least + 2
    places = [("x", k) for k in range(INPUTS)] + [("w", k) for k in range(WEIGHTS)]
    chosen = draw(st.lists(st.sampled_from(places), min_size=least, max_size=most))
    inputs, weights = (tuple(k for kind, k in chosen if kind == which) for which in "xw")
    scale = draw(_numbers)
    if name == "complement_product":
        # each factor is about π, and rounding errors grow with angles: make it as small as others
        scale = round(scale * math.pi ** -len(chosen), 3)
    return Term(inputs, weights, name, scale)


@st.composite
def ops(draw, n_qubits):
    fitting = [name for name, gate in GATES.items() if len(gate.symbols) <= n_qubits]
    name = draw(st.sampled_from(fitting))
    wires = draw(st.permutations(range(n_qubits)))[: len(GATES[name].symbols)]
    angle = draw(angles()) if isinstance(GATES[name], Rotation) else None
    return Op(name, tuple(wires), angle)


@st.composite
def paulis(draw, n_qubits):
    wires = draw(st.sets(st.integers(0, n_qubits - 1), min_size=1))
    letters = draw(st.text("XYZ", min_size=len(wires), max_size=len(wires)))
    return Pauli(tuple(sorted(wires)), letters)


@st.composite
def circuits(draw, max_qubits=4, max_ops=12):
    n = draw(st.integers(1, max_qubits))
    return Circuit(
        n,
        tuple(draw(st.lists(ops(n), max_size=max_ops))),
        tuple(draw(st.lists(paulis(n), min_size=1, max_size=3))),
    )


_probabilities = st.floats(0, 0.5).map(lambda value: round(value, 3))


def _values(single, qubits):
    return single | st.lists(single, min_size=qubits, max_size=qubits)


@st.composite
def _relaxation(draw, qubits):
    t1 = draw(_values(st.floats(0.5, 3), qubits))
    longest = 2 * min(t1 if isinstance(t1, list) else [t1])
    return {"t1": t1, "t2": draw(st.floats(0.3, longest)), "duration": draw(_probabilities)}


@st.composite
def channels(draw, qubits):
    """A table of channels, parameters for each of so many qubits."""
    known = {
        "amplitude_damping": _values(_probabilities, qubits),
        "phase_damping": _values(_probabilities, qubits),
        "thermal_relaxation": _relaxation(qubits),
        "bit_flip": _values(_probabilities, qubits),
        "phase_flip": _values(_probabilities, qubits),
        "depolarising": _probabilities,
    }
    assert set(known) == set(CHANNELS)
    names = draw(st.lists(st.sampled_from(list(known)), max_size=3, unique=True))
    return {name: draw(known[name]) for name in names}


@st.composite
def noises(draw, qubits=4, readout=True):
    """Noise of a device of so many qubits, for circuits on all of them, as a table."""
    selectors = ["ry", "cx", "h", *map(str, range(qubits))]
    if qubits > 1:
        selectors += ["cx 0 1", "0 1"]
    table = {
        "one_qubit": draw(channels(qubits)),
        "two_qubit": draw(channels(qubits)),
        "gates": draw(st.dictionaries(st.sampled_from(selectors), channels(qubits), max_size=3)),
        "qubits": draw(st.permutations(range(qubits))),
    }
    if readout:
        values = _values(_probabilities, qubits)
        table["readout"] = draw(values | st.fixed_dictionaries({"p01": values, "p10": values}))
    return table


def numbers(seed: int, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(dtype)


def arguments(circuit: Circuit, seed: int, *batch: int) -> tuple[Tensor, Tensor]:
    """Inputs (*batch, inputs) and weights (weights,) in float64, ready for gradients."""
    x = numbers(seed, *batch, circuit.n_inputs)
    w = numbers(seed + 1, circuit.n_weights)
    return x.requires_grad_(), w.requires_grad_()


def value_and_gradients(
    function, circuit: Circuit, x: Tensor, w: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, and the gradients of one random combination of them."""
    values = function(circuit, x, w)
    combination = (values * numbers(99, *values.shape).to(values.dtype)).sum()
    gradients = torch.zeros_like(x), torch.zeros_like(w)
    if combination.requires_grad:
        found = torch.autograd.grad(combination, (x, w), allow_unused=True)
        pairs = zip(found, gradients, strict=True)
        gradients = tuple(zero if grad is None else grad for grad, zero in pairs)
    return values.detach(), *gradients
