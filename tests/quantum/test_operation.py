import pytest

from fedqml.core.errors import InputError
from fedqml.quantum import GATES, Angle, Op
from fedqml.quantum.gates import Rotation


def example(name: str) -> Op:
    angle = Angle.weight(0) if isinstance(GATES[name], Rotation) else None
    return Op(name, tuple(range(len(GATES[name].symbols))), angle)


@pytest.mark.parametrize("name", GATES)
def test_inverse_twice_and_plain_data_bring_it_back(name):
    op = example(name)
    assert op.inverse().inverse() == op
    assert Op.from_dict(op.to_dict()) == op


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ryy2", (0, 1)), "Did you mean 'ryy'?"),
        (("RX", (0,)), "Did you mean 'rx'?"),
        (("toffoli", (0, 1)), "Argument `gate` must be one of rx, ry, rz"),
        (
            ("cx", (0,)),
            "Argument `wires` must be 2 different qubits for the gate 'cx', but wires=(0,).",
        ),
        (("cx", (1, 1)), "2 different qubits"),
        (("h", (0, 1)), "Argument `wires` must be 1 qubit for the gate 'h', but wires=(0, 1)."),
        (("h", ()), "1 qubit"),
        (("h", (-1,)), "Argument `wires` must be at least 0"),
        (
            ("rx", (0,)),
            "Argument `angle` must be given for the gate 'rx', but angle=None.",
        ),
        (("h", (0,), Angle.weight(0)), "Argument `angle` must be left out for the gate 'h'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InputError) as error:
        Op(*arguments)
    assert message in str(error.value)
