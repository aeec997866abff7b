import math

import numpy as np
import pytest
import torch

from fedqml.quantum import GATES, gates
from fedqml.quantum.gates import Fixed, Rotation

ROTATIONS = [name for name, gate in GATES.items() if isinstance(gate, Rotation)]
FIXED = [name for name, gate in GATES.items() if isinstance(gate, Fixed)]
CPU = torch.device("cpu")


def test_every_gate_is_there_under_its_own_name():
    assert set(ROTATIONS) == {
        *("rx", "ry", "rz", "phase"),
        *("rxx", "ryy", "rzz", "crx", "cry", "crz"),
    }
    assert set(FIXED) == {
        *("h", "x", "y", "z", "s", "sdg", "t", "tdg", "sx", "sxdg"),
        *("cx", "cy", "cz", "swap"),
    }
    for name, gate in GATES.items():
        assert gate.name == name
        assert getattr(gates, name) is gate


@pytest.mark.parametrize("name", ROTATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rotation_is_the_exponential_of_its_generator(name, dtype):
    gate = GATES[name]
    np.testing.assert_array_equal(gate.generator, gate.generator.conj().T)
    angle = torch.linspace(-7, 7, 30, dtype=dtype).reshape(5, 6)
    matrix = gate.matrix(angle)
    size = 2 ** len(gate.symbols)
    assert matrix.shape == (5, 6, size, size)
    assert matrix.dtype == (torch.complex64 if dtype == torch.float32 else torch.complex128)
    generator = torch.from_numpy(gate.generator).to(matrix.dtype)
    exponential = torch.linalg.matrix_exp(-1j * angle[..., None, None] * generator)
    tolerance = 5e-6 if dtype == torch.float32 else 1e-13
    torch.testing.assert_close(matrix, exponential, rtol=0, atol=tolerance)
    one = torch.eye(size, dtype=matrix.dtype).expand_as(matrix)
    torch.testing.assert_close(matrix @ matrix.mH, one, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ROTATIONS)
def test_projectors_are_exact(name):
    gate = GATES[name]
    for j, left in enumerate(gate.projectors):
        for k, right in enumerate(gate.projectors):
            np.testing.assert_array_equal(left @ right, left if j == k else 0 * left)
    np.testing.assert_array_equal(gate.projectors.sum(0), np.eye(len(gate.generator)))
    weighted = np.einsum("j,jab->ab", gate.eigenvalues, gate.projectors)
    np.testing.assert_array_equal(weighted, gate.generator)


@pytest.mark.parametrize("name", ROTATIONS)
def test_gradient_of_the_matrix_is_minus_i_g_u_at_any_angle(name):
    gate = GATES[name]
    generator = torch.from_numpy(gate.generator).to(torch.complex128)
    for angle in (-4.0, 0.0, math.pi, 5.0):  # cos(θ/2) is negative at some of them
        point = torch.tensor(angle, dtype=torch.float64)
        value, slope = torch.func.jvp(gate.matrix, (point,), (torch.ones_like(point),))
        torch.testing.assert_close(slope, -1j * generator @ value, rtol=0, atol=1e-14)
        found = torch.autograd.functional.jacobian(
            lambda t, gate=gate: torch.view_as_real(gate.matrix(t)), point
        )
        torch.testing.assert_close(torch.view_as_complex(found), slope, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", FIXED)
def test_fixed_gate_is_unitary_and_undone_by_its_inverse(name):
    gate = GATES[name]
    matrix = gate.matrix(torch.float64, CPU)
    one = torch.eye(2 ** len(gate.symbols), dtype=torch.complex128)
    torch.testing.assert_close(matrix @ matrix.mH, one, rtol=0, atol=1e-15)
    inverse = GATES[gate.inverse]
    torch.testing.assert_close(inverse.matrix(torch.float64, CPU) @ matrix, one, rtol=0, atol=1e-15)
    assert inverse.inverse == name
    assert gate.matrix(torch.float32, CPU).dtype == torch.complex64


def test_roots_are_roots():
    def m(name):
        return GATES[name].unitary

    np.testing.assert_allclose(m("t") @ m("t"), m("s"), atol=1e-15)
    np.testing.assert_allclose(m("s") @ m("s"), m("z"), atol=1e-15)
    np.testing.assert_allclose(m("sx") @ m("sx"), m("x"), atol=1e-15)
    np.testing.assert_allclose(m("h") @ m("z") @ m("h"), m("x"), atol=1e-15)


def test_the_first_wire_is_the_most_significant_bit_and_the_control():
    # columns are the images of 00, 01, 10, 11
    np.testing.assert_array_equal(
        GATES["cx"].unitary, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]]
    )
    np.testing.assert_array_equal(
        GATES["swap"].unitary, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    )


def test_a_half_turn_equals_pauli_up_to_minus_i():
    for name, pauli in (("rx", gates.X), ("ry", gates.Y), ("rz", gates.Z)):
        matrix = GATES[name].matrix(torch.tensor(math.pi, dtype=torch.float64))
        np.testing.assert_allclose(matrix.numpy(), -1j * pauli, atol=1e-15)
