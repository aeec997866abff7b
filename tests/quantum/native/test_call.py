"""What calls of the kernels cost beyond time."""

import subprocess
import sys

import pytest
import torch

from fedqml.quantum import QuantumLayer, ansatze, encodings
from fedqml.quantum.native import call

from ..strategies import numbers

PEAK = """
import sys, torch
from fedqml.quantum import QuantumLayer, ansatze, encodings
from fedqml.quantum.native import tape

tape.network = lambda circuit, limit: None  # or these circuits would not need states

def peak():
    # of this program; what getrusage says includes the process that started it
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

def step(qubits):
    layer = QuantumLayer(encodings.arctan(qubits), ansatze.rot_cnot(qubits, 1), measure=1).double()
    layer(torch.zeros(8, qubits, dtype=torch.float64)).sum().backward()
    return peak()

small = step(4)
print((step(int(sys.argv[1])) - small) / (8 * 16 * 2 ** int(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
@pytest.mark.parametrize("qubits", [17, 18])
def test_memory_is_three_states_an_example_at_most(qubits):
    """States of 17 qubits are kept for the gradient, larger ones are computed once more."""
    run = [sys.executable, "-c", PEAK, str(qubits)]
    states = float(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    assert 1.5 < states < 3.25


def test_large_memory_is_given_back(monkeypatch):
    monkeypatch.setattr(call, "_RETAINED_BYTES", 1 << 16)
    monkeypatch.setattr(call._own, "memory", None, raising=False)
    for qubits in (2, 8):
        layer = QuantumLayer(encodings.arctan(qubits), ansatze.rot_cnot(qubits, 1))
        layer(torch.zeros(3, qubits)).sum().backward()
        kept = call._own.memory
        assert (kept is not None) == (qubits == 2)


def test_nothing_is_kept_where_nobody_can_ask_for_gradients(monkeypatch):
    layer, x = QuantumLayer(encodings.arctan(3), ansatze.rot_cnot(3, 1)), numbers(1, 5, 3).float()
    asked = []
    original = call.expectations

    def spy(program, x, w, keep):
        asked.append(keep)
        return original(program, x, w, keep)

    monkeypatch.setattr(call, "expectations", spy)
    expected = layer(x).detach()
    with torch.no_grad():
        assert torch.equal(layer(x), expected)
    with torch.inference_mode():
        assert torch.equal(layer(x), expected)
    mapped = torch.func.vmap(layer)(x)
    torch.testing.assert_close(mapped, expected, rtol=0, atol=1e-6)
    assert asked == [True, False, False, True]
