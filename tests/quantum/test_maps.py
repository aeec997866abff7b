import pytest
import torch

from fedqml.quantum import MAPS
from fedqml.quantum import maps as module

from . import dense
from .strategies import numbers


def test_every_map_is_entered_under_its_own_name():
    assert set(MAPS) == {"identity", "arctan", "arctan_square"} == set(dense.FUNCTIONS)
    for name, entry in MAPS.items():
        assert getattr(module, name) is entry.apply


@pytest.mark.parametrize("name", MAPS)
def test_elementwise_and_differentiable(name):
    values = numbers(5, 2, 3).requires_grad_()
    apply = MAPS[name].apply
    each = torch.stack([apply(v) for v in values.flatten()]).reshape(2, 3)
    torch.testing.assert_close(apply(values), each, rtol=0, atol=0)
    assert torch.autograd.gradcheck(apply, values)


@pytest.mark.parametrize("name", MAPS)
def test_the_label_has_one_place_for_the_argument(name):
    assert MAPS[name].label.count("{}") == 1
