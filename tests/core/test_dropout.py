import pytest
import torch
from torch import nn
from torch.func import functional_call

from fedqml.core.dropout import (
    KeyedDropout,
    keep_mask,
    replace_dropout,
    restore_dropout,
)
from fedqml.core.keyed import begin_step, number_layers


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_each_element_is_dropped_with_the_right_probability(p):
    n = 400_000
    share = keep_mask(torch.tensor(123), (n,), p).double().mean()
    sigma = (p * (1 - p) / n) ** 0.5
    assert abs(share - (1 - p)) < 4 * sigma


def test_masks_of_neighbouring_elements_keys_and_layers_are_uncorrelated():
    keys = torch.arange(2000)
    masks = torch.func.vmap(lambda k: keep_mask(k, (200,), 0.5))(keys).double() - 0.5
    bound = 4 * 0.25 / (2000 * 199) ** 0.5
    assert abs((masks[:, 1:] * masks[:, :-1]).mean()) < bound
    assert abs((masks[1:] * masks[:-1]).mean()) < bound
    a, b = KeyedDropout(0.5).train(), KeyedDropout(0.5).train()
    b.layer = 1
    x = torch.ones(100_000)
    together = functional_call(a, {"key": torch.tensor(5)}, x) * functional_call(
        b, {"key": torch.tensor(5)}, x
    )
    assert abs(together.mean() - 1) < 4 * (3 / 100_000) ** 0.5


def test_high_bits_of_the_key_count():
    low, high = torch.tensor(1), torch.tensor(1 + 2**40)
    assert not torch.equal(keep_mask(low, (100,), 0.5), keep_mask(high, (100,), 0.5))


def test_a_row_has_the_same_mask_in_a_shorter_and_a_longer_batch():
    key = torch.tensor(9)
    assert torch.equal(keep_mask(key, (3, 8), 0.5), keep_mask(key, (5, 8), 0.5)[:3])


def test_it_rescales_in_training_and_passes_in_evaluation():
    layer, x = KeyedDropout(0.25), torch.ones(1000)
    assert set(layer.train()(x).tolist()) == {0.0, (x / 0.75)[0].item()}
    assert torch.equal(layer.eval()(x), x)


def test_everything_or_nothing_can_be_dropped():
    x = torch.ones(4)
    assert torch.equal(KeyedDropout(0.0).train()(x), x)
    assert torch.equal(KeyedDropout(1.0).train()(x), torch.zeros(4))


def test_every_dropout_of_a_module_is_replaced_with_its_own_layer():
    module = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)))
    replace_dropout(module)
    assert number_layers(module) == ["0.key", "1.1.key"]
    assert (module[0].p, module[0].layer) == (0.1, 0)
    assert (module[1][1].p, module[1][1].layer) == (0.5, 1)


def test_a_layer_called_twice_in_a_step_drops_other_units():
    layer, x = KeyedDropout(0.5).train(), torch.ones(100)
    first, second = layer(x), layer(x)
    assert not torch.equal(first, second)
    begin_step(layer)
    assert torch.equal(layer(x), first)


def test_a_layer_that_stands_twice_is_replaced_as_one_and_put_back():
    shared = nn.Dropout(0.5)
    module = nn.Sequential(shared, nn.Linear(2, 2), shared)
    replace_dropout(module)
    assert number_layers(module) == ["0.key"]
    assert module[0] is module[2]
    assert isinstance(module[0], KeyedDropout)
    restore_dropout(module)
    assert [type(m) for m in module] == [nn.Dropout, nn.Linear, nn.Dropout]
