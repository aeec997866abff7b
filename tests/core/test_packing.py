import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.core.packing import packing

shapes = st.lists(st.lists(st.integers(1, 3), max_size=3).map(tuple), min_size=1, max_size=4)


def parameters(shapes):
    return [
        (f"p{i}", torch.nn.Parameter(torch.randn(shape, generator=torch.Generator())))
        for i, shape in enumerate(shapes)
    ]


@given(shapes)
def test_unpacking_what_was_packed_gives_it_back(shapes):
    named = dict(parameters(shapes))
    p = packing(named.items())
    vector = p.pack(named)
    assert vector.shape == (p.size,)
    back = p.unpack(vector)
    assert all(torch.equal(back[name], named[name]) for name in named)
    assert all(torch.equal(vector[p.slices[n]].reshape(named[n].shape), named[n]) for n in named)


def test_unpacked_tensors_are_views():
    p = packing(torch.nn.Linear(2, 2).named_parameters())
    vector = torch.zeros(p.size)
    p.unpack(vector)["bias"][0] = 7
    assert vector[4] == 7


def test_frozen_parameters_are_not_packed():
    module = torch.nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    assert list(packing(module.named_parameters()).slices) == ["weight"]


def test_a_model_with_nothing_to_train_is_refused():
    with pytest.raises(InputError, match="no trainable parameter"):
        packing(torch.nn.ReLU().named_parameters())


def test_a_vector_of_the_wrong_length_is_refused():
    p = packing(torch.nn.Linear(2, 2).named_parameters())
    with pytest.raises(InputError, match="must have 6 entries, but it has 5"):
        p.unpack(torch.zeros(5))


def test_missing_names_and_wrong_shapes_are_refused():
    p = packing(torch.nn.Linear(2, 2).named_parameters())
    with pytest.raises(InputError, match="no tensor `bias`"):
        p.pack({"weight": torch.zeros(2, 2)})
    with pytest.raises(InputError, match="`bias` must have the shape"):
        p.pack({"weight": torch.zeros(2, 2), "bias": torch.zeros(3)})
