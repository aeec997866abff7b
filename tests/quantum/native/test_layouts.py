from functools import reduce
from itertools import pairwise
from operator import xor

from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum import ansatze, encodings
from fedqml.quantum.native.layouts import groups, odd, places
from fedqml.quantum.native.runs import runs

from ..strategies import circuits, some

WIDTHS = [1, 3]


@some
@given(circuits(max_qubits=6, max_ops=30), st.integers(0, 10))
def test_a_group_s_qubits_are_the_lowest_bits_of_places(circuit, seed):
    found = runs(circuit)
    kinds = [(seed + k // 3) % 2 for k in range(len(found.rest))]
    joined = groups(found, kinds, WIDTHS)
    covered = [k for group in joined for k in range(group.first, group.first + group.length)]
    assert covered == list(range(len(found.rest)))
    for group in joined:
        own = found.rest[group.first : group.first + group.length]
        ((kind),) = set(kinds[group.first : group.first + group.length])
        assert len(own) <= WIDTHS[kind]
        assert len(group.directions) == circuit.n_qubits
        for bit, run in enumerate(reversed(own)):
            assert group.directions[bit] == run.flip
            values = [odd(direction & run.read) for direction in group.directions]
            assert values == [number == bit for number in range(circuit.n_qubits)]
        for address in range(2**circuit.n_qubits):
            (place,) = places(group.directions, [address])
            chosen = [d for bit, d in enumerate(group.directions) if place >> bit & 1]
            assert reduce(xor, chosen, 0) == address


def test_layers_that_repeat_have_moves_that_repeat():
    def moves(depth):
        circuit = encodings.arctan(12) + ansatze.rot_cnot(12, depth)
        found = runs(circuit.measure(*(f"Z{q}" for q in range(12))))
        joined = [g.directions for g in groups(found, [0] * len(found.rest), [4])]
        assert len(joined) == 3 * depth
        return {places(*both) for both in pairwise(joined)}

    assert len(moves(6)) == len(moves(3)) <= 6
