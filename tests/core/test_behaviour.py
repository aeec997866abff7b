import importlib
import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from fedqml.core.behaviour import behaviour
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


SAME = [
    lambda: step(0.1),
    lambda: adam(lr=0.1),
    lambda: chain(clip(1.0), mean()),
    lambda: partial(step, 0.1),
    lambda: {"a": torch.arange(3), "b": np.ones(2)},
    lambda: nn.Linear(2, 2, bias=False).requires_grad_(False).weight.new_ones(2),
    lambda: [reads_a_global, {"x", "y", "z"}],
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


def test_what_was_computed_and_kept_does_not_count():
    circuit = rot_cnot(2)
    before = behaviour(circuit)
    assert circuit.n_weights == 12
    assert behaviour(circuit) == before != behaviour(rot_cnot(3))
