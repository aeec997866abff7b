"""A client with few shots counts for less, and the step gets better by it."""

import torch

from fedqml.core.transform import chain
from fedqml.core.updates import Context
from fedqml.data.dataset import Data
from fedqml.data.losses import cross_entropy
from fedqml.data.shares import Shares
from fedqml.data.task import Task
from fedqml.engines import sequential
from fedqml.engines.fleet import by_hardware
from fedqml.experiments.calibration import calibration
from fedqml.federated.aggregators import calibrated_mean, inverse_variance_mean, mean
from fedqml.federated.local import gradient_variance, sgd
from fedqml.quantum.devices import sampled
from fedqml.quantum.equipment import on
from tests.federations import hybrid, one_round

CLIENTS, ROWS, ROUNDS = 4, 4, 25


def problem(device=None, fleet=()):
    """Return a task whose clients hold the same rows: nothing but shots tells them apart."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, 3, generator=generator, dtype=torch.float64).repeat(CLIENTS, 1)
    y = (x.sum(1) > 0).long()
    split = Data(x, y, test=(x, y)).split(
        lambda labels, owners, rng: Shares(torch.arange(len(x)).split(ROWS))
    )
    model = lambda: hybrid(device)  # noqa: E731
    return Task(model, cross_entropy, split, dtype=torch.float64, fleet=dict(fleet))


def rounds(task):
    """Yield the same round with new draws."""
    objective = task.objective(0)
    local = gradient_variance(sgd(lr=0.1, epochs=4, batch_size=ROWS))
    train = by_hardware(sequential())(objective, local, chain())
    for number in range(1, ROUNDS + 1):
        context = Context(number, torch.arange(CLIENTS), objective.first[None], seed=0)
        yield one_round(train, context, {})[0], context


def test_few_shots_weigh_less_and_the_error_is_smaller():
    (exact, context), *_ = rounds(problem())
    truth = mean().apply(exact, {}, context)[0].delta
    task = problem(sampled(shots=400), {0: on(sampled(shots=4))})
    known = calibration(task)
    assert [own.shots for own in known] == [4, 400, 400, 400]
    rules = {
        "mean": mean(),
        "reported": inverse_variance_mean(cap=100.0),
        # equal rows: all that differs between two gradients comes from shots
        "calibrated": calibrated_mean(known, shot_noise=1e6),
    }
    errors = dict.fromkeys(rules, 0.0)
    for updates, context in rounds(task):
        variance = updates.reports["gradient_variance"]
        assert variance[0] > 5 * variance[1:].max()
        for name, rule in rules.items():
            found = rule.apply(updates, {}, context)[0].delta
            errors[name] += float((found - truth).square().sum()) / ROUNDS
    assert errors["reported"] < errors["mean"] / 5
    assert errors["calibrated"] < errors["mean"] / 5
