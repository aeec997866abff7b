"""The contract of every model, and what is particular to each."""

import importlib
import math
import pkgutil
from functools import partial

import pytest
import torch
from torch import nn

import fedqml.models as package
from fedqml.core.errors import InputError
from fedqml.models import dense_vqc
from fedqml.quantum.ansatze import rot_cnot
from fedqml.quantum.encodings import arctan
from fedqml.quantum.layer import QuantumLayer

MODELS = [
    getattr(importlib.import_module(f"{package.__name__}.{m.name}"), m.name)
    for m in pkgutil.iter_modules(package.__path__)
]


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
