import numpy as np
import pytest
import torch

from fedqml.quantum import GATES, Angle, Circuit, Op
from fedqml.quantum.native.program import compile
from fedqml.quantum.native.quaternions import angles, matrices, product, quaternions

from ..strategies import numbers


def test_products_are_those_of_the_matrices():
    one, other = numbers(1, 5, 4), numbers(2, 5, 4)
    torch.testing.assert_close(
        matrices(product(one, other)), matrices(one) @ matrices(other), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("mixed", [False, True])
def test_runs_of_turns_and_constants(mixed):
    angle = Angle.input(1) if mixed else Angle.weight(1)
    ops = (
        Op("h", (0,)),
        Op("rz", (0,), 0.5 * angle + Angle.weight(0) + 0.3),
        Op("sx", (0,)),
        Op("ry", (0,), -angle),
    )
    program = compile(Circuit(1, ops).measure("X0"))
    x, w = numbers(1, 2, 3, 2 if mixed else 0), numbers(2, 2, program.weights)
    made = angles(program.tape.parts, mixed, x.shape[-1], x.dtype, x.device)
    found = matrices(quaternions(made, x, w))
    assert found.shape == (2, 3 if mixed else 1, 1, 2, 2)
    value = x[..., 1] if mixed else w[:, None, 1]
    h, sx = (
        torch.tensor(GATES[name].unitary / np.sqrt(np.linalg.det(GATES[name].unitary)))
        for name in ("h", "sx")
    )
    rz, ry = GATES["rz"].matrix(0.5 * value + w[:, :1] + 0.3), GATES["ry"].matrix(-value)
    expected = ry @ sx @ rz @ h
    torch.testing.assert_close(found[:, :, 0], expected, rtol=0, atol=1e-14)
