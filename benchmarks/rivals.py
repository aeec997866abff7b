"""Hold fedqml against other libraries on the circuit of the paper.

    python benchmarks/rivals.py [--quick] [--output FOLDER]

A step is the circuit's values and the gradients of inputs and weights, for one or many clients
with weights of their own; a round is the training of many clients and the average of their
weights. Every rival works in a process of its own, on the same single core, and has a turn in every
round of the benchmark; ratios are those of the same round. What a rival computes is checked first.
Needs `benchmarks/requirements.txt`: `make rivals` sets everything up. Writes rivals.md, rivals.csv
and figures into docs/results by default.
"""

import argparse
import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from fedqml.core.files import write_atomic
from fedqml.experiments.environment import environment, versions
from rivals import figures, tables
from rivals.circuit_problem import CircuitProblem
from rivals.measure import (
    AMPLITUDES,
    ENOUGH,
    MEMORY,
    PATIENCE,
    STEP_LIMIT,
    Result,
    Rivals,
    Variant,
)
from rivals.round_problem import RoundProblem
from rivals.summary import row

OURS = {"steps": "fedqml_layer", "rounds": "fedqml_engine"}
COHORTS = ((1, 32), (5, 32), (1, 256), (5, 256), (100, 32), (100, 256))
SIZES = ((4, 2), (8, 2), (12, 2), (16, 2), (20, 2), (12, 6))
BUDGET = 60.0


def variants(folder: str) -> list[Variant]:
    """Return all rivals of a folder, fedqml first; for a step once more, with all cores."""
    files = Path(__file__).with_suffix("").joinpath(folder).glob("[!_]*.py")
    names = sorted((file.stem for file in files), key=lambda name: (name != OURS[folder], name))
    found = [Variant(folder, name) for name in names]
    cores = os.cpu_count() or 1
    if folder == "rounds" or cores == 1:  # a round's small steps are not worth a thread
        return found
    return [found[0], Variant(folder, OURS[folder], cores), *found[1:]]


def step_problems(quick: bool) -> Iterable[list[CircuitProblem]]:
    """Return the problems of a step, those of a circuit together."""
    if quick:
        return [[CircuitProblem(4, 2, clients, batch) for clients, batch in COHORTS[:1]]]
    return (
        [
            CircuitProblem(qubits, depth, clients, batch)
            for clients, batch in (COHORTS if depth == 2 else COHORTS[:1])
        ]
        for qubits, depth in SIZES
    )


def main() -> None:
    """Measure, and write after every circuit: an interrupted run leaves what it has found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="two minutes: a single circuit")
    parser.add_argument("--output", type=Path, default=Path("docs/results"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    budget = 5.0 if arguments.quick else BUDGET
    results: list[Result] = []
    steps, rounds = Rivals(variants("steps")), Rivals(variants("rounds"))
    for clients in (5,) if arguments.quick else (5, 100):
        results += rounds.measure([RoundProblem(clients)], clients, budget / 3)
    write(arguments.output, results)
    for problems in step_problems(arguments.quick):
        results += steps.measure(problems, problems[0].qubits, budget)
        write(arguments.output, results)


def write(folder: Path, results: Sequence[Result]) -> None:
    """Write table, text and figures."""
    rows = [row(result) for result in results]
    content = io.StringIO()
    writer = csv.DictWriter(content, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(folder / "rivals.csv", content.getvalue().encode())
    steps = [r for r in rows if r["task"] == "step" and r["depth"] == 2]
    single = [r for r in steps if (r["clients"], r["batch"]) == (1, 32)]
    write_atomic(folder / "rivals.md", report(rows, results).encode())
    if not single:
        return
    panels = [("time, 1 client, 32 examples", single)]
    write_atomic(
        folder / "rivals-time.svg",
        figures.lines(panels, "qubits", "seconds a step", lambda r: r["seconds"] or None),
    )
    panels = [("memory, 1 client, up to 32 examples", single)]
    write_atomic(
        folder / "rivals-memory.svg",
        figures.lines(
            panels,
            "qubits",
            "MiB",
            lambda r: r["memory_bytes"] / 2**20 if r["memory_bytes"] else None,
        ),
    )
    panels = [
        (f"{n} qubits", [r for r in steps if (r["qubits"], r["batch"]) == (n, 32)])
        for n in sorted({r["qubits"] for r in steps})
        if n <= 12
    ]
    write_atomic(
        folder / "rivals-clients.svg",
        figures.lines(panels, "clients", "seconds a step", lambda r: r["seconds"] or None),
    )


def report(rows: Sequence[dict[str, Any]], results: Sequence[Result]) -> str:
    """Return the text."""
    found = environment()
    packages = {p for result in results for p in result.about.packages} | {"numpy"}
    installed = versions(tuple(sorted(packages)))
    named = ", ".join(f"{package} {version}" for package, version in installed.items())
    counted = [r["rounds"] for r in rows if r["rounds"] != ""]
    parts = [
        f"""# fedqml against its rivals

Command: `make rivals` (`python benchmarks/rivals.py`). {found["processor"]}, {found["cores"]}
cores, Python {found["python"]}; {named}.

A step: the circuit `encodings.arctan(n)` + `ansatze.rot_cnot(n, depth)` measured by ⟨Z0⟩ and ⟨Z1⟩;
its values, and the gradients by inputs and by weights of a random combination of them; float64.
Clients have weights of their own; a rival that cannot batch them takes one after the other.

- Every rival has a process of its own, on the same single core: one thread, also for OpenMP and
  XLA. "fedqml, 2 threads" alone has more.
- Every round of the benchmark gives each rival a turn: as many steps as fit into 50 ms, at least
  one, of which the mean counts. So all are timed as in a training loop, where a step follows its
  like, and none by a first step that finds its code and data out of fast memory.
- A time is the median over {min(counted)} to {max(counted)} rounds; **×** is the median of the \
ratios to
  fedqml within the same round, in brackets the range from the 5th to the 95th percentile. More
  than 1 means that fedqml is faster.
- † handles example after example, and was measured on as many as take {ENOUGH} s; ‡ handles them
  together, and was measured on as many as take {ENOUGH} s, or, where code is compiled for each
  shape, have {AMPLITUDES:,} amplitudes. The times are scaled to the whole in proportion.
- A rival is given up where making a step and its first call take more than {PATIENCE:.0f} s, one \
example takes
  more than {STEP_LIMIT:.0f} s, or {MEMORY >> 30} GiB are not enough; a circuit of more qubits is \
then not tried ("at n").
- What every rival computes was checked before: against the readable device `reference` up to 8
  qubits, above that against fedqml's default device; for up to 5 clients.
"""
    ]
    for (clients, batch), group in _groups([r for r in rows if r["task"] == "step"]):
        parts.append(f"## {clients} client{'s' * (clients > 1)}, {batch} examples each\n")
        for depth in sorted({r["depth"] for r in group}):
            some = [r for r in group if r["depth"] == depth]
            parts.append(f"Depth {depth}:\n\n{tables.grid(some, 'qubits', tables.time)}\n")
            if (clients, batch, depth) == (1, 32, 2):
                parts.append(_details(some))
    rounds = [r for r in rows if r["task"] == "round"]
    parts.append(
        f"""## A federated round

Each client trains Linear(4, 4) and the circuit (4 qubits, depth 2) on 230 examples for an epoch:
batches of 32, plain gradient descent, float32; then the weights are averaged. fedqml: the engine
`vectorised`, which also draws the order of the examples anew, and the aggregator `mean`. Both
end with the weights of a readable loop over `reference` (5 clients; largest deviation \
{max([float(r["error"]) for r in rounds if r["error"] != ""], default=0):.0e}).

{tables.grid(rounds, "clients", tables.time)}

First call, with compiling:

{tables.grid(rounds, "clients", tables.first_call)}
"""
    )
    return "\n".join(parts)


def _details(rows: Sequence[dict[str, Any]]) -> str:
    return f"""![time against qubits](rivals-time.svg)

![time against clients](rivals-clients.svg)

The first call in a new process, with all that is built and compiled for it (fedqml's cache of
compiled kernels is empty; with a full one it takes tenths of a second; a rival that works without
compiling was first called with a single example):

{tables.grid(rows, "qubits", tables.first_call)}

The most memory that the process took, above what it has after importing; compilers included:

{tables.grid(rows, "qubits", tables.memory)}

![memory against qubits](rivals-memory.svg)

The largest deviation from what is expected, relative to the largest entry if that is above 1:

{tables.grid(rows, "qubits", tables.error)}
"""


def _groups(
    rows: Sequence[dict[str, Any]],
) -> list[tuple[tuple[int, int], list[dict[str, Any]]]]:
    cohorts = dict.fromkeys((r["clients"], r["batch"]) for r in rows)
    return [(c, [r for r in rows if (r["clients"], r["batch"]) == c]) for c in cohorts]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
