"""What every partition must do; a new file in the folder is tested without an edit here."""

import copy
import importlib
import inspect
import pkgutil
import typing

import numpy as np
import pytest
import torch

from fedqml.core.random import stream
from fedqml.core.resolve import settings
from fedqml.data import partitions
from fedqml.data.dataset import Data, FederatedData

NAMES = [module.name for module in pkgutil.iter_modules(partitions.__path__)]
OWNERS = tuple(f"owner {i % 7}" for i in range(120))
LABELS = torch.arange(120) % 3
DATA = Data(torch.arange(240.0).reshape(120, 2), LABELS, test=(torch.zeros(1, 2), LABELS[:1]))
OWNED = Data(DATA.x, DATA.y, test=DATA.test, owners=OWNERS)

# A value for a parameter without default, by its type: any partition should work with it here.
VALUES = {int: 5, float: 0.5, bool: True}


def make(name):
    factory = getattr(partitions, name)
    hints = typing.get_type_hints(factory)
    required = [
        parameter
        for parameter, p in inspect.signature(factory).parameters.items()
        if p.default is inspect.Parameter.empty
    ]
    given = {parameter: VALUES[hints[parameter]] for parameter in required}
    return factory(**settings(factory, given, "partition"))


def state(rng):
    return copy.deepcopy(rng.bit_generator.state)


def same(one, other):
    pairs = zip(one.clients, other.clients, strict=True)
    return one.names == other.names and all(torch.equal(a, b) for a, b in pairs)


def test_the_folder_is_not_empty():
    assert {"iid", "by_owner", "central"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_file_function_and_export_have_one_name(name):
    module = importlib.import_module(f"{partitions.__name__}.{name}")
    assert getattr(partitions, name) is getattr(module, name)
    assert name in partitions.__all__
    assert getattr(module, name).__module__ == module.__name__


@pytest.mark.parametrize("name", NAMES)
def test_disjoint_cover_with_a_row_for_everyone(name):
    # FederatedData refuses anything else; the sum shows it without its help.
    split = OWNED.split(make(name))
    assert isinstance(split, FederatedData)
    assert all(len(rows) > 0 for rows in split.clients)
    assert torch.cat(split.clients).sort().values.equal(torch.arange(120))


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_splits(name):
    assert same(OWNED.split(make(name), seed=3), OWNED.split(make(name), seed=3))


@pytest.mark.parametrize("name", NAMES)
def test_what_draws_at_random_differs_between_seeds(name):
    rng = stream(0, "probe")
    before = state(rng)
    make(name)(LABELS, OWNERS, rng)
    random = str(state(rng)) != str(before)
    assert same(OWNED.split(make(name), seed=0), OWNED.split(make(name), seed=1)) != random


@pytest.mark.parametrize("name", NAMES)
def test_no_global_random_state_and_no_change_of_its_input(name):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    labels = LABELS.clone()
    make(name)(labels, OWNERS, stream(0, "probe"))
    assert labels.equal(LABELS)
    assert torch.get_rng_state().equal(before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_its_settings_are_documented(name):
    factory = getattr(partitions, name)
    assert factory.__doc__
    for parameter in inspect.signature(factory).parameters:
        assert f"    {parameter}: " in factory.__doc__
