import pytest
import torch
from torch import nn

from fedqml.core.errors import InputError
from fedqml.data.losses import accuracy, cross_entropy
from fedqml.data.task import Task
from tests.federations import data, hybrid, task, with_dropout

KEY = torch.tensor(0)


class Own(nn.Module):
    """A dense layer behind a function of the input."""

    def __init__(self, function):
        super().__init__()
        self.dense, self.function = nn.Linear(3, 2), function

    def forward(self, x):
        return self.dense(self.function(x))


class IgnoresItsWeights(nn.Module):
    """What PennyLane's TorchLayer does: the weights are stored elsewhere, too."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 2))
        self.stored = {"weight": self.weight}

    def forward(self, x):
        return x @ self.stored["weight"]


def test_the_seed_decides_the_first_weights_and_leaves_the_global_generator():
    before = torch.random.get_rng_state()
    a, b, c = (task().objective(seed).first for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_outputs_are_those_of_the_model_with_these_weights():
    objective = task(hybrid).objective(0)
    model = hybrid().double()
    weights = torch.randn(len(objective.first), dtype=torch.float64)
    model.load_state_dict(objective.packing.unpack(weights))
    x = objective.data.data.x
    torch.testing.assert_close(objective.outputs(weights, x, KEY), model(x))


def test_evaluation_is_the_mean_over_all_test_examples_without_dropout():
    objective = task(with_dropout, rows=1000).objective(0)
    x, y = objective.data.data.test
    outputs = objective.outputs(objective.first, x, KEY)
    measured = objective.evaluate(objective.first, KEY)
    assert measured["loss"] == pytest.approx(nn.functional.cross_entropy(outputs, y).item())
    assert measured["accuracy"] == (outputs.argmax(1) == y).double().mean()


def test_evaluation_in_parts_counts_every_example_once(monkeypatch):
    objective = task(hybrid).objective(0)
    whole = objective.evaluate(objective.first, KEY)
    monkeypatch.setattr("fedqml.data.task._EVALUATION_BATCH", 7)
    assert objective.evaluate(objective.first, KEY) == pytest.approx(whole, rel=1e-14)


def test_the_batch_loss_is_the_mean_over_unmasked_examples():
    objective = task(hybrid).objective(0)
    rows, key = torch.tensor([4, 7, 9]), torch.tensor(0)
    all_three = torch.ones(3, dtype=torch.bool)
    two = torch.tensor([True, False, True])
    part = objective.batch_loss(objective.first, rows[[0, 2]], all_three[:2], key)
    torch.testing.assert_close(objective.batch_loss(objective.first, rows, two, key), part)
    assert objective.batch_loss(objective.first, rows, ~all_three, key) == 0


def test_weights_and_data_have_the_task_s_dtype():
    objective = task(dtype=torch.float32).objective(0)
    assert objective.first.dtype == objective.data.data.x.dtype == torch.float32


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: nn.Linear(4, 2), "on one example of each class they fail"),
        (lambda: nn.Linear(3, 1), "on one example of each class they fail"),
        (
            lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)),
            "changes its buffer `1.running",
        ),
        (lambda: 3, "must return a torch module, not int"),
        (lambda: nn.ReLU(), "no trainable parameter"),
        (lambda: nn.LazyLinear(2), "`weight` has no shape yet"),
        (lambda: 1 / 0, "`model` fails with ZeroDivisionError"),
        (lambda: Own(lambda x: x.nothing), "they fail with AttributeError"),
        (lambda: Own(lambda x: x - x.mean(0)), "depends on the others in its batch"),
        (
            lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, track_running_stats=False)),
            "depends on the others in its batch",
        ),
        (IgnoresItsWeights, "evaluates its own, as PennyLane's TorchLayer does"),
    ],
)
def test_models_that_do_not_fit_are_refused(model, message):
    with pytest.raises(InputError, match=message):
        task(model).objective(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metrics": {"accuracy": lambda o, y: o.mean()}}, "`accuracy` must return a value for"),
        ({"metrics": {"loss": cross_entropy}}, "`metrics` must not name one `loss`"),
        ({"model": nn.Linear(3, 2)}, "`model` must be a function that makes one"),
        ({"dtype": torch.float16}, "`dtype` must be torch.float32 or torch.float64"),
    ],
)
def test_tasks_that_make_no_sense_are_refused(change, message):
    whole = {"model": hybrid, "loss": cross_entropy, "data": data(), **change}
    with pytest.raises(InputError, match=message):
        Task(**whole).objective(0)


def test_a_model_that_works_in_place_leaves_the_data_alone():
    def in_place():
        return Own(lambda x: x.sub_(0.5))

    objective = task(in_place).objective(0)
    x = objective.data.data.test[0].clone()
    first = objective.evaluate(objective.first, KEY)
    assert objective.evaluate(objective.first, KEY) == first
    assert torch.equal(objective.data.data.test[0], x)


def test_first_weights_do_not_depend_on_the_caller_s_default_dtype():
    expected = task().objective(0).first
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(task().objective(0).first, expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_trained_copy_is_the_model_with_pytorch_s_own_dropout():
    objective = task(with_dropout).objective(0)
    weights = 2 * objective.first
    model = objective.trained(weights)
    assert type(model[2]) is nn.Dropout
    x = objective.data.data.x
    torch.testing.assert_close(model(x), objective.outputs(weights, x, KEY))
    model.train()(x).sum().backward()
    assert torch.equal(objective.trained(weights)(x), model.eval()(x))


def test_a_loss_that_is_already_reduced_is_refused():
    with pytest.raises(InputError, match="`loss` must return a value for each example"):
        Task(hybrid, nn.functional.cross_entropy, data()).objective(0)


def test_losses_are_pytorch_s():
    logits, y = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    expected = nn.functional.cross_entropy(logits, y)
    torch.testing.assert_close(cross_entropy(logits, y).mean(), expected)
    assert accuracy(logits, logits.argmax(1)).tolist() == [1] * 6
    assert accuracy(logits, (logits.argmax(1) + 1) % 3).tolist() == [0] * 6
