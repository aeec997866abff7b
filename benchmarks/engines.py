"""Hold the engine `vectorised` against `sequential` on the shipped experiment.

    python benchmarks/engines.py [OUTPUT]

Both engines train the same rounds in turn, so that a change of the machine's speed meets both;
the ratio of times is taken round by round. Writes docs/results/engines.md by default.
"""

import statistics
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from fedqml.core.files import write_atomic
from fedqml.core.threads import threads
from fedqml.experiments.build import builder
from fedqml.experiments.config import load
from fedqml.experiments.environment import environment
from fedqml.experiments.experiment import Experiment
from fedqml.experiments.rounds import advance, begin

WARM_UP = 3


def compare(arm: int, dtype: str) -> str:
    """Return a row of the table: one arm in one precision."""
    runs = []
    build = builder()
    for engine in ("sequential", "vectorised"):
        overrides = [f"engine.use={engine}", f"run.dtype={dtype}", "run.seeds=[0]"]
        experiment = load("breast_cancer", overrides)[arm]
        federation = build(experiment)
        runs.append((federation, begin(federation)))
    ratios, milliseconds = [], []
    for number in range(1, runs[0][0].rounds + 1):
        runs = [(federation, advance(federation, progress)) for federation, progress in runs]
        slow, fast = (progress.rows[-1]["seconds"] for _, progress in runs)
        if number > WARM_UP:
            ratios.append(slow / fast)
            milliseconds.append(1000 * fast)
    (_, slow_end), (_, fast_end) = runs
    difference = (slow_end.params - fast_end.params)[0].abs()
    counts = influence(experiment, slow_end.params[0])
    loss = abs(slow_end.rows[-1]["test_loss"] - fast_end.rows[-1]["test_loss"])
    accuracies = [row["test_accuracy"] for row in slow_end.rows]
    same = accuracies == [row["test_accuracy"] for row in fast_end.rows]
    lowest, *_, highest = statistics.quantiles(ratios, n=20)
    return (
        f"| {experiment.arm} | {dtype} | {difference[counts].max():.1e} | "
        f"{_largest(difference[~counts])} ({(~counts).sum()}) | {loss:.1e} | "
        f"{'yes' if same else 'no'} | {statistics.median(milliseconds):.1f} | "
        f"{statistics.median(ratios):.2f} ({lowest:.2f} to {highest:.2f}) |"
    )


def influence(experiment: Experiment, params: Tensor) -> Tensor:
    """Return which weights change an output: in float64, a gradient above rounding noise."""
    exact = replace(experiment, run=replace(experiment.run, dtype="float64"))
    objective = builder()(exact).objective
    x, _ = objective.data.data.test
    key = torch.zeros((), dtype=torch.int64)
    jacobian = torch.func.jacrev(objective.outputs)(params.double(), x, key)
    return jacobian.abs().amax((0, 1)) > 1e-12


def _largest(differences: Tensor) -> str:
    return f"{differences.max():.1e}" if len(differences) else "-"


def main() -> None:
    """Write the table."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/engines.md")
    with threads(1):
        rows = [compare(arm, dtype) for dtype in ("float32", "float64") for arm in range(4)]
        found = environment()
    text = f"""# `vectorised` against `sequential`

Command: `python benchmarks/engines.py`. The shipped experiment `breast_cancer`, seed 0, 40
rounds, 5 of 20 clients a round (central: its single client), one thread; {found["processor"]},
{found["cores"]} cores, PyTorch {found["torch"]}, Python {found["python"]}. Both engines train
each round in turn; the ratio of times is that of the same round, its median and the range from
the 5th to the 95th percentile over rounds {WARM_UP + 1} to 40, evaluation included.

| arm | dtype | largest difference of weights with influence | of weights without (how many) | \
difference of test loss | equal test accuracy in every round | vectorised, ms a round | \
sequential / vectorised |
| --- | --- | --: | --: | --: | :-: | --: | --: |
{chr(10).join(rows)}

Nine of the circuit's 24 angles have no influence on the outputs; their gradient is exactly zero,
so they stay where they began.
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
