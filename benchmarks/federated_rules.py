"""Hold rules that know circuits, hardware or the time against federated averaging.

    python benchmarks/federated_rules.py [FOLDER]

Some questions, each a few arms with five seeds. Runs go into FOLDER/<question>.csv
(docs/results/federated_rules by default), a line each as soon as it ends; those that are there are
not made again. Then writes FOLDER.md. Delete the files to measure anew.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedqml.core.files import write_atomic
from fedqml.core.transform import Folding
from fedqml.core.updates import Context, State, Updates
from fedqml.experiments.environment import environment
from fedqml.experiments.rounds import Federation, Row
from fedqml.quantum.weight_angles import angles
from fedqml.report.statistics import student
from many_runs import Run, make_all, read

SEEDS = range(5)
LAST = 5
GOAL = 0.75  # test accuracy whose virtual time is noted
Table = dict[str, Any]

ADAM: Table = {"use": "adam", "lr": 0.03, "epochs": 2, "batch_size": 32}
DIGITS: Table = {
    "data": {"use": "digits"},
    "partition": {"use": "dirichlet", "clients": 20, "alpha": 0.1},
    "model": {"use": "dense_vqc", "qubits": 6, "head": True},
    "local": ADAM,
    "run": {"rounds": 40, "clients_per_round": 20},
}
# Three digits that look alike, and a small circuit: noise and shots take time to simulate.
SMALL: Table = {
    **DIGITS,
    "data": {"use": "digits", "classes": [3, 5, 8]},
    "partition": {"use": "dirichlet", "clients": 10, "alpha": 0.5},
    "model": {"use": "dense_vqc", "qubits": 4},
    "run": {"rounds": 20, "clients_per_round": 10},
}
LOUD = {
    "one_qubit": {"depolarising": 0.02},
    "two_qubit": {"depolarising": 0.05},
    "readout": 0.03,
}
NOISY = [{"clients": "0-4", "device": {"use": "density", "noise": LOUD}}]
FEW = [
    {"clients": "0-4", "device": {"use": "sampled", "shots": 5}},
    {"clients": "5-9", "device": {"use": "sampled", "shots": 500}},
]
PACE = {"use": "lognormal", "median": 0.01, "sigma": 1.0}


def server(*rules: str | Table) -> Table:
    listed = [{"use": rule} if isinstance(rule, str) else rule for rule in rules]
    return {"strategy": {"client": [], "server": listed}}


def circuit(lr: float) -> Table:
    """Return a model whose every weight is an angle."""
    return {
        "data": {"use": "digits", "classes": [0, 1, 2, 3], "components": 4},
        "model": {"use": "circuit_only", "ansatz": {"use": "rot_cnot", "depth": 3}},
        "local": {**ADAM, "lr": lr},
    }


def timed(clock: str, per_round: int, rounds: int, *rules: str | Table, **rest: Any) -> Table:
    return {
        **server(*rules),
        "clock": {"use": clock, "pace": PACE, **rest},
        "run": {"rounds": rounds, "clients_per_round": per_round},
    }


def descents(rates: Sequence[float]) -> dict[str, Table]:
    """Return plain and natural gradient descent at some learning rates."""
    plain = {lr: {**ADAM, "use": "sgd", "lr": lr} for lr in rates}
    natural = {
        lr: {"use": "quantum_natural_gradient", "optimiser": sgd} for lr, sgd in plain.items()
    }
    return {f"{local['use']}, lr {lr}": local for lr in rates for local in (plain[lr], natural[lr])}


@dataclass(frozen=True)
class Question:
    """Some arms that differ in one thing.

    Attributes:
        title: what is asked.
        about: what all arms have in common, for people.
        base: the same as an experiment.
        arms: by name, what each changes.
        columns: title and name of what is shown of it.
        baseline: how the names begin of arms that those behind them are held against.
    """

    title: str
    about: str
    base: Table
    arms: Mapping[str, Table]
    columns: Mapping[str, str]
    baseline: str = "mean"


ACCURACY = {"test accuracy, %": "accuracy", "test loss": "loss"}
SPREADS = {"small": 0.03, "middle": 0.3, "large": 1.0}
QUESTIONS = {
    "angles": Question(
        "Angles: the mean on the line, on the circle, of rotations",
        "A circuit whose weights are angles and nothing else (4 principal components of four "
        "digits), Dirichlet 0.1. The clients' angles spread with the learning rate of Adam; R is "
        "the mean resultant length of their steps over weights and rounds: 1 if all turn alike, 0 "
        "if they point everywhere.",
        DIGITS,
        {
            f"{rule}, lr {lr}": {**circuit(lr), **server(rule)}
            for lr in SPREADS.values()
            for rule in ("mean", "circular_mean", "su2_mean")
        },
        {**ACCURACY, "R": "length"},
    ),
    "depth": Question(
        "Half of the clients have one layer of three",
        "Digits 3, 5 and 8, Dirichlet 0.5, ten clients; the test is of the whole circuit.",
        {
            **SMALL,
            "model": {
                "use": "dense_vqc",
                "qubits": 4,
                "ansatz": {"use": "rot_cnot", "depth": 3},
            },
        },
        {
            "mean": {"fleet": [{"clients": "0-4", "layers": 1}], **server("mean")},
            "partial_mean": {"fleet": [{"clients": "0-4", "layers": 1}], **server("partial_mean")},
            "all have three, mean": server("mean"),
        },
        ACCURACY,
    ),
    "qubits": Question(
        "Half of the clients have three qubits of five",
        "Digits 3, 5 and 8, read from the first three qubits; Dirichlet 0.5, ten clients.",
        {**SMALL, "model": {"use": "dense_vqc", "qubits": 5}},
        {
            "mean": {"fleet": [{"clients": "0-4", "qubits": 3}], **server("mean")},
            "partial_mean": {"fleet": [{"clients": "0-4", "qubits": 3}], **server("partial_mean")},
            "all have five, mean": server("mean"),
        },
        ACCURACY,
    ),
    "noise": Question(
        "Half of the clients have noisy circuits",
        "Depolarising 2 % after gates on one qubit and 5 % after gates on two, 3 % of bits "
        "misread; the test is exact. Digits 3, 5 and 8, Dirichlet 0.5, ten clients.",
        SMALL,
        {
            "mean": {"fleet": NOISY, **server("mean")},
            "calibrated_mean": {"fleet": NOISY, **server("calibrated_mean")},
            "no noise, mean": server("mean"),
        },
        ACCURACY,
    ),
    "shots": Question(
        "Half of the clients have 5 shots, half have 500",
        "Gradients by the parameter-shift rule, the test is exact; Digits 3, 5 and 8, Dirichlet "
        "0.5, ten clients.",
        {**SMALL, "local": {"use": "gradient_variance", "optimiser": ADAM}},
        {
            "mean": {"fleet": FEW, **server("mean")},
            "calibrated_mean": {"fleet": FEW, **server("calibrated_mean")},
            "inverse_variance_mean": {"fleet": FEW, **server("inverse_variance_mean")},
            "exact, mean": server("mean"),
        },
        ACCURACY,
    ),
    "fisher": Question(
        "Unlike data: weighting by Fisher information",
        "All ten digits, 20 clients, Dirichlet 0.1.",
        DIGITS,
        {
            "mean": server("mean"),
            "fisher_mean": {"local": {"use": "fisher", "optimiser": ADAM}, **server("fisher_mean")},
        },
        ACCURACY,
    ),
    "natural": Question(
        "Steps along the natural gradient of the circuit",
        "Digits 3, 5 and 8, Dirichlet 0.5, ten clients; the plain mean. A natural step is some "
        "four times longer at the same rate, so both are shown at several.",
        {**SMALL, **server("mean")},
        {name: {"local": local} for name, local in descents((0.03, 0.1, 0.3, 1.0)).items()},
        ACCURACY,
        "sgd",
    ),
    "time": Question(
        "Clients of unequal speed, by a virtual clock",
        "All ten digits, 20 clients, equal shares; paces lognormal, two of three clients within a "
        f"factor of 2.7 of the median. Virtual seconds until the test accuracy is {GOAL:.0%}, and "
        "after 300 updates.",
        {**DIGITS, "partition": {"use": "iid", "clients": 20}},
        {
            "synchronous, 5 a round": timed("synchronous", 5, 60, "mean"),
            "synchronous, deadline": timed("synchronous", 5, 60, "mean", deadline=3.0),
            "FedBuff, 5 of 10": timed(
                "asynchronous",
                5,
                60,
                {"use": "staleness_scaling", "decay": {"use": "polynomial"}},
                {"use": "mean", "weighted": False},
                concurrency=10,
            ),
            "FedAsync, 1 of 10": timed(
                "asynchronous",
                1,
                300,
                {"use": "fedasync", "alpha": 0.3, "decay": {"use": "polynomial"}},
                "mean",
                concurrency=10,
            ),
        },
        {**ACCURACY, f"seconds to {GOAL:.0%}": "reached", "seconds in all": "time"},
        "synchronous, 5",
    ),
}


def measure(rows: Sequence[Row]) -> Table:
    """Return the means over the last rounds, and what a clock says."""
    last = rows[-LAST:]
    reached = [r["time"] for r in rows if "time" in r and r["test_accuracy"] >= GOAL]
    kept = {
        "accuracy": statistics.mean(row["test_accuracy"] for row in last),
        "loss": statistics.mean(row["test_loss"] for row in last),
        "reached": reached[0] if reached else "",
        "time": rows[-1].get("time", ""),
    }
    return {name: value if value == "" else round(value, 5) for name, value in kept.items()}


def look(federation: Federation, kept: Table) -> Federation:
    """Return the federation with its server's side watched: how far the clients' angles spread."""
    given, found = federation.server, angles(federation.objective.module)
    lengths: list[float] = []
    kept["length"] = ""

    def fold(state: State, context: Context) -> Folding:
        folding = given.begin(state, context)
        seen: list[Updates] = []

        def add(updates: Updates) -> None:
            seen.append(updates.owned())
            folding.add(updates)

        def finish() -> tuple[Updates, State]:
            steps = torch.cat([u.delta for u in seen])[:, found.entries].double()
            turned = torch.exp(2j * torch.pi * steps / found.periods)
            lengths.append(float(turned.mean(0).abs().mean()))
            kept["length"] = round(statistics.mean(lengths), 4)
            return folding.finish()

        return Folding(add, finish)

    return replace(federation, server=replace(given, fold=fold))


def runs(question: Question) -> list[Run]:
    made = []
    for seed in SEEDS:
        for arm, changes in question.arms.items():
            table = {**question.base, **changes}
            table["run"] = {**table["run"], "seeds": [seed]}
            made.append(Run({"arm": arm, "seed": seed}, table, (seed,)))
    return made


def section(question: Question, path: Path) -> str:
    rows = read(path)
    heads = [*question.columns, "accuracy beyond the baseline"]
    lines = [f"| | {' | '.join(heads)} |", "| --- |" + " --: |" * len(heads)]
    baseline: dict[str, float] = {}
    for arm in question.arms:
        own = [row for row in rows if row["arm"] == arm]
        fields = [_field([row[name] for row in own], name) for name in question.columns.values()]
        accuracies = {row["seed"]: 100 * float(row["accuracy"]) for row in own}
        if arm.startswith(question.baseline):
            baseline = accuracies
            fields.append("")
        else:
            fields.append(_beyond(accuracies, baseline))
        stopped = sum(row["stopped"] != "0" for row in own)
        lines.append(f"| {arm}{f' ({stopped} broke off)' * bool(stopped)} | {' | '.join(fields)} |")
    return f"## {question.title}\n\n{question.about}\n\n" + "\n".join(lines) + "\n"


def _beyond(accuracies: dict[str, float], baseline: dict[str, float]) -> str:
    """Return the mean of the differences, seed by seed, with the interval of Student's test."""
    estimate = student(np.array([accuracies[seed] - baseline[seed] for seed in baseline]))
    assert estimate.interval is not None, "there are several seeds"
    low, high = estimate.interval
    return f"{estimate.mean:+.1f} ({low:+.1f} to {high:+.1f})"


def _field(values: list[str], name: str) -> str:
    numbers = [float(value) * (100 if name == "accuracy" else 1) for value in values if value]
    if not numbers:
        return "never"
    digits = 1 if name in ("accuracy", "reached", "time") else 3
    text = f"{statistics.mean(numbers):.{digits}f}"
    if len(numbers) > 1:
        text += f" ± {statistics.stdev(numbers):.{digits}f}"
    missing = len(values) - len(numbers)
    return f"{text} ({missing} never)" if missing else text


def main() -> None:
    """Make the runs that are missing, and write the page."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/federated_rules")
    for name, question in QUESTIONS.items():
        print(question.title, flush=True)
        make_all(runs(question), folder / f"{name}.csv", measure, look)
    found = environment()
    sections = "\n".join(section(q, folder / f"{name}.csv") for name, q in QUESTIONS.items())
    text = f"""# Rules that know circuits, hardware or the time

Command: `python benchmarks/federated_rules.py`; {found["processor"]}, {found["cores"]} cores, \
PyTorch {found["torch"]}, Python {found["python"]}. Means over the last {LAST} rounds and
{len(SEEDS)} seeds ± standard deviation over seeds. Beyond the baseline, the arm without a number
above it: differences of the same seed, their mean and its 95 % interval by Student's t. The
settings of every arm stand in the program.

{sections}
What follows for a federation of one's own is in [which rule to use](../which_rule.md).
"""
    write_atomic(folder.with_suffix(".md"), text.encode())


if __name__ == "__main__":
    main()
