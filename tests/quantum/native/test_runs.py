from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.native.runs import Run, passes, runs
from fedqml.quantum.native.steps import Constant, Turn

from ..strategies import some


def test_gates_on_a_qubit_become_one_run_until_a_controlled_not_meets_it():
    w = [Op(("ry", "rx", "ry")[k], (0,), Angle.weight(k)) for k in range(3)]
    other = Op("rx", (1,), Angle.weight(3))
    between = Op("h", (1,))
    circuit = Circuit(3, (w[0], other, w[1], Op("cx", (1, 2)), between, w[2], Op("cx", (0, 1))))
    found = runs(circuit.measure("Z1"))
    assert [len(run.parts) for run in found.first] == [3, 1, 0]
    assert [[type(part) for part in run.parts] for run in found.rest] == [[Constant]]


def test_constants_that_meet_are_one():
    ops = [Op("h", (0,)), Op("s", (0,)), Op("rx", (0,), Angle.constant(0.3))]
    whole = (*ops, Op("ry", (0,), Angle.weight(0)), *ops)
    (run,) = runs(Circuit(1, whole).measure("Z0")).first
    assert [type(part) for part in run.parts] == [Constant, Turn, Constant]


def test_the_papers_circuit_has_a_run_a_qubit_and_layer():
    found = runs((encodings.arctan(4) + ansatze.rot_cnot(4, depth=3)).measure("Z0"))
    assert [len(run.parts) for run in found.first] == [3] * 4  # H, RY, RZ
    assert [len(run.parts) for run in found.rest] == [3] * 12


vectors = st.lists(st.integers(1, 2**6 - 1), min_size=1, max_size=12)


@some
@given(vectors, st.integers(1, 6))
def test_passes_keep_the_order_and_span_their_flips(flips, width):
    found = [Run((), flip, 0) for flip in flips]
    groups = passes(found, n_qubits=6, width=width)
    assert [run for _, group in groups for run in group] == found
    for basis, group in groups:
        assert len(basis) == width
        assert basis == sorted(basis)
        leads = [1 << (direction.bit_length() - 1) for direction in basis]
        assert len(set(leads)) == width
        for lead, own in zip(leads, basis, strict=True):
            assert [direction for direction in basis if direction & lead] == [own]
        span = {0}
        for direction in basis:
            span |= {vector ^ direction for vector in span}
        assert all(run.flip in span for run in group)


def test_a_pass_is_as_long_as_it_can_be():
    found = [Run((), flip, 0) for flip in (1, 2, 3, 4, 4, 5, 1)]
    assert [len(group) for _, group in passes(found, n_qubits=3, width=2)] == [3, 4]
    assert [len(group) for _, group in passes(found, n_qubits=3, width=3)] == [7]


def test_neighbouring_turns_about_one_axis_become_one():
    turns = [Op("ry", (0,), Angle.weight(k)) for k in (0, 1, 0)]
    (part,) = runs(Circuit(1, tuple(turns)).measure("Z0")).first[0].parts
    assert part.angle == 2 * Angle.weight(0) + Angle.weight(1)
