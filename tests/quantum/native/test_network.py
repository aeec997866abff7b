from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.lightcone import influential
from fedqml.quantum.native.network import network

LARGE = 10**6


def ring(qubits, depth, *observables):
    circuit = encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth)
    return influential(circuit.measure(*observables))


def test_a_ring_of_depth_two_grows_with_its_qubits_only():
    work = [len(network(ring(n, 2, "Z0", "Z1"), LARGE).factors) for n in (8, 16, 32, 64)]
    steps = [
        (after - before) / n
        for n, before, after in zip((8, 16, 32), work[:-1], work[1:], strict=True)
    ]
    assert steps == [steps[0]] * 3


def test_too_much_entanglement_is_given_up():
    assert network(ring(8, 6, "Z0"), LARGE) is None
    limit = network(ring(4, 2, "Z0"), LARGE).work
    assert network(ring(4, 2, "Z0"), limit) is not None
    assert network(ring(4, 2, "Z0"), limit - 1) is None


def test_many_observables_are_not_even_tried():
    words = [" ".join(f"Z{q}" for q in range(8) if k >> q & 1) for k in range(1, 256)]
    assert network(ring(8, 1, *words[:40]), LARGE) is not None
    assert network(ring(8, 1, *words), LARGE) is None


def test_observables_share_what_they_can():
    alone = [network(ring(6, 2, word), LARGE) for word in ("Z0", "Z1")]
    both = network(ring(6, 2, "Z0", "Z1"), LARGE)
    assert len(both.leaves) < sum(len(one.leaves) for one in alone)
    again = network(ring(6, 2, "Z0", "Z0"), LARGE)
    assert len(again.factors) == len(alone[0].factors)
    assert again.results[0] == again.results[1]


def test_clifford_circuits_are_known_before_anything_is_calculated():
    ghz = Circuit(40, (Op("h", (0,)), *(Op("cx", (q, q + 1)) for q in range(39)), Op("s", (3,))))
    found = network(ghz.measure("Z0 Z39", "Z7", "X0 X3"), LARGE)
    assert found.work == 0
    assert found.signs.tolist() == [1, 0, 0]


def test_what_commutes_with_the_observable_is_not_calculated():
    """RZZ commutes with Z0."""
    ops = [Op("ry", (q,), Angle.weight(q)) for q in range(3)]
    ops += [Op("rzz", (q, q + 1), Angle.weight(3)) for q in range(2)]
    found = network(Circuit(3, tuple(ops)).measure("Z0"), LARGE)
    assert found.leaves.tolist() == [[0, 2, 2]]
    assert len(found.factors) == 0
