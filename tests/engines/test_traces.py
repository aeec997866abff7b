"""Traced steps give the bits of the untraced, and what cannot be traced stays as it was."""

import random
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fedqml.core.transform import chain
from fedqml.core.updates import Context
from fedqml.engines import vectorised
from fedqml.engines.traces import steps
from fedqml.engines.traces.blocks import Batches, block
from fedqml.engines.traces.calls import quicken
from fedqml.engines.traces.operations import Unfit, same, trace
from fedqml.engines.traces.parts import split
from fedqml.federated.local import adam, sgd
from tests.engines.test_engines import unequal
from tests.federations import hybrid, one_round, task, with_dropout


@pytest.fixture
def at_once(monkeypatch):
    """Take traces at the first step, and tell for each shape whether there is one."""
    monkeypatch.setattr(steps, "WORTH_A_TRACE", 0)
    shapes = []

    class Watched(steps._Shape):
        def __init__(self, *args):
            super().__init__(*args)
            shapes.append(self)

    monkeypatch.setattr(steps, "_Shape", Watched)

    def traced():
        return [bool(shape._blocks) for shape in shapes]

    traced.shapes = shapes
    return traced


def train(objective, local, traced, rounds=2):
    with pytest.MonkeyPatch.context() as patch:
        if not traced:
            patch.setattr(steps, "WORTH_A_TRACE", float("inf"))
        run = vectorised(4)(objective, local, chain())
        params, state = objective.first[None], {}
        for number in range(1, rounds + 1):
            cohort = torch.arange(len(objective.data.clients))
            updates, state = one_round(run, Context(number, cohort, params, seed=3), state)
            params = params + updates.delta.mean(0, keepdim=True)
    return [updates.delta, updates.metrics["train_loss"], *state.values()]


def assert_same(objective, local, **kwargs):
    for a, b in zip(
        train(objective, local, traced=True, **kwargs),
        train(objective, local, traced=False, **kwargs),
        strict=True,
    ):
        assert same(a, b)


@pytest.mark.parametrize("model", [hybrid, with_dropout])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "local",
    [
        sgd(lr=0.1, epochs=2, batch_size=3, momentum=0.9, keep_state=True),
        adam(lr=0.05, batch_size=4, weight_decay=0.01, keep_state=True),
    ],
)
def test_a_trace_gives_the_same_bits(at_once, model, dtype, local):
    # cohorts of four and of one, with empty steps in the first; 4 steps an epoch, and 3
    objective = task(model, dtype, partition=unequal([1, 5, 12, 12, 10]), rows=40).objective(0)
    assert_same(objective, local)
    assert all(at_once()[:2])


def test_a_trace_is_taken_once_it_is_worth_it(monkeypatch):
    taken = []

    def counted(*args):
        taken.append(args)
        return trace(*args)

    monkeypatch.setattr(steps, "trace", counted)
    monkeypatch.setattr(steps, "WORTH_A_TRACE", 6)
    objective = task(with_dropout, partition=unequal([20, 20])).objective(0)
    run = vectorised()(objective, sgd(batch_size=5), chain())  # four steps a round
    counts = []
    for number in range(1, 5):
        one_round(run, Context(number, torch.arange(2), objective.first[None], seed=0), {})
        counts.append(len(taken))
    assert counts == [0, 0, 1, 1]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(3, 2)
        self.calls = 0

    def forward(self, x):
        return self.dense(x) * self.factor(x)


class Counting(Model):
    def factor(self, x):
        self.calls += 1
        return 1.0 if self.calls < 10**6 else 0.0


class NumpyDraws(Model):
    def factor(self, x):
        return 1.0 if np.random.rand() < 2 else 0.0  # noqa: NPY002


class PythonDraws(Model):
    def factor(self, x):
        return 1 + 1e-6 * random.random()


class RarelyPythonDraws(Model):
    def factor(self, x):
        return 1.0 if random.random() < 1 - 1e-9 else 0.0


class CountingInAList(Model):
    def __init__(self):
        super().__init__()
        self.seen = {"calls": [0]}

    def factor(self, x):
        self.seen["calls"].append(1)
        return 1.0 if len(self.seen["calls"]) < 10**6 else 0.0


class Pacing(Model):
    """Its results depend on how often it was called, so trials must not count."""

    def factor(self, x):
        self.calls += 1
        return 1 + 1e-6 * self.calls


class ThroughNumpy(torch.autograd.Function):
    generate_vmap_rule = False

    @staticmethod
    def forward(x):
        return torch.from_numpy(np.tanh(x.numpy()))

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, gradient):
        (output,) = ctx.saved_tensors
        return gradient * (1 - output**2)

    @staticmethod
    def vmap(info, in_dims, x):
        return ThroughNumpy.apply(x.movedim(in_dims[0], 0)), 0


class Numpy(Model):
    def factor(self, x):
        return ThroughNumpy.apply(self.dense(x))


class InPlace(Model):
    def factor(self, x):
        return nn.functional.relu(self.dense(x), inplace=True)


@pytest.mark.parametrize(
    "model",
    [
        Counting,
        NumpyDraws,
        PythonDraws,
        RarelyPythonDraws,
        CountingInAList,
        Numpy,
        InPlace,
    ],
)
def test_what_a_trace_cannot_stand_for_is_not_traced(at_once, model):
    objective = task(model).objective(0)
    local = sgd(lr=0.1, batch_size=4)
    if model is PythonDraws:
        train(objective, local, traced=True)
    else:
        assert_same(objective, local)
    assert not any(at_once())


@pytest.mark.parametrize("model", [Pacing, NumpyDraws, CountingInAList])
def test_trials_leave_no_mark(at_once, model):
    objective = task(model).objective(0)
    local = sgd(lr=0.1, batch_size=4)
    marks = []
    for traced in (True, False):
        objective.module.calls = 0
        if model is CountingInAList:
            objective.module.seen["calls"][:] = [0]
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        delta, *_ = train(objective, local, traced)
        seen = list(objective.module.seen["calls"]) if model is CountingInAList else []
        drawn = np.random.rand(), torch.rand(()).item()  # noqa: NPY002
        marks.append((delta.tolist(), seen, objective.module.calls, drawn))
    assert marks[0] == marks[1]


SCALE = [1.0]


class ReadsGlobal(Model):
    def factor(self, x):
        return SCALE[0]


class ReadsAttribute(Model):
    scale = 1.0

    def factor(self, x):
        return self.scale


@pytest.mark.parametrize("where", ["global", "attribute", "class", "loss"])
def test_what_changes_between_rounds_is_not_kept(at_once, where, monkeypatch):
    scale = [1.0]

    def loss(outputs, y):
        return scale[0] * nn.functional.cross_entropy(outputs, y, reduction="none")

    objective = replace(
        task(ReadsGlobal if where == "global" else ReadsAttribute).objective(0), loss=loss
    )
    local = sgd(lr=0.1, batch_size=4)
    run = vectorised()(objective, local, chain())
    context = Context(1, torch.arange(6), objective.first[None], seed=3)
    first, _ = one_round(run, context, {})
    objective.evaluate(objective.first, torch.tensor(0))
    kept = len(at_once())
    one_round(run, context, {})
    assert len(at_once()) == kept
    assert all(at_once())
    try:
        if where == "global":
            SCALE[0] = 2.0
        elif where == "attribute":
            objective.module.scale = 2.0
        elif where == "class":
            monkeypatch.setattr(ReadsAttribute, "scale", 2.0)
        else:
            scale[0] = 2.0
        second, _ = one_round(run, context, {})
        anew, _ = one_round(vectorised()(objective, local, chain()), context, {})
    finally:
        SCALE[0] = 1.0
    assert torch.equal(second.delta, anew.delta)
    assert not torch.allclose(first.delta, second.delta)


def test_wide_features_are_not_computed_for_many_steps_at_once(at_once):
    class Wide(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen = nn.Linear(3, 2**17).requires_grad_(False)  # 0.5 MiB an example
            self.dense = nn.Linear(1, 2)

        def forward(self, x):
            return self.dense(self.frozen(x).tanh().mean(-1, keepdim=True))

    objective = task(Wide).objective(0)
    assert_same(objective, sgd(lr=0.1, batch_size=4, epochs=8), rounds=1)
    assert at_once()[0]
    shapes = [shape for shape in at_once.shapes if shape._blocks]
    assert all(max(shape._blocks) * 2**19 * 4 <= steps._BYTES for shape in shapes)


def test_frozen_layers_are_shared_with_the_trace_and_not_copied(at_once):
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen = nn.Linear(3, 4).requires_grad_(False)
            self.dense = nn.Linear(4, 2)

        def forward(self, x):
            return self.dense(self.frozen(x).tanh())

    objective = task(Frozen).objective(0)
    local = sgd(lr=0.1, batch_size=4)
    run = vectorised()(objective, local, chain())
    context = Context(1, torch.arange(6), objective.first[None], seed=3)
    first, _ = one_round(run, context, {})
    with torch.no_grad():
        objective.module.frozen.weight.mul_(2.0)
    second, _ = one_round(run, context, {})
    anew, _ = one_round(vectorised()(objective, local, chain()), context, {})
    assert all(at_once())
    assert torch.equal(second.delta, anew.delta)
    assert not torch.allclose(first.delta, second.delta)


def test_traces_of_many_shapes_do_not_pile_up(at_once, monkeypatch):
    monkeypatch.setattr(steps, "_SHAPES", 2)
    objective = task(hybrid).objective(0)
    advance = torch.func.vmap(sgd().advance(objective.batch_loss, ragged=False))
    traced = steps.Traced(advance, (objective.module,), lambda: None)
    for clients in (1, 2, 3, 1):
        rows = torch.zeros(1, clients, 2, dtype=torch.int64)
        batches = Batches(rows, rows == 0, rows[..., 0])
        traced(objective.first.repeat(clients, 1), {}, batches)
        assert len(traced._shapes) <= 2
    assert len(at_once()) == 4


def step(weight, memory, rows, mask, key):
    """A step in which something is computed ahead, behind, and in between."""
    ahead = rows.double().sin() * mask
    slope = (weight[:, None] * ahead).cos()
    halves = slope.sum(-1).split([1, 1])
    value = (slope**2).sum(-1).sqrt()
    after = weight - 0.1 * torch.cat(halves) + 0.01 * memory
    return [after, memory + weight, value + key, mask.sum(-1)]


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("count", [1, 4])
def test_the_parts_of_a_step_make_up_the_step(apart, count):
    tensors = [torch.tensor([0.3, 0.7]).double(), torch.ones(2).double()]
    rows = torch.arange(6 * count).reshape(count, 2, 3)
    batches = Batches(rows, rows % 3 > 0, rows[..., 0])
    parts = split(trace(step, *tensors, *(field[0] for field in batches)), 2, apart)
    names = {
        name: {str(node.target) for node in getattr(parts, name).graph.nodes}
        for name in ("ahead", "body", "behind")
    }
    assert ("aten.sin.default" in names["ahead"]) is apart
    assert ("aten.sqrt.default" in names["behind"]) is apart
    assert "aten.cos.default" in names["body"]
    made = block(parts, [tensor.clone() for tensor in tensors], batches)
    results = made(tensors, batches)
    values = []
    for batch in zip(*batches, strict=True):
        *tensors, value, size = step(*tensors, *batch)
        values.append((value, size))
    expected = [*tensors, *(torch.stack(each) for each in zip(*values, strict=True))]
    assert all(map(same, results, expected))
    assert not any(result.is_inference() for result in results)  # they can be trained further


def test_what_steps_leave_in_memory_that_lasts_is_copied():
    """Former weights as state and in a report, and state that stays as it is."""

    def step(weight, former, fixed, rows, mask, key):
        after = weight + 0.1 * former + rows.sum(-1) * fixed.flip(0)
        return [after, weight.flip(0), fixed, weight.view(2, 1)[:, 0], former]

    tensors = [torch.rand(2, dtype=torch.float64) for _ in range(3)]
    rows = torch.arange(24).reshape(4, 2, 3)
    batches = Batches(rows, rows > 0, rows[:, 0, 0])
    parts = split(trace(step, *tensors, *(field[0] for field in batches)), 3, apart=True)
    made = block(parts, [tensor.clone() for tensor in tensors], batches)
    results = [made(tensors, batches) for _ in range(2)]
    reports = []
    for batch in zip(*batches, strict=True):
        *tensors, one, other = step(*tensors, *batch)
        reports.append((one, other))
    expected = [*tensors, *(torch.stack(each) for each in zip(*reports, strict=True))]
    for result in results:
        assert all(map(same, result, expected))


def test_numbers_of_any_kind_give_the_same_bits():
    x, n = torch.linspace(-3, 3, 7), torch.arange(7, dtype=torch.int8)
    traced = trace(lambda x, n: [x * 0.1, n * 0.5, n != 1000, n * True, x * (1 + 2j)], x, n)
    assert all(map(same, quicken(traced, x, n)(x, n), traced(x, n)))


def test_random_operations_and_work_in_place_are_unfit():
    with pytest.raises(Unfit, match="draws"):
        trace(lambda x: [x + torch.rand(3)], torch.ones(3))
    with pytest.raises(Unfit, match="in place"):
        trace(lambda x: [x.clone().add_(1)], torch.ones(3))


def test_a_trace_leaves_out_what_changes_nothing():
    made = trace(
        lambda x: [(x.view(3) * 1).expand(3) + torch.zeros_like(x), x.view(1, 3)], torch.ones(3)
    )
    names = [str(node.target) for node in made.graph.nodes if node.op == "call_function"]
    assert sorted(names) == ["aten.add.Tensor", "aten.full.default", "aten.view.default"]
    x = torch.tensor([1.0, -2.0, 0.5])
    assert torch.equal(made(x)[0], x)


def test_a_trace_does_the_same_only_once():
    made = trace(lambda x: [x.sin() + x.mul(2), x.sin() * x.mul(2.0)], torch.ones(3))
    names = [str(node.target) for node in made.graph.nodes if node.op == "call_function"]
    assert names.count("aten.sin.default") == 1
    assert names.count("aten.mul.Tensor") == 3  # 2 and 2.0 are not the same for all types


def test_epochs_longer_than_a_block_are_taken_in_powers_of_two(at_once, monkeypatch):
    monkeypatch.setattr(steps, "_LONGEST", 4)
    objective = task(with_dropout, partition=unequal([20, 20])).objective(0)
    local = adam(lr=0.1, batch_size=3)  # seven steps: 4, 2 and 1
    assert_same(objective, local)
    assert at_once()[0]


def test_views_that_undo_each_other_are_left_out():
    x = torch.arange(6.0).reshape(2, 3)
    traced = trace(lambda x: [x.mT.unsqueeze(0)[0].mT.sin(), x.mT.cos()], x)
    calls = [str(node.target) for node in traced.graph.nodes if node.op == "call_function"]
    assert calls == ["aten.transpose.int", "aten.sin.default", "aten.cos.default"]
    assert all(map(same, traced(x), [x.sin(), x.mT.cos()]))


@pytest.mark.parametrize("compare", [torch.lt, torch.ge, torch.ne])
def test_whole_numbers_are_compared_with_what_is_none(compare):
    """A tensor of 0.5 among whole numbers would be 0, and those of a trial need not show it."""
    seen = torch.ones(4, dtype=torch.int64)
    quick = quicken(trace(lambda y: [compare(y, 0.5)], seen), seen)
    for labels in (seen, torch.zeros_like(seen), torch.tensor([0, 1, 1, 0])):
        assert torch.equal(quick(labels)[0], compare(labels, 0.5))


def grow(params, state, rows, mask, key):
    after = params + 0.01 * torch.sin(params + rows.sum(-1, keepdim=True))
    return after, state, after.sum(-1), mask.sum(-1)


def many(count):
    rows = torch.arange(count * 6).reshape(count, 2, 3)
    return Batches(rows, rows >= 0, rows[..., 0])


def test_threads_that_train_by_the_same_traces_do_not_disturb_each_other(at_once):
    traced, batches = steps.Traced(grow, (), lambda: None), many(32)
    starts = [torch.full((2, 4), value) for value in (0.0, 1.0)]

    def train(start):
        return traced(start, {}, batches)[0]

    expected = list(map(train, starts))
    assert at_once() == [True]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(50):
                assert all(map(same, pool.map(train, starts), expected))
    finally:
        sys.setswitchinterval(before)


def test_traces_of_several_lengths_share_their_memory(at_once):
    traced, batches = steps.Traced(grow, (), lambda: None), many(31)
    first = traced(torch.zeros(2, 4), {}, batches)[0]
    (shape,) = at_once.shapes
    assert sorted(shape._blocks) == [1, 2, 4, 8, 16]
    assert len(shape._held) == 1
    assert same(traced(torch.zeros(2, 4), {}, batches)[0], first)
