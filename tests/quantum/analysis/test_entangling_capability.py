import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, ansatze
from fedqml.quantum.analysis import entangling_capability
from fedqml.quantum.analysis.entangling_capability import meyer_wallach


def vectors(seed, samples, qubits):
    rng = np.random.default_rng(seed)
    drawn = torch.from_numpy(rng.normal(size=(samples, 2**qubits, 2)))
    states = torch.view_as_complex(drawn)
    return states / states.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("qubits", [1, 2, 5])
def test_products_have_none(qubits):
    state = torch.ones(1, dtype=torch.complex128)
    for factor in vectors(1, qubits, 1):
        state = torch.kron(state, factor)
    assert abs(meyer_wallach(state, qubits)) < 1e-14


@pytest.mark.parametrize("qubits", [2, 3, 6])
def test_ghz_has_all_and_w_what_its_purities_say(qubits):
    ghz = torch.zeros(2**qubits, dtype=torch.complex128)
    ghz[0] = ghz[-1] = 0.5**0.5
    assert meyer_wallach(ghz, qubits).item() == pytest.approx(1, abs=1e-14)
    w = torch.zeros(2**qubits, dtype=torch.complex128)
    w[[2**k for k in range(qubits)]] = qubits**-0.5
    purity = ((qubits - 1) ** 2 + 1) / qubits**2
    assert meyer_wallach(w, qubits).item() == pytest.approx(2 * (1 - purity), abs=1e-14)


@pytest.mark.parametrize("qubits", [2, 4])
def test_random_vectors_have_haars_mean(qubits):
    measure = meyer_wallach(vectors(2, 4000, qubits), qubits)
    expected = (2**qubits - 2) / (2**qubits + 1)
    assert measure.mean().item() == pytest.approx(expected, abs=5 * measure.std().item() / 63)


def test_a_circuit_without_entanglers_and_one_with_general_blocks():
    turns = Circuit(3, tuple(Op("ry", (q,), Angle.weight(q)) for q in range(3)))
    found = entangling_capability(turns, samples=50)
    assert abs(found.mean) < 1e-14
    assert found.sd < 1e-14
    found = entangling_capability(ansatze.brickwork(2, depth=4), samples=4000)
    assert found.mean == pytest.approx(2 / 5, abs=5 * found.sd / 63)
    assert found.samples == 4000


def test_a_controlled_turn_by_hand():
    """H and CRX(w): both qubits have ρ with the purity (1 + cos²(w/2))/2, so Q = sin²(w/2)."""
    circuit = Circuit(2, (Op("h", (0,)), Op("crx", (0, 1), Angle.weight(0))))
    found = entangling_capability(circuit, samples=20_000)
    assert found.mean == pytest.approx(0.5, abs=0.0125)
    assert found.sd == pytest.approx(8**-0.5, abs=0.01)


def test_refuses():
    with pytest.raises(InputError, match="Argument `samples` must be at least 2"):
        entangling_capability(ansatze.rot_cnot(2), samples=1)
