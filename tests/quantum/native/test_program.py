import gc
import weakref

import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import GATES, Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.native import program
from fedqml.quantum.native.functions import plain
from fedqml.quantum.native.program import compile

from ..strategies import arguments, circuits, numbers, some


def paper(qubits=4):
    return (encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth=2)).measure("Z0", "Z1")


@some
@given(circuits(max_qubits=5), st.integers(0, 1000))
def test_the_compiled_circuit_gives_the_same_values(circuit, seed):
    x, w = arguments(circuit, seed, 3)
    found = compile(circuit)
    values = plain(found, x, w)
    torch.testing.assert_close(values, simulate(circuit, x, w), rtol=0, atol=1e-12)
    assert {t.map for op in found.circuit.ops if op.angle for t in op.angle.terms} <= {"identity"}


def test_every_gate_is_known_to_the_kernels():
    for name, gate in GATES.items():
        angle = Angle.weight(0) if hasattr(gate, "generator") else None
        op = Op(name, tuple(range(len(gate.symbols))), angle)
        mix = [Op("h", (q,)) for q in range(2)]
        assert compile(Circuit(2, (*mix, op)).measure("X0 Y1", "Z0")).tape is not None


def test_only_maps_of_what_has_influence_are_computed():
    """The square root of 0 has no finite slope, so it must not be taken of idle inputs."""
    ops = (
        Op("ry", (0,), Angle.input(2, map="arctan")),
        Op("ry", (1,), Angle.input(0, map="arctan")),
        Op("rx", (0,), Angle.input(1, map="arctan_square")),
    )
    found = compile(Circuit(2, ops).measure("Z0"))
    assert found.of_inputs == (("arctan", (2,), ()), ("arctan_square", (1,), ()))
    assert found.circuit.n_qubits == 1


def test_all_weights_are_read_as_they_are():
    """Also those without influence: copying the others would cost more."""
    w = numbers(1, 24)
    _, angles = compile(paper()).read(numbers(2, 4), w)
    assert angles.data_ptr() == w.data_ptr()


def test_equal_circuits_share_a_program_which_outlives_neither():
    one, other = paper(3), paper(3)
    assert one is not other
    assert compile(one) is compile(other) is compile(one)
    assert compile(paper(2)) is not compile(one)
    gone, key = weakref.ref(other), id(other)
    del other
    gc.collect()
    assert gone() is None
    assert key not in program._recent
