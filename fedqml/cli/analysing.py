"""Analysing an experiment's circuits, and writing what was found."""

import argparse
from pathlib import Path

import numpy as np

from fedqml.cli.own_code import find_own_code
from fedqml.core.errors import InputError, require
from fedqml.core.files import write_atomic, write_json
from fedqml.experiments.build import builder
from fedqml.experiments.config import load
from fedqml.experiments.costs import quantum_layers
from fedqml.experiments.experiment import Experiment
from fedqml.quantum.analysis import Profile, profile
from fedqml.quantum.circuit import Circuit
from fedqml.report.fidelity_figure import draw_fidelities
from fedqml.report.formats import listing
from fedqml.report.plotting import Figure
from fedqml.report.slopes_figure import draw_slopes
from fedqml.report.statistics import spread


def analyse(options: argparse.Namespace) -> int:
    """Analyse the circuits and write the files.

    Raises:
        InputError: if the experiment cannot be used or has no circuit, or the folder cannot be
            written.
    """
    require(options.seeds >= 1, "--seeds", options.seeds, "be at least 1")
    require(options.samples >= 2, "--samples", options.samples, "be at least 2")
    find_own_code(options.experiment)
    experiments = load(options.experiment, options.set)
    users = _circuits(experiments)
    if not users:
        raise InputError(f"No model of {options.experiment} has a circuit.")
    seeds, folder = list(range(options.seeds)), Path(options.output)
    table, page = [], [f"# The circuits of {experiments[0].title}", ""]
    how = f"Seeds 0 to {seeds[-1]}, {options.samples} samples each; exact, without noise or shots."
    page += [how, ""]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number, (circuit, arms) in enumerate(users.items(), 1):
            found = profile(circuit, seeds, options.samples)
            table.append({"arms": arms, **found.to_dict()})
            figures = _figures(found)
            for name, figure in figures.items():
                write_atomic(folder / f"circuit-{number}-{name}.svg", figure.svg)
                write_atomic(folder / f"circuit-{number}-{name}.png", figure.png)
            page += _section(number, arms, found, figures)
        settings = {"seeds": seeds, "samples": options.samples}
        write_json(folder / "analysis.json", {**settings, "circuits": table})
        write_atomic(folder / "analysis.md", "\n".join(page).encode())
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be written: {error}") from error
    print(f"The analysis is {folder / 'analysis.md'}")
    return 0


def _circuits(experiments: list[Experiment]) -> dict[Circuit, list[str]]:
    """Return the different circuits with the arms that use each; seeds make no difference."""
    build = builder()
    users: dict[Circuit, list[str]] = {}
    for experiment in {experiment.arm: experiment for experiment in experiments}.values():
        for layer in quantum_layers(build(experiment).objective.module):
            arms = users.setdefault(layer.circuit, [])
            if experiment.arm not in arms:
                arms.append(experiment.arm)
    return users


def _figures(found: Profile) -> dict[str, Figure]:
    words = [str(observable) for observable in found.circuit.observables]
    pairs = len(found.expressibility) * found.gradients.samples
    return {
        "slopes": draw_slopes(found.gradients.variance.sqrt().numpy(), words, found.dead.silent),
        "fidelities": draw_fidelities(found.fractions, found.expressibility[0].haar, pairs),
    }


def _section(number: int, arms: list[str], found: Profile, figures: dict[str, Figure]) -> list[str]:
    circuit, dead = found.circuit, found.dead
    size = f"{circuit.n_qubits} qubits, {len(circuit.ops)} gates, depth {circuit.depth}"
    reads = f"{circuit.n_inputs} inputs, {circuit.n_weights} weights"
    lines = [f"## Circuit {number}: {listing(arms)}", "", "```", circuit.draw(), "```", ""]
    rows = {
        "size": f"{size}; {reads}",
        "weights without influence, proved": _weights(dead.proved, circuit.n_weights),
        "slopes all 0 at every point tried": _weights(dead.silent, circuit.n_weights),
        "expressibility D, nats (0 is best)": _mean_sd(found.divergences),
        "entangling capability Q (0 to 1)": _mean_sd(found.entanglements),
    }
    lines += ["| | mean ± sd over seeds |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in rows.items()]
    for name, figure in figures.items():
        lines += ["", f"![{figure.label}](circuit-{number}-{name}.svg)", "", figure.caption]
    return [*lines, ""]


def _weights(chosen: tuple[int, ...], count: int) -> str:
    names = f": {', '.join(f'w{j}' for j in chosen)}" if chosen else ""
    return f"{len(chosen)} of {count}{names}"


def _mean_sd(values: np.ndarray) -> str:
    found = spread(values)
    return f"{found.mean:.4f}" + ("" if found.sd is None else f" ± {found.sd:.4f}")
