"""Hold eight rules of aggregation against eight attacks, on images and a hybrid model.

    python benchmarks/robustness.py [FOLDER]

8 rules x 8 attacks x {equal, Dirichlet 0.1 shares} x {0, 10, 20, 40 %} attackers x 3 seeds: 1,536
cells, of which those without attackers are one run for all attacks. Runs go into FOLDER/grid.csv
(docs/results/robustness by default), a line each as soon as it ends; those that are there are not
made again. Then writes FOLDER.md and the figures. Delete grid.csv to measure anew.
"""

import itertools
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fedqml.experiments.rounds import Row
from many_runs import Run, make_all
from robustness_page import write_page

CLIENTS, ROUNDS, LAST = 20, 60, 10
SEEDS = [0, 1, 2]
PREPARED = 0.1  # of the clients, rules are ready for so many attackers even where there are none

PARTITIONS: dict[str, dict[str, Any]] = {
    "iid": {"use": "iid", "clients": CLIENTS},
    "dirichlet 0.1": {"use": "dirichlet", "clients": CLIENTS, "alpha": 0.1},
}
FRACTIONS = [0.0, 0.1, 0.2, 0.4]
RULES: dict[str, dict[str, Any]] = {
    "mean": {"use": "mean"},
    "coordinate median": {"use": "coordinate_median"},
    "trimmed mean": {"use": "trimmed_mean", "f": None},
    "geometric median": {"use": "geometric_median"},
    "Krum": {"use": "krum", "f": None},
    "Multi-Krum": {"use": "multi_krum", "f": None},
    "Bulyan": {"use": "bulyan", "f": None},
    "centred clipping": {"use": "centred_clipping", "radius": 1.5, "iterations": 3},
}
"""An ``f`` of None stands for the number of attackers."""
ATTACKS: dict[str, tuple[str, dict[str, Any]]] = {
    "sign flip": ("client", {"use": "sign_flip", "scale": 3.0}),
    "Gaussian": ("client", {"use": "gaussian", "std": 0.3}),
    "1e38": ("client", {"use": "constant", "value": 1e38}),
    "free rider": ("client", {"use": "free_rider"}),
    "label flip": ("poison", {"use": "label_flip"}),
    "ALIE": ("server", {"use": "alie"}),
    "IPM": ("server", {"use": "ipm", "scale": 0.5}),
    "mimic": ("server", {"use": "mimic"}),
}
"""Where an attack stands: among what clients do, in their data, or before the server's rule."""
SHARED: dict[str, Any] = {
    "data": {"use": "digits"},
    "model": {"use": "dense_vqc", "qubits": 6, "head": True},
    "local": {"use": "adam", "lr": 0.03, "epochs": 2, "batch_size": 32},
}

Cell = tuple[str, str, str, float, int]
"""Partition, rule, attack ("" without attackers), fraction of attackers, seed."""


def possible(rule: str, fraction: float) -> bool:
    """Return whether the rule can withstand so many."""
    return rule != "Bulyan" or 4 * tolerated(fraction) + 3 <= CLIENTS


def tolerated(fraction: float) -> int:
    return round(CLIENTS * max(fraction, PREPARED))


def cells() -> Iterator[Cell]:
    """Yield all runs; those that share their clients' side follow each other."""
    attacks = [("", 0.0), *itertools.product(ATTACKS, FRACTIONS[1:])]
    # collusions stand at the server, like no attack
    attacks.sort(key=lambda each: 0 if not each[0] or ATTACKS[each[0]][0] == "server" else 1)
    for partition, seed in itertools.product(PARTITIONS, SEEDS):
        for attack, fraction in attacks:
            for rule in RULES:
                if possible(rule, fraction):
                    yield partition, rule, attack, fraction, seed


def clients_of(cell: Cell) -> tuple[object, ...]:
    """Return what decides the clients' side of a run."""
    partition, _, attack, fraction, seed = cell
    return partition, seed, attack, fraction


def table(cell: Cell) -> dict[str, Any]:
    partition, rule, attack, fraction, seed = cell
    own = {k: tolerated(fraction) if v is None else v for k, v in RULES[rule].items()}
    made: dict[str, Any] = {
        **SHARED,
        "partition": PARTITIONS[partition],
        "strategy": {"client": [], "server": [own]},
        "run": {"rounds": ROUNDS, "clients_per_round": CLIENTS, "seeds": [seed]},
    }
    if attack:
        where, what = ATTACKS[attack]
        what = {**what, "attackers": fraction}
        if where == "poison":
            made["poison"] = what
        else:
            made["strategy"][where].insert(0, what)
    return made


def run(cell: Cell) -> Run:
    labels = dict(zip(("partition", "rule", "attack", "fraction", "seed"), cell, strict=True))
    return Run(labels, table(cell), clients_of(cell))


def last_accuracy(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the mean test accuracy of the last rounds; 0 for a run that broke off."""
    if len(rows) <= ROUNDS:
        return {"accuracy": 0.0}
    return {"accuracy": round(statistics.mean(r["test_accuracy"] for r in rows[-LAST:]), 5)}


def _about() -> str:
    ready = ", ".join(f"{tolerated(f)} for {f:.0%}" for f in FRACTIONS)
    attacks = "; ".join(f"{n}: `{_written(what)}` ({at})" for n, (at, what) in ATTACKS.items())
    rules = "; ".join(f"{name}: `{_written(what)}`" for name, what in RULES.items())
    shared = "; ".join(f"{name}: `{_written(what)}`" for name, what in SHARED.items())
    return f"""Handwritten digits, ten classes, on {CLIENTS} clients who all take part in each of
{ROUNDS} rounds. {shared}. Rules that need the number of attackers know it ({ready}: without
attackers they are prepared for as many as {PREPARED:.0%}); who attacks is drawn from the seed.

Rules: {rules}.

Attacks: {attacks}."""


def _written(table: dict[str, Any]) -> str:
    rest = ", ".join(f"{k}={'f' if v is None else v}" for k, v in table.items() if k != "use")
    return f"{table['use']}({rest})"


def main() -> None:
    """Make the runs that are missing, and write the page."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/robustness")
    path = folder / "grid.csv"
    make_all([run(cell) for cell in cells()], path, last_accuracy)
    write_page(folder, path, list(RULES), list(ATTACKS), _about())


if __name__ == "__main__":
    main()
