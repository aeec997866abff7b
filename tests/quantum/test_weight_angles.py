"""Which entries of a whole model's weight vector are angles."""

import math

import pytest
import torch
from torch import nn

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.core.packing import packing
from fedqml.models.vgg_vqc import vgg_vqc
from fedqml.quantum import QuantumLayer, ansatze, encodings
from fedqml.quantum.angle import Angle
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.operation import Op


def layer():
    return QuantumLayer(encodings.reuploading(2, depth=1), ansatze.rot_cnot(2, depth=1))


def test_angles_are_found_wherever_the_circuits_stand():
    model = nn.Sequential(nn.Linear(3, 2), layer(), nn.Sequential(nn.Linear(2, 2), layer()))
    found = fq.angles(model)
    packed = packing(model.named_parameters())
    starts = [packed.slices[name].start for name in ("1.weights", "2.1.weights")]
    within = [1, 3, 5, 7, *range(8, 14)]
    assert found.size == packed.size
    assert found.entries.tolist() == [start + j for start in starts for j in within]
    assert found.periods.tolist() == [2 * math.pi] * 20
    triples = [(8, 9, 10), (11, 12, 13)]
    assert found.rotations.tolist() == [[s + j for j in t] for s in starts for t in triples]


def test_models_with_other_layers_of_weights_of_their_own():
    model = vgg_vqc((512, 1, 1), 2, hidden=[16])
    found = fq.angles(model)
    assert found.entries.tolist() == [*range(found.size - 24, found.size)]
    assert found.rotations.sort().values.flatten().sort().values.equal(found.entries)


def test_a_layer_used_twice_counts_once():
    shared = layer()
    found = fq.angles(nn.Sequential(shared, shared))
    assert len(found.entries) == 10


def test_frozen_and_shared_weights_are_no_angles():
    frozen = nn.Sequential(nn.Linear(3, 2), layer().requires_grad_(False))
    assert len(fq.angles(frozen).entries) == 0
    one, other = layer(), layer()
    other.weights = one.weights
    assert len(fq.angles(nn.Sequential(one, other)).entries) == 0


def test_a_model_without_circuits_has_none_and_rules_say_so():
    found = fq.angles(nn.Linear(3, 2))
    assert found.size == 8
    assert found.rotations.shape == (0, 3)
    for rule in (fq.aggregators.circular_mean, fq.aggregators.su2_mean):
        with pytest.raises(InputError, match="no trained angles"):
            rule(found)


def test_controlled_turns_have_twice_the_period():
    circuit = Circuit(2, (Op("crx", (0, 1), Angle.weight(0)),)).measure("Z1")
    found = fq.angles(QuantumLayer.from_circuit(circuit))
    assert torch.equal(found.periods, torch.tensor([4 * math.pi], dtype=torch.float64))
