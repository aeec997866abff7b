import numpy as np
import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, ansatze
from fedqml.quantum.analysis import gradient_variance


def turns(qubits):
    return Circuit(qubits, tuple(Op("rx", (q,), Angle.weight(q)) for q in range(qubits)))


def whole(qubits):
    return " ".join(f"Z{q}" for q in range(qubits))


def test_a_single_turn_has_a_half():
    found = gradient_variance(turns(1).measure("Z0", "X0"), samples=20_000, seed=2)
    assert found.variance.shape == found.error.shape == (2, 1)
    # ⟨Z⟩ = cos w: sin² has the mean 1/2 and the deviation 1/√8; ⟨X⟩ = 0
    assert found.error[0, 0].item() == pytest.approx((8 * 20_000) ** -0.5, rel=0.02)
    assert abs(found.variance[0, 0] - 0.5) < 5 * found.error[0, 0]
    assert found.variance[1, 0] < 1e-28


@pytest.mark.parametrize("qubits", [2, 4])
def test_of_turns_side_by_side_the_global_observable_falls_and_the_local_does_not(qubits):
    """∏ cos w_q has the slope sin w_j ∏ cos w_q, whose variance is 2^-qubits."""
    found = gradient_variance(turns(qubits).measure(whole(qubits), "Z0"), samples=20_000)
    everywhere, local = found.variance
    assert ((everywhere - 2.0**-qubits).abs() < 5 * found.error[0]).all()
    assert abs(local[0] - 0.5) < 5 * found.error[1, 0]
    assert local[1:].max() < 1e-28


def test_a_deep_circuit_has_a_plateau_and_a_shallow_one_seen_locally_does_not():
    def largest(depth_of, word_of):
        sizes = (2, 4, 6)
        variances = []
        for n in sizes:
            ansatz = ansatze.hardware_efficient(n, depth_of(n))
            found = gradient_variance(ansatz.measure(word_of(n)), samples=300)
            variances.append(found.variance.max().item())
        return np.polyfit(sizes, np.log2(variances), 1)[0]

    deep = largest(lambda n: 3 * n, whole)
    shallow = largest(lambda n: 1, lambda n: "Z0")
    assert deep < -0.6
    assert shallow > -0.15


def test_equal_seeds_give_equal_numbers():
    circuit = ansatze.rot_cnot(2).measure("Z0")
    one, two, other = (gradient_variance(circuit, 50, seed) for seed in (1, 1, 2))
    assert torch.equal(one.variance, two.variance)
    assert not torch.equal(one.variance, other.variance)


def test_refuses():
    with pytest.raises(InputError, match="Argument `samples` must be at least 2"):
        gradient_variance(turns(1).measure("Z0"), samples=1)
