import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum.ansatze import hardware_efficient
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.patterns import pairs

from ..strategies import numbers

NONE = torch.zeros(0, dtype=torch.float64)


@pytest.mark.parametrize("pattern", ["linear", "ring", "full"])
@pytest.mark.parametrize("entangler", ["cx", "cy", "cz", "swap"])
def test_blocks(pattern, entangler):
    circuit = hardware_efficient(4, 2, ["rx", "rz", "ry"], entangler, pattern)
    assert circuit.n_weights == 3 * 4 * 3
    joints = [op.wires for op in circuit.ops if op.gate == entangler]
    assert joints == 2 * pairs(4, pattern)
    turns = [op for op in circuit.ops if op.gate != entangler]
    assert [op.gate for op in turns] == 12 * ["rx", "rz", "ry"]
    assert [op.wires[0] for op in turns[::3]] == 3 * [0, 1, 2, 3]
    assert [str(op.angle) for op in turns] == [f"w{j}" for j in range(36)]
    # turns come first and last
    assert [op.gate for op in circuit.ops[:12]].count(entangler) == 0
    assert [op.gate for op in circuit.ops[-12:]].count(entangler) == 0


def test_two_turns_and_a_controlled_not():
    """RY(a) and RY(b), CNOT, RY(c) and RY(d), by hand, for c = d = 0."""
    a, b = numbers(1, 2)
    w = torch.stack([a, b, 0 * a, 0 * a])
    found = simulate(hardware_efficient(2, 1, ["ry"], "cx").measure("Z0", "Z1"), NONE, w)
    torch.testing.assert_close(found, torch.stack([a.cos(), a.cos() * b.cos()]), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 0}, "`depth` must be at least 1"),
        ({"rotations": []}, "`rotations` must name at least one gate"),
        ({"rotations": ["ry", "h"]}, "`rotations` must be one of rx, ry, rz, phase"),
        ({"rotations": ["rzz"]}, "`rotations` must be one of rx, ry, rz, phase"),
        ({"entangler": "rzz"}, "`entangler` must be one of cx, cy, cz, swap"),
        ({"entangler": "h"}, "`entangler` must be one of cx, cy, cz, swap"),
    ],
)
def test_refuses(settings, message):
    with pytest.raises(InputError, match=message):
        hardware_efficient(**settings)
