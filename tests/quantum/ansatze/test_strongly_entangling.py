import pytest

from fedqml.core.errors import InputError
from fedqml.quantum.ansatze import strongly_entangling


def distances(circuit):
    n = circuit.n_qubits
    return [(op.wires[1] - op.wires[0]) % n for op in circuit.ops if op.gate == "cx"][::n]


def test_the_distance_grows_and_begins_again():
    assert distances(strongly_entangling(4, 5)) == [1, 2, 3, 1, 2]
    assert distances(strongly_entangling(2, 3)) == [1, 1, 1]
    assert distances(strongly_entangling(4, 2, ranges=[2, 2])) == [2, 2]
    assert not any(op.gate == "cx" for op in strongly_entangling(1, 3, ranges=[1]).ops)


@pytest.mark.parametrize("ranges", [[1], [1, 1, 1], [0, 1], [1, 4]])
def test_refuses(ranges):
    with pytest.raises(InputError, match="Argument `ranges` must be 2 numbers from 1 to 3"):
        strongly_entangling(4, 2, ranges)
    with pytest.raises(InputError, match="Argument `depth` must be at least 1"):
        strongly_entangling(depth=0)
