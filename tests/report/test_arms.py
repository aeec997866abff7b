from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedqml.report.arms import group, reference
from fedqml.report.read import read_results
from tests.report.builders import CENTRAL, experiment
from tests.report.fake_results import settings, write_run


def test_seeds_of_an_arm_are_one_row(tmp_path: Path) -> None:
    for seed in (2, 0, 1):
        write_run(tmp_path, seed=seed, accuracy=[0.5, 0.9 + seed / 100])
    (arm,) = experiment(tmp_path).arms
    assert arm.seeds == (0, 1, 2)
    assert arm.final("test_accuracy") == {0: 0.9, 1: 0.91, 2: 0.92}
    rounds, values = arm.curve("test_accuracy")
    assert rounds.tolist() == [0, 1]
    assert values.tolist() == [[0.5, 0.9], [0.5, 0.91], [0.5, 0.92]]
    assert arm.total("samples").tolist() == [115, 115, 115]


def test_federated_arms_come_first_and_count_like_people(tmp_path: Path) -> None:
    write_run(tmp_path, **CENTRAL)
    for lr in (0.001, 1e-05, 10, 2):
        write_run(tmp_path, label=f"local.lr = {lr}", config=settings(local__lr=lr))
    labels = [arm.label for arm in experiment(tmp_path).arms]
    assert labels == [*(f"local.lr = {lr}" for lr in (1e-05, 0.001, 2, 10)), "central"]


def test_runs_with_other_settings_are_not_averaged(tmp_path: Path) -> None:
    for rounds in (5, 50):
        write_run(tmp_path, config=settings(run__rounds=rounds), seed=rounds)
    arms = experiment(tmp_path).arms
    assert [(arm.label, arm.seeds) for arm in arms] == [
        ("federated; run.rounds = 5", (5,)),
        ("federated; run.rounds = 50", (50,)),
    ]


def test_many_different_settings_are_told_apart_by_a_run(tmp_path: Path) -> None:
    changed = dict.fromkeys(("local__lr", "local__epochs", "local__batch_size", "run__rounds"))
    for value in (3, 4):
        write_run(tmp_path, config=settings(**dict.fromkeys(changed, value)))
    labels = [arm.label for arm in experiment(tmp_path).arms]
    assert len(set(labels)) == 2
    assert all("local.batch_size = " in label and "run " in label for label in labels)


def test_which_seeds_there_are_is_no_difference(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, config=settings(run__seeds=[0]))
    write_run(tmp_path, seed=1, config=settings(run__seeds=[0, 1]))
    (arm,) = experiment(tmp_path).arms
    assert arm.seeds == (0, 1)


def test_one_label_for_a_federated_and_a_central_arm(tmp_path: Path) -> None:
    write_run(tmp_path, label="lr = 1")
    write_run(tmp_path, label="lr = 1", central=True)
    labels = [arm.label for arm in experiment(tmp_path).arms]
    assert labels == ["lr = 1, federated", "lr = 1, central"]


def test_an_arm_without_a_label(tmp_path: Path) -> None:
    write_run(tmp_path, label="")
    write_run(tmp_path, label=" ", central=True)
    assert [arm.label for arm in experiment(tmp_path).arms] == ["federated", "central"]


def test_a_run_twice_counts_once(tmp_path: Path) -> None:
    old = write_run(tmp_path, started="2026-11-01T00:00:00+00:00", accuracy=[0.5, 0.6])
    new = write_run(tmp_path, started="2026-11-02T00:00:00+00:00", accuracy=[0.5, 0.7])
    found = experiment(tmp_path)
    assert [run.id for run in found.arms[0].runs] == [new.name]
    assert [(run.id, latest.id) for run, latest in found.repeats] == [(old.name, new.name)]


def test_finished_and_unfinished_seeds_of_an_arm(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0)
    write_run(tmp_path, seed=1, finished=False)
    found = experiment(tmp_path)
    assert [arm.seeds for arm in found.arms] == [(0,)]
    assert [arm.seeds for arm in found.begun] == [(1,)]


def test_an_unfinished_arm_with_other_settings_keeps_its_own_label(tmp_path: Path) -> None:
    write_run(tmp_path, config=settings(run__rounds=2))
    write_run(tmp_path, config=settings(run__rounds=9), finished=False)
    found = experiment(tmp_path)
    assert found.arms[0].label == "federated; run.rounds = 2"
    assert found.begun[0].label == "federated; run.rounds = 9"


def test_experiments_are_apart(tmp_path: Path) -> None:
    write_run(tmp_path, name="b", title="B")
    write_run(tmp_path, name="a", title="A")
    assert [e.title for e in group(read_results(tmp_path))] == ["A", "B"]


def test_the_reference_is_the_central_arm_with_the_same_model(tmp_path: Path) -> None:
    for depth, accuracy in ((1, 0.9), (2, 0.8)):
        model = {"model__depth": depth}
        write_run(tmp_path, label=f"depth = {depth}", config=settings(**model))
        write_run(
            tmp_path,
            label=f"central, depth = {depth}",
            central=True,
            config=settings(partition__use="central", **model),
            accuracy=[0.5, accuracy],
        )
    found = experiment(tmp_path)
    for arm in found.federated:
        chosen = reference(arm, found)
        assert chosen is not None
        assert chosen.label == f"central, {arm.label}"


def test_of_equally_near_references_the_best(tmp_path: Path) -> None:
    write_run(tmp_path, config=settings(local__lr=0.5))
    for lr, accuracy in ((0.1, 0.8), (0.2, 0.9), (0.3, 0.7)):
        config = settings(partition__use="central", local__lr=lr)
        write_run(tmp_path, label=f"c{lr}", central=True, config=config, accuracy=[0.5, accuracy])
    found = experiment(tmp_path)
    chosen = reference(found.federated[0], found)
    assert chosen is not None
    assert chosen.label == "c0.2"


def test_rounds_on_pooled_data_are_no_difference_from_the_reference(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path, seed=seed, config=settings(run__rounds=100))
    for rounds, seeds, accuracy in ((10, (0, 1), 0.9), (100, (0,), 0.8)):
        config = settings(partition__use="central", run__rounds=rounds)
        for seed in seeds:
            more: dict[str, Any] = {"label": f"c{rounds}", "seed": seed, "config": config}
            write_run(tmp_path, central=True, accuracy=[0.5, accuracy], **more)
    found = experiment(tmp_path)
    chosen = reference(found.federated[0], found)
    assert chosen is not None
    assert chosen.label == "c10"


@pytest.mark.parametrize("seeds", [{"a": (0,), "b": (0, 1)}, {"a": (0, 1), "b": (0,)}])
@pytest.mark.parametrize(("single", "wanted"), [(0.9, 2), (0.91, 1)])
def test_of_equally_good_references_one_with_seeds_in_common(
    tmp_path: Path, seeds: dict[str, tuple[int, ...]], single: float, wanted: int
) -> None:
    for seed in (0, 1):
        write_run(tmp_path, seed=seed, config=settings(local__lr=0.5))
    for label, own in seeds.items():
        config = settings(partition__use="central", local__lr={"a": 0.1, "b": 0.2}[label])
        for seed in own:
            more: dict[str, Any] = {"label": label, "seed": seed, "config": config}
            accuracy = single if len(own) == 1 else 0.9
            write_run(tmp_path, central=True, accuracy=[0.5, accuracy], **more)
    found = experiment(tmp_path)
    chosen = reference(found.federated[0], found)
    assert chosen is not None
    assert len(chosen.seeds) == wanted


def test_no_reference_without_a_central_arm(tmp_path: Path) -> None:
    write_run(tmp_path)
    found = experiment(tmp_path)
    assert reference(found.federated[0], found) is None


def test_a_metric_that_one_seed_lacks(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, extra={"test_f1": [0.1, 0.2, 0.3]})
    write_run(tmp_path, seed=1)
    found = experiment(tmp_path)
    assert found.metrics == ("test_accuracy", "test_f1")
    assert np.isnan(found.arms[0].final("test_f1")[1])
