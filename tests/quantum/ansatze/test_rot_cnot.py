import inspect

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum.ansatze import rot_cnot
from fedqml.quantum.devices.reference import simulate

NONE = torch.zeros(0, dtype=torch.float64)


def pairs(circuit):
    return [op.wires for op in circuit.ops if op.gate == "cx"]


def test_neighbours():
    assert pairs(rot_cnot(4, depth=1)) == [(0, 1), (1, 2), (2, 3), (3, 0)]
    assert pairs(rot_cnot(4, depth=1, entangler="chain")) == [(0, 1), (1, 2), (2, 3)]
    assert pairs(rot_cnot(2, depth=1)) == [(0, 1), (1, 0)]
    assert pairs(rot_cnot(2, depth=1, entangler="chain")) == [(0, 1)]
    assert pairs(rot_cnot(1, depth=2)) == pairs(rot_cnot(1, entangler="chain")) == []
    assert pairs(rot_cnot(3, depth=2)) == 2 * [(0, 1), (1, 2), (2, 0)]


@pytest.mark.parametrize("entangler", ["ring", "chain"])
def test_weights_are_laid_out_block_qubit_angle(entangler):
    qubits, depth = 3, 2
    circuit = rot_cnot(qubits, depth, entangler)
    layout = torch.arange(depth * qubits * 3).reshape(depth, qubits, 3)
    assert circuit.n_weights == depth * qubits * 3
    turns = [op for op in circuit.ops if op.gate != "cx"]
    found = {(*op.angle.weights, op.gate, op.wires) for op in turns}
    expected = {
        (int(layout[block, qubit, j]), ("rz", "ry", "rz")[j], (qubit,))
        for block in range(depth)
        for qubit in range(qubits)
        for j in range(3)
    }
    assert found == expected
    assert [list(op.angle.weights) for op in turns] == [[j] for j in range(circuit.n_weights)]


@pytest.mark.parametrize("entangler", ["ring", "chain"])
def test_with_all_angles_zero_only_cnots_remain_and_keep_zero_zero(entangler):
    circuit = rot_cnot(5, depth=3, entangler=entangler).measure(*(f"Z{q}" for q in range(5)))
    weights = torch.zeros(circuit.n_weights, dtype=torch.float64)
    assert torch.equal(simulate(circuit, NONE, weights), torch.ones(5, dtype=torch.float64))


def test_refuses():
    with pytest.raises(InputError, match="Argument `depth` must be at least 1"):
        rot_cnot(4, depth=0)
    # without the annotations' check, which only tests have
    with pytest.raises(InputError, match=r"`entangler` must be one of ring, chain.*mean 'ring'"):
        inspect.unwrap(rot_cnot)(4, entangler="rings")
