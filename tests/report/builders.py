"""Shortcuts from a fake results folder to the objects that are tested."""

from pathlib import Path
from typing import Any

from fedqml.report.arms import Experiment, group
from fedqml.report.read import read_results
from tests.report.fake_results import settings, write_run

CENTRAL: dict[str, Any] = {
    "label": "central",
    "central": True,
    "config": settings(partition__use="central"),
}


def experiment(folder: Path) -> Experiment:
    """Return the only experiment of a results folder."""
    (only,) = group(read_results(folder))
    return only


def compare(
    folder: Path, federated: dict[int, list[float]], central: dict[int, list[float]], **more: Any
) -> Experiment:
    """Return an experiment of one federated and one central arm, accuracies by seed."""
    for seed, accuracy in federated.items():
        write_run(folder, seed=seed, accuracy=accuracy, **more)
    for seed, accuracy in central.items():
        write_run(folder, seed=seed, accuracy=accuracy, **CENTRAL)
    return experiment(folder)
