"""The page of the benchmark ``robustness``: heat maps, and each rule's worst and mean accuracy."""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fedqml.core.files import write_atomic
from fedqml.experiments.environment import environment
from fedqml.report.heat_map import draw_heat_maps
from many_runs import read

Key = tuple[str, str, str, float]
"""Partition, rule, attack ("" without attackers), fraction of attackers."""


class Grid:
    """The accuracies of all runs.

    Args:
        path: the file of runs.
    """

    def __init__(self, path: Path) -> None:
        rows = read(path)
        self._values: dict[Key, dict[int, float]] = defaultdict(dict)
        for row in rows:
            key = row["partition"], row["rule"], row["attack"], float(row["fraction"])
            self._values[key][int(row["seed"])] = float(row["accuracy"])
        self.seeds = sorted({int(row["seed"]) for row in rows})
        self.partitions = list(dict.fromkeys(row["partition"] for row in rows))
        self.stopped = sum(row["stopped"] != "0" for row in rows)
        self.seconds = sum(float(row["seconds"]) for row in rows)
        self.runs = len(rows)

    def of(self, partition: str, rule: str, attack: str, fraction: float) -> list[float]:
        """Return the accuracies of the seeds; NaN where the rule is not defined."""
        own = self._values.get((partition, rule, attack, fraction), {})
        return [own.get(seed, float("nan")) for seed in self.seeds]


def write_page(
    folder: Path, path: Path, rules: Sequence[str], attacks: Sequence[str], about: str
) -> None:
    """Write the page ``folder``.md and its figures in the folder.

    Args:
        folder: see above.
        path: the file of runs.
        rules: in the order of the rows.
        attacks: in the order of the columns.
        about: what was run.
    """
    grid = Grid(path)
    fractions = sorted({key[3] for key in grid._values} - {0.0})
    figures = []
    for partition in grid.partitions:
        panels = {}
        for fraction in fractions:
            columns = [("", 0.0), *((attack, fraction) for attack in attacks)]
            table = [[grid.of(partition, rule, *column) for column in columns] for rule in rules]
            panels[f"{partition}, {fraction:.0%} of the clients attack"] = np.array(table)
        figure = draw_heat_maps(panels, rules, ["no attack", *attacks], "test accuracy")
        name = f"{partition.replace(' ', '_')}.svg"
        write_atomic(folder / name, figure.svg)
        figures.append(f"![{figure.label}]({folder.name}/{name})")
    found = environment()
    text = f"""# Which rule withstands which attack

Command: `python benchmarks/robustness.py`; {found["processor"]}, {found["cores"]} cores, PyTorch \
{found["torch"]}, Python {found["python"]}. {grid.runs} runs took {grid.seconds / 60:.0f} minutes \
of one core in all; of the grid's cells those without attackers are one run for all attacks.

{about}

Accuracy is the mean over the last ten rounds on the test data, in percent: mean ± standard
deviation over {len(grid.seeds)} seeds. {grid.stopped} runs stopped because weights became infinite
or every update was refused; they count as 0.

{chr(10).join(figures)}

## The worst attack and the mean of all

{_summary(grid, rules, attacks, fractions)}

What follows for a federation of one's own is in [which rule to use](../which_rule.md).
"""
    write_atomic(folder.with_suffix(".md"), text.encode())


def _summary(
    grid: Grid, rules: Sequence[str], attacks: Sequence[str], fractions: Sequence[float]
) -> str:
    heads = ["no attack", *(f"{f:.0%}: worst (which), mean" for f in fractions)]
    lines = []
    for partition in grid.partitions:
        lines += [f"| {partition} | {' | '.join(heads)} |", "| --- |" + " --: |" * len(heads)]
        for rule in rules:
            fields = [_percent(grid.of(partition, rule, "", 0.0))]
            for fraction in fractions:
                means = {a: statistics.mean(grid.of(partition, rule, a, fraction)) for a in attacks}
                worst = min(means, key=lambda attack: means[attack])
                if np.isnan(means[worst]):
                    fields.append("not defined")
                    continue
                own = _percent(grid.of(partition, rule, worst, fraction))
                overall = 100 * statistics.mean(means.values())
                fields.append(f"{own} ({worst}), {overall:.1f}")
            lines.append(f"| {rule} | {' | '.join(fields)} |")
        lines.append("")
    return "\n".join(lines).rstrip()


def _percent(values: Sequence[float]) -> str:
    return f"{100 * statistics.mean(values):.1f} ± {100 * statistics.stdev(values):.1f}"
