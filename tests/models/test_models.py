"""The contract of every model, and what is particular to each."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from fedqml.core.errors import InputError
from fedqml.core.resolve import catalogue
from fedqml.models import circuit_only, dense_vqc, vgg_vqc
from fedqml.models.cores.circuit import circuit
from fedqml.quantum.ansatze import rot_cnot
from fedqml.quantum.encodings import amplitude, arctan
from fedqml.quantum.layer import QuantumLayer

MODELS = list(catalogue(["fedqml.models"]).values())


@pytest.mark.parametrize("factory", MODELS)
@pytest.mark.parametrize("shape", [(5,), (3, 4, 4)])
@pytest.mark.parametrize("classes", [2, 3])
def test_it_makes_a_logit_a_class_and_every_weight_is_finite(factory, shape, classes):
    model = factory(shape, classes)
    x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))
    logits = model(x)
    assert logits.shape == (6, classes)
    logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_dense_vqc_has_the_paper_s_weights():
    model = dense_vqc((30,), 2, qubits=4)
    assert sum(p.numel() for p in model.parameters()) == 30 * 4 + 4 + 24


def test_every_setting_of_dense_vqc_does_something():
    plain = dense_vqc((4,), 2)
    circuits = {
        name: _circuit(dense_vqc((4,), 2, **{name: value}))
        for name, value in {
            "qubits": 3,
            "encoding": partial(arctan, hadamard=False),
            "ansatz": partial(rot_cnot, entangler="chain"),
            "head": True,
        }.items()
    }
    assert len({_circuit(plain), *circuits.values()}) == 5
    assert any(isinstance(m, nn.Dropout) for m in dense_vqc((4,), 2, dropout=0.5))
    probabilities = dense_vqc((4,), 2, readout="probability")(torch.randn(50, 4))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_the_dense_layer_has_as_many_outputs_as_the_encoding_has_inputs():
    def pairs(qubits):
        return arctan(2 * qubits)

    def wide(qubits):
        return rot_cnot(2 * qubits)

    model = dense_vqc((5,), 2, qubits=2, encoding=pairs, ansatz=wide)
    assert model(torch.zeros(3, 5)).shape == (3, 2)
    assert model[1].out_features == 4


def test_a_head_serves_more_classes_than_qubits():
    assert dense_vqc((64,), 10, head=True)(torch.zeros(2, 64)).shape == (2, 10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"qubits": 1}, "`qubits` must be at least the number of classes, 2, unless head = true"),
        ({"qubits": 0, "head": True}, "`qubits` must"),
        ({"ansatz": partial(rot_cnot, depth=0)}, "`depth` must"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"dropout": math.nan}, r"`dropout` must be in \[0, 1\)"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        dense_vqc((4,), 2, **settings)


def _circuit(model):
    return next(m.circuit for m in model if isinstance(m, QuantumLayer))


def test_vgg_vqc_is_table_i():
    with torch.device("meta"):
        model = vgg_vqc((512, 7, 7), 2)
    dense = [layer for layer in model if isinstance(layer, nn.Linear)]
    assert [(d.in_features, d.out_features) for d in dense] == [
        (25088, 4096),
        (4096, 4096),
        (4096, 4),
    ]
    assert [type(layer).__name__ for layer in model][2:-1] == [
        *("Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear")
    ]
    assert all(layer.p == 0.5 for layer in model if isinstance(layer, nn.Dropout))
    assert sum(p.numel() for p in model[:-1].parameters()) == 119_562_244
    assert model[-1].weights.numel() == 24


@pytest.mark.parametrize("name", sorted(catalogue(["fedqml.models.cores"])))
def test_a_core_makes_the_logits_of_what_the_head_gives(name):
    core = catalogue(["fedqml.models.cores"])[name]
    for width, classes in ((4, 2), (5, 3)):
        model = vgg_vqc((6,), classes, hidden=[8], width=width, core=core)
        assert model(torch.randn(7, 6)).shape == (7, classes)
        assert model[3].out_features == width


def test_a_list_of_features_is_not_pooled():
    for grid in (1, 3, 7):
        assert vgg_vqc((6,), 2, grid=grid, hidden=[8])[0].in_features == 6


def test_cores_have_the_weights_that_they_say():
    found = {
        name: sum(p.numel() for p in core(4, 2).parameters())
        for name, core in catalogue(["fedqml.models.cores"]).items()
    }
    assert found == {"circuit": 24, "linear": 10, "two_layers": 24, "none": 0}


def test_a_frozen_circuit_is_drawn_at_random_and_stays():
    models = [vgg_vqc((6,), 2, hidden=[], core=partial(circuit, trainable=False)) for _ in range(2)]
    angles = [model[-1].weights for model in models]
    assert not any(a.requires_grad for a in angles)
    assert not torch.equal(*angles)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": [0]}, "`hidden` must hold positive numbers"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)"),
        ({"grid": 0}, "`grid`"),
        ({"width": 1}, "`width` must be at least the number of classes, 2"),
        ({"shape": (2, 3)}, r"needs a map of features .* shape \(2, 3\)"),
    ],
)
def test_vgg_vqc_refuses(settings, message):
    with pytest.raises(InputError, match=message):
        vgg_vqc(**{"shape": (4, 1, 1), "classes": 2, **settings})


def test_circuit_only_refuses_an_encoding_of_other_width():
    with pytest.raises(InputError, match="must read 4 numbers, a qubit each, but it reads 16"):
        circuit_only((4,), 2, encoding=amplitude)
