"""Analyse the paper's circuit and the shipped ansätze: influence, reach, entanglement, slopes.

    python benchmarks/circuits.py [OUTPUT]

Writes docs/results/circuit-analysis.md by default, and its figures into a folder beside it.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from fedqml.core.files import write_atomic
from fedqml.experiments.environment import environment
from fedqml.quantum import Circuit, ansatze, encodings
from fedqml.quantum.analysis import (
    Profile,
    dead_parameters,
    entangling_capability,
    expressibility,
    gradient_variance,
    profile,
)
from fedqml.quantum.analysis.expressibility import against_haar
from fedqml.report.fidelity_figure import draw_fidelities
from fedqml.report.plotting import Figure
from fedqml.report.slopes_figure import draw_slopes
from fedqml.report.statistics import spread
from fedqml.report.variance_figure import VarianceCurve, draw_variances

SEEDS = range(5)
SAMPLES = 5000
SLOPES = 300
DEPTHS = (1, 2, 4, 8)
SIZES = (2, 4, 6, 8, 10)
FAMILIES: dict[str, Callable[[int, int], Circuit]] = {
    "rot_cnot": ansatze.rot_cnot,
    "basic_entangling": ansatze.basic_entangling,
    "strongly_entangling": ansatze.strongly_entangling,
    "hardware_efficient": ansatze.hardware_efficient,
    "brickwork": ansatze.brickwork,
}


def whole(n: int) -> str:
    return " ".join(f"Z{q}" for q in range(n))


CURVES: dict[str, Callable[[int], Circuit]] = {
    "rot_cnot, depth 2, Z0": lambda n: ansatze.rot_cnot(n, 2).measure("Z0"),
    "hardware_efficient, depth 2, Z0": lambda n: ansatze.hardware_efficient(n, 2).measure("Z0"),
    "hardware_efficient, depth 2, Z on all": lambda n: ansatze.hardware_efficient(n, 2).measure(
        whole(n)
    ),
    "hardware_efficient, depth 3n, Z0": lambda n: ansatze.hardware_efficient(n, 3 * n).measure(
        "Z0"
    ),
    "hardware_efficient, depth 3n, Z on all": lambda n: ansatze.hardware_efficient(
        n, 3 * n
    ).measure(whole(n)),
    "brickwork, depth n, Z0": lambda n: ansatze.brickwork(n, n).measure("Z0"),
}


def paper() -> Profile:
    circuit = encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)
    return profile(circuit.measure("Z0", "Z1"), seeds=SEEDS, samples=SAMPLES)


def row(name: str, depth: int) -> str:
    """Return a row of the table of ansätze."""
    circuit = encodings.arctan(4) + FAMILIES[name](4, depth)
    reach = [expressibility(circuit, SAMPLES, seed=seed).divergence for seed in SEEDS]
    entangled = [entangling_capability(circuit, SAMPLES, seed).mean for seed in SEEDS]
    dead = dead_parameters(circuit.measure("Z0", "Z1"))
    return (
        f"| {name} | {depth} | {circuit.n_weights} | {mean_sd(reach)} | {mean_sd(entangled)} | "
        f"{len(dead.proved)} | {len(dead.silent)} |"
    )


def floor() -> str:
    """Return D of states that are drawn evenly, from as many pairs."""
    found = []
    for seed in SEEDS:
        drawn = np.random.default_rng(seed).normal(size=(2, SAMPLES, 16, 2)).view(complex)[..., 0]
        left, right = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
        fidelities = np.abs((left.conj() * right).sum(-1)) ** 2
        found.append(against_haar(fidelities, qubits=4).divergence)
    return mean_sd(found)


def curve(name: str) -> VarianceCurve:
    """Return, by size and seed, the mean variance of the weights with influence."""
    rows = []
    for n in SIZES:
        circuit = CURVES[name](n)
        dead = dead_parameters(circuit, samples=3).silent
        alive = [j for j in range(circuit.n_weights) if j not in dead]
        found = [gradient_variance(circuit, SLOPES, seed).variance[0, alive] for seed in SEEDS]
        rows.append([float(values.mean()) for values in found])
    return VarianceCurve(name, SIZES, np.array(rows))


def mean_sd(values: list[float] | np.ndarray) -> str:
    found = spread(np.asarray(values))
    return f"{found.mean:.4f} ± {found.sd:.4f}"


def falls(found: VarianceCurve) -> str:
    """Return a row: the variance at both ends, and its factor a qubit by least squares."""
    logs = np.log(found.variances)
    factors = np.exp([np.polyfit(found.qubits, column, 1)[0] for column in logs.T])
    ends = [f"{found.variances[place].mean():.2e}" for place in (0, -1)]
    return f"| {found.name} | {ends[0]} | {ends[1]} | {mean_sd(factors)} |"


def main() -> None:
    """Write the page and its figures."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/circuit-analysis.md")
    folder = output.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)

    def save(name: str, figure: Figure) -> str:
        write_atomic(folder / f"{name}.svg", figure.svg)
        return f"![{figure.label}]({folder.name}/{name}.svg)\n\n{figure.caption}"

    found = paper()
    words = [str(word) for word in found.circuit.observables]
    deviations = found.gradients.variance.sqrt().numpy()
    slopes = save("slopes", draw_slopes(deviations, words, found.dead.proved))
    pairs = SAMPLES * len(SEEDS)
    haar = found.expressibility[0].haar
    fidelities = save("fidelities", draw_fidelities(found.fractions, haar, pairs))
    rows = [row(name, depth) for name in FAMILIES for depth in DEPTHS]
    curves = [curve(name) for name in CURVES]
    variances = save("variances", draw_variances(curves))
    versions = environment()
    dead = ", ".join(f"w{j}" for j in found.dead.proved)
    assert found.dead.silent == found.dead.proved, "the page says so"
    text = f"""# Circuits before training

Command: `python benchmarks/circuits.py`. Weights are uniform on [0, 2π), inputs normal, values
exact, in float64; mean ± standard deviation over seeds 0 to {len(SEEDS) - 1}, of {SAMPLES} states,
pairs of states or points each where nothing else is said. PyTorch {versions["torch"]},
Python {versions["python"]}.

## The paper's circuit

```
{found.circuit.draw()}
```

**{len(found.dead.proved)} of its {found.circuit.n_weights} weights have no influence** on ⟨Z0⟩
and ⟨Z1⟩, whatever inputs and weights:
{dead}.
This is proved gate by gate (`fedqml.quantum.lightcone`), and at {SAMPLES} random points the slopes
of these weights, and of no others, are 0 up to rounding. Turns behind the last ring on qubits 2
and 3 do not reach the measured qubits; the last RZ on qubits 0 and 1 commutes with Z; w11 is an RZ
on qubit 3, where the ring behind it asks for Z or nothing.

{slopes}

Expressibility D = {mean_sd(found.divergences)}, entangling capability
Q = {mean_sd(found.entanglements)}.

{fidelities}

## Ansätze behind the paper's encoding, 4 qubits

Expressibility D is the divergence of the fidelities from those of states drawn evenly, in nats, 75
bins. 0 is the best, but as {SAMPLES} pairs are finitely many, even evenly drawn states have
{floor()}. Entangling capability Q is the mean of Meyer and Wallach's measure, which is
14/17 = 0.8235 for evenly drawn states. The last columns count weights that ⟨Z0⟩ and ⟨Z1⟩ do not
notice.

| ansatz | depth | weights | expressibility D | entangling capability Q | without influence, \
proved | silent at 100 points |
| --- | --: | --: | --: | --: | --: | --: |
{chr(10).join(rows)}

No depth helps `basic_entangling` with its turns about x: CNOTs make products of X of X, so all of
its turns commute, and the weights move phases in the basis of X only.

## Slopes against qubits

Ansätze without an encoding. Mean of the variances of all weights with influence, {SLOPES} points a
seed; the factor is that of one more qubit, by least squares on the logarithm.

| circuit and observable | {SIZES[0]} qubits | {SIZES[-1]} qubits | factor a qubit |
| --- | --: | --: | --: |
{chr(10).join(falls(found) for found in curves)}

{variances}
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
