import importlib
import math
import operator
import re
import sys
import threading
import types
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fedqml.core.behaviour import behaviour
from fedqml.core.errors import InputError
from fedqml.core.transform import chain, stateless
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam, sgd
from fedqml.federated.transforms import clip
from fedqml.quantum.ansatze import rot_cnot


def step(lr, start=0, *, scale=1):
    return lambda p: scale * (p - lr) + start


FACTOR = 2


def reads_a_global(x):
    return FACTOR * helper(x)


def helper(x):
    return x + 1


class Slotted:
    __slots__ = ("held", "other")

    def __init__(self, held):
        self.held = held


class Both(Slotted):
    def __init__(self, held, more):
        super().__init__(held)
        self.more = more


@dataclass(frozen=True, slots=True)
class SlottedData:
    held: int
    more: int


def loop_of_slots(held):
    made = Slotted([held])
    made.held.append(made)
    return made


SAME = [
    lambda: step(0.1),
    lambda: adam(lr=0.1),
    lambda: chain(clip(1.0), mean()),
    lambda: partial(step, 0.1),
    lambda: {"a": torch.arange(3), "b": np.ones(2)},
    lambda: nn.Linear(2, 2, bias=False).requires_grad_(False).weight.new_ones(2),
    lambda: [reads_a_global, {"x", "y", "z"}],
    lambda: [torch.relu, operator.add, torch.float32, np.float32(0.1), np.sin, re.compile("a")],
    lambda: [Path("a"), range(3), slice(3), Fraction(1, 3), Decimal("0.1"), deque([1, 2])],
    lambda: [types.MappingProxyType({"a": 1}), {"a": 1}.keys(), {"a": 1}.values()],
    lambda: [Both(1, 2), SlottedData(1, 2), loop_of_slots(1), nn.LSTM(1, 1)._parameters.keys()],
    lambda: {Fraction(1, 3), Decimal("0.1"), "x"},
    lambda: {torch, math.sin, torch.device("cpu")},
]


@pytest.mark.parametrize("make", SAME)
def test_what_is_made_alike_behaves_alike(make):
    assert behaviour(make()) == behaviour(make())


DIFFERENT = [
    (step(0.1), step(0.2)),
    (step(0.1), step(0.1, 1)),
    (step(0.1), step(0.1, scale=2)),
    (adam(lr=0.1), adam(lr=0.2)),
    (adam(), adam(keep_state=True)),
    (adam(), sgd()),
    (sgd(momentum=0.5), sgd(momentum=0.6)),
    (clip(1.0), clip(2.0)),
    (mean(), mean(weighted=False)),
    (chain(clip(1.0), mean()), chain(mean(), clip(1.0))),
    (stateless(lambda u, c: u), stateless(lambda u, c: c)),
    (lambda x: x + 1, lambda x: x + 2),
    (lambda x: x.sin(), lambda x: x.cos()),
    (torch.zeros(2), torch.zeros(3)),
    (torch.zeros(2), torch.zeros(2).double()),
    (1, 1.0),
    ("1", 1),
    ([1, [2]], [[1], 2]),
    (partial(step, 0.1), partial(step, 0.2)),
    (torch.relu, torch.tanh),
    (operator.add, operator.mul),
    (operator.itemgetter(0), operator.itemgetter(1)),
    ([1].count, [2].count),
    (torch.Tensor.relu, torch.Tensor.tanh),
    (torch.float32, torch.float64),
    (torch.device("cpu"), torch.device("meta")),
    (torch, math),
    (np.float32(0.1), np.float32(0.2)),
    (np.float64(0.1), 0.1),
    (np.int64(1), np.int32(1)),
    (np.sin, np.cos),
    (np.array([Fraction(1)]), np.array([Fraction(2)])),
    (np.random.default_rng(0), np.random.default_rng(1)),
    (Path("a"), Path("b")),
    (range(3), range(4)),
    (slice(3), slice(4)),
    (Fraction(1, 3), Fraction(2, 3)),
    (Decimal("0.1"), Decimal("0.2")),
    (deque([1]), deque([2])),
    (types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})),
    ({"a": 1}.keys(), {"b": 1}.keys()),
    ({"a": 1}.values(), {"a": 2}.values()),
    (re.compile("a"), re.compile("b")),
    (Slotted(1), Slotted(2)),
    (Both(1, 2), Both(2, 2)),
    (Both(1, 2), Both(1, 3)),
    (SlottedData(1, 2), SlottedData(2, 2)),
    (loop_of_slots(1), loop_of_slots(2)),
    ({Fraction(1, 3)}, {Fraction(2, 3)}),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_differs_behaves_differently(one, other):
    assert behaviour(one) != behaviour(other)


def test_globals_and_helpers_of_the_same_module_count(monkeypatch):
    before = behaviour(reads_a_global)
    monkeypatch.setattr(sys.modules[__name__], "FACTOR", 3)
    changed = behaviour(reads_a_global)
    monkeypatch.undo()
    monkeypatch.setattr(sys.modules[__name__], "helper", lambda x: x)
    assert len({before, changed, behaviour(reads_a_global)}) == 3


def test_an_edited_file_counts_but_its_comments_do_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = []
    for body in ("return x", "return x  # the same", "return -x"):
        (tmp_path / "edited_rule.py").write_text(
            f"class Rule:\n    def __call__(self, x):\n        {body}\n"
        )
        sys.modules.pop("edited_rule", None)
        importlib.invalidate_caches()
        found.append(behaviour(importlib.import_module("edited_rule").Rule()))
    assert found[0] == found[1] != found[2]


def test_cycles_end():
    loop = [1]
    loop.append(loop)
    assert behaviour(loop) == behaviour(loop)


def test_what_shows_nothing_is_refused():
    with pytest.raises(InputError, match=r"lock.*function or a dataclass"):
        behaviour(lambda x, lock=threading.Lock(): x)  # noqa: B008


def test_what_was_computed_and_kept_does_not_count():
    circuit = rot_cnot(2)
    before = behaviour(circuit)
    assert circuit.n_weights == 12
    assert behaviour(circuit) == before != behaviour(rot_cnot(3))


def test_equal_values_count_the_same_whether_they_are_shared_or_not():
    def value():
        return SlottedData((1, "a"), [2])

    one, other = value(), value()
    assert behaviour([one, other]) == behaviour([value(), value()])
    table = tuple(iter(one.held))
    assert table is not one.held
    assert behaviour([one.held, one.held]) == behaviour([one.held, table])
    shared = [2]
    both = [SlottedData(1, shared), SlottedData(1, shared)]
    assert behaviour(both) != behaviour([SlottedData(1, [2]), SlottedData(1, [2])])
