from dataclasses import replace

import pytest
import torch

from fedqml.core.attackers import attacking
from fedqml.core.errors import InputError
from fedqml.data.dataset import Data
from fedqml.data.losses import cross_entropy
from fedqml.data.partitions import by_owner, iid
from fedqml.data.poisons import backdoor, label_flip
from fedqml.data.sources import owner_tables
from fedqml.data.task import Task
from tests.data.owner_folders import part_of, pooled_folder


def split(clients=10):
    x, y = torch.rand(60, 2), torch.arange(60) % 3
    return Data(x, y, test=(x, y)).split(iid(clients))


def test_attackers_labels_flip_and_nothing_else_changes():
    before = split()
    after = label_flip([2, 5])(before, 0)
    for client, rows in enumerate(before.clients):
        y = before.data.y[rows]
        assert torch.equal(after.data.y[rows], 2 - y if client in (2, 5) else y)
    assert torch.equal(after.data.test[1], before.data.test[1])
    assert after.fingerprint() != before.fingerprint()


def test_a_fraction_of_the_clients_is_that_of_other_attacks():
    before = split()
    changed = label_flip(0.3)(before, 7).data.y != before.data.y
    found = [bool(changed[rows].any()) for rows in before.clients]
    everybody = torch.arange(10)
    assert found == attacking(0.3, everybody, everybody, 7).tolist()
    assert sum(found) == 3


def test_clients_that_are_not_there_are_refused():
    with pytest.raises(InputError, match="must name clients from 0 to 9"):
        label_flip([10])(split(), 0)


def images(shape, clients=10):
    x = torch.rand(60, *shape)
    y = torch.arange(60) % 3
    return Data(x, y, test=(x[:30], y[:30])).split(iid(clients))


@pytest.mark.parametrize(
    ("shape", "trigger"),
    [
        ((5,), (..., slice(3, 5))),
        ((4, 5), (..., slice(2, 4), slice(3, 5))),
        ((3, 4, 5), (..., slice(2, 4), slice(3, 5))),
    ],
)
def test_a_back_door_is_a_corner_and_a_label(shape, trigger):
    before = images(shape)
    after = backdoor([2, 5], target=1, fraction=0.5, size=2, value=7.0)(before, 0)
    stays = torch.ones(shape, dtype=torch.bool)
    stays[trigger] = False
    for client, rows in enumerate(before.clients):
        has = (after.data.x[rows][trigger] == 7).flatten(1).all(1)
        assert int(has.sum()) == (3 if client in (2, 5) else 0)
        assert (after.data.y[rows][has] == 1).all()
        assert torch.equal(after.data.x[rows][~has], before.data.x[rows][~has])
        assert torch.equal(after.data.y[rows][~has], before.data.y[rows][~has])
    assert torch.equal(after.data.x[:, stays], before.data.x[:, stays])
    assert (before.data.x <= 1).all()


def test_a_back_door_is_tried_on_the_test_rows_of_other_classes():
    before = images((3, 4, 5))
    after = backdoor([], target=1, size=2, value=7.0)(before, 0)
    x, y = after.further_tests["backdoor_success"]
    examples, labels = before.data.test_set
    expected = examples[labels != 1].clone()
    expected[..., 2:, 3:] = 7
    assert torch.equal(x, expected)
    assert y.tolist() == [1] * 20
    assert torch.equal(after.data.test_set[0], examples)
    assert after.tested_rows() == 50
    assert after.to(torch.float64).further_tests["backdoor_success"][0].dtype == torch.float64


def test_the_success_of_a_back_door_is_the_share_that_is_taken_for_the_target():
    x = torch.tensor([[0.2, 0.0], [0.4, 0.0], [0.8, 0.0], [0.9, 0.0]])
    y = torch.tensor([0, 0, 2, 1])
    data = Data(x, y, test=(x, y)).split(iid(1))
    # In class 1 by the first feature alone, from 0.5 on, whatever the trigger.
    model = lambda: torch.nn.Linear(2, 3)  # noqa: E731
    task = Task(model, cross_entropy, backdoor([0], target=1, size=1)(data, 0))
    objective = task.objective(0)
    weights = {"weight": torch.tensor([[0.0, 0], [1, 0], [0, 0]]), "bias": torch.zeros(3)}
    weights["bias"][0] = 0.5
    measured = objective.evaluate(objective.packing.pack(weights), torch.tensor(0))
    assert measured["backdoor_success"] == pytest.approx(1 / 3)
    assert measured["accuracy"] == 3 / 4
    with pytest.raises(InputError, match="not name one `backdoor_success`"):
        replace(task, metrics={"backdoor_success": cross_entropy})


@pytest.mark.parametrize(
    ("poison", "what"),
    [
        (label_flip([0, 1, 2]), "y"),
        (backdoor([0, 1, 2], target=1, size=1), "y"),
        (backdoor([0, 1, 2], target=1, size=1), "x"),
    ],
)
def test_an_owner_poisons_its_rows_as_on_one_machine(tmp_path, poison, what):
    pooled = owner_tables(pooled_folder(tmp_path / "pooled")).split(by_owner())
    after = getattr(poison(pooled, 0).data, what)
    here = {}
    for name in pooled.names:
        part = owner_tables(part_of(tmp_path / "pooled", tmp_path / name, name)).split(by_owner())
        poisoned = poison(part, 0)
        assert not poisoned.further_tests
        assert poisoned.common_digest() == poison(pooled, 0).common_digest()
        here[name] = getattr(poisoned.data, what)
    for rows, name in zip(pooled.clients, pooled.names, strict=True):
        assert torch.equal(after[rows], here[name])


@pytest.mark.parametrize(
    ("settings", "allowed"),
    [
        ({"target": 3}, "`target` must be less than the 3 classes"),
        ({"target": 0, "size": 3}, "`size` must be at most 2"),
        ({"target": 0, "size": 0}, "`size` must be at least 1"),
        ({"target": 0, "fraction": 0.0}, r"`fraction` must be in \(0, 1\]"),
        ({"target": 0, "value": float("nan")}, "`value` must be a finite number"),
        ({"target": 0, "value": 1e39}, "`value` must be a finite number"),
        ({"target": -1}, "`target` must be at least 0"),
    ],
)
def test_a_back_door_that_cannot_be_is_refused(settings, allowed):
    with pytest.raises(InputError, match=allowed):
        backdoor([0], **settings)(split(), 0)


def test_a_back_door_needs_test_rows_of_other_classes():
    x, y = torch.rand(6, 2), torch.arange(6) % 2
    with pytest.raises(InputError, match="All test rows are of class 1"):
        backdoor([0], target=1, size=1)(Data(x, y, test=(x[y == 1], y[y == 1])).split(iid(1)), 0)
