import pytest
import torch

from fedqml.quantum import MAPS
from fedqml.quantum import maps as module

from . import dense
from .strategies import numbers


def test_every_map_is_entered_under_its_own_name():
    assert set(MAPS) == set(dense.FUNCTIONS)
    for name, entry in MAPS.items():
        assert getattr(module, name) is entry.function


@pytest.mark.parametrize("name", MAPS)
def test_example_by_example_and_differentiable(name):
    entry = MAPS[name]
    values = numbers(5, 2, 3, entry.least).requires_grad_()
    each = torch.stack([dense.FUNCTIONS[name](*row) for row in values.flatten(0, 1)])
    torch.testing.assert_close(entry.apply(values).flatten(), each)
    assert torch.autograd.gradcheck(entry.apply, values)
    assert torch.autograd.gradgradcheck(entry.apply, values)


@pytest.mark.parametrize("name", MAPS)
def test_the_text_names_every_argument(name):
    names = [f"x{k}" for k in range(MAPS[name].least)]
    text = MAPS[name].text(names)
    assert all(name in text for name in names)
    assert "{" not in text
