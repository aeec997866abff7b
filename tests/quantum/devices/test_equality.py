"""Devices are what their settings are: clients with equal ones are trained as one batch."""

import os
import pickle
import subprocess
import sys
from copy import deepcopy
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import pytest
import torch

from fedqml.core.behaviour import behaviour
from fedqml.quantum import QuantumLayer, ansatze, encodings, on
from fedqml.quantum.devices import (
    density,
    parameter_shift,
    pennylane,
    qulacs,
    reference,
    sampled,
    spsa,
    statevector,
    trajectories,
)


def noise(p=0.1):
    """Tables of tables, made anew by every call."""
    return {
        "one_qubit": {"depolarising": p, "bit_flip": [p, 0.2]},
        "gates": {"cx 0 1": {"depolarising": 0.02}, "rz": {}},
        "readout": {"p01": 0.01, "p10": 0.03},
    }


def nested():
    return spsa(sampled(density(noise()), shots=10), step=0.2, repeats=2)


MAKE = [
    reference,
    statevector,
    lambda: statevector("backprop"),
    density,
    lambda: density(noise()),
    lambda: density(noise(0.2)),
    parameter_shift,
    lambda: parameter_shift(reference()),
    lambda: parameter_shift(density(noise())),
    sampled,
    lambda: sampled(shots=10),
    lambda: sampled(density(noise()), shots=10),
    lambda: sampled(density(noise(0.2)), shots=10),
    spsa,
    lambda: spsa(step=0.2),
    nested,
    trajectories,
    lambda: trajectories(noise()),
    lambda: trajectories(noise(), samples=10),
    lambda: parameter_shift(trajectories(noise())),
]
if find_spec("pennylane"):
    MAKE += [
        pennylane,
        lambda: pennylane("default.mixed"),
        lambda: pennylane(shots=10),
        lambda: pennylane(options={"max_workers": None, "wires": [0, 1]}),
    ]
if find_spec("qulacs"):
    MAKE += [qulacs, lambda: parameter_shift(qulacs())]


def copied(device):
    return pickle.loads(pickle.dumps(device))  # noqa: S301 - our own bytes


@pytest.mark.parametrize("make", MAKE)
def test_equal_settings_are_equal_devices(make):
    device = make()
    twins = [make(), copied(device), copied(copied(device)), deepcopy(device)]
    for twin in twins:
        assert twin == device
        assert hash(twin) == hash(device)
        assert on(twin) == on(device)
        assert behaviour(twin) == behaviour(device)
        # nor does it matter whether two places hold the same device or equal ones
        assert behaviour([device, twin]) == behaviour([device, device])


def test_other_settings_are_other_devices():
    devices = [make() for make in MAKE]
    for one, other in combinations(devices, 2):
        assert one != other
    assert len(set(devices)) == len(MAKE)
    assert len({behaviour(device) for device in devices}) == len(MAKE)


def test_the_order_of_tables_does_not_matter():
    def turned(table):
        if not isinstance(table, dict):
            return table
        return {name: turned(table[name]) for name in reversed(table)}

    assert list(turned(noise())) != list(noise())
    for make in (density, trajectories):
        assert make(turned(noise())) == make(noise())
        assert behaviour(make(turned(noise()))) == behaviour(make(noise()))


def test_a_copied_layer_has_an_equal_device():
    device = sampled(density(noise()), shots=10)
    layer = QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2), device=device)
    assert deepcopy(layer).device == copied(layer).device == device
    x, keys = torch.zeros(3, 2), torch.arange(3)
    found = copied(layer).device(layer.circuit, x, layer.weights, keys)
    assert torch.equal(found, device(layer.circuit, x, layer.weights, keys))


def test_another_process_finds_the_same_hash():
    """Python's own hashes of texts differ there."""
    for seed in "01":
        ran = subprocess.run(
            [sys.executable, "-c", PROCESS],
            input=pickle.dumps(nested()),
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert ran.stdout.decode().split() == [behaviour(nested()), "True"]


PROCESS = """
import pickle, sys
from fedqml.core.behaviour import behaviour
from fedqml.quantum.devices import density, sampled, spsa

noise = {
    "readout": {"p01": 0.01, "p10": 0.03},
    "one_qubit": {"bit_flip": [0.1, 0.2], "depolarising": 0.1},
    "gates": {"rz": {}, "cx 0 1": {"depolarising": 0.02}},
}
device = spsa(sampled(density(noise), shots=10), step=0.2, repeats=2)
print(behaviour(device), device == pickle.load(sys.stdin.buffer))
"""
