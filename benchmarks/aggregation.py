"""Time aggregators on large cohorts, against the memory and against sorting the stack.

    python benchmarks/aggregation.py [CLIENTS WEIGHTS [OUTPUT]]

Each rule and what it is held against run in turn, so that a change of the machine's speed meets
both; ratios are taken round by round. Sorting takes a part of the columns, and its time is scaled.
Writes docs/results/aggregation.md by default, for 100 clients and 10^6 weights in float32.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from fedqml.core.files import write_atomic
from fedqml.core.threads import threads
from fedqml.core.updates import Context, Updates
from fedqml.federated import columns
from fedqml.federated.aggregators import (
    bulyan,
    centred_clipping,
    coordinate_median,
    geometric_median,
    krum,
    mean,
    multi_krum,
    trimmed_mean,
)

ROUNDS = 3
PART = 20  # of the columns, one in so many is sorted

RULES = {
    "mean": mean(),
    "coordinate_median": coordinate_median(),
    "trimmed_mean, f = 10": trimmed_mean(10),
    "geometric_median": geometric_median(),
    "krum, f = 10": krum(10),
    "multi_krum, f = 10": multi_krum(10),
    "centred_clipping": centred_clipping(radius=1.0),
    "bulyan, f = 10": bulyan(10),
}


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def passes(updates: Updates, context: Context) -> int:
    """Return how often the geometric median reads the rows, refusing NaN included."""
    count = [1]
    shifted = columns._shifted

    def counted(*arguments):
        count[0] += 1
        return shifted(*arguments)

    columns._shifted = counted
    try:
        geometric_median().apply(updates, {}, context)
    finally:
        columns._shifted = shifted
    return count[0]


def measure(clients: int, weights: int) -> list[str]:
    """Return the lines of the table."""
    rows = torch.randn(clients, weights, generator=torch.Generator().manual_seed(0))
    updates = Updates(torch.arange(clients), rows, torch.ones(clients), {})
    context = Context(1, updates.clients, torch.zeros(1, weights), seed=0)
    part = rows[:, : weights // PART].contiguous()
    lines = [
        "| rule | s | times reading the rows | times sorting them |",
        "| --- | --- | --- | --- |",
    ]
    for name, rule in RULES.items():
        state = rule.init(context.params[0])
        times = [
            (
                seconds(lambda: rule.apply(updates, state, context)),  # noqa: B023
                seconds(rows.sum),
                seconds(lambda: part.sort(0)) * PART,
            )
            for _ in range(ROUNDS)
        ]
        took = statistics.median(own for own, _, _ in times)
        read = statistics.median(own / reading for own, reading, _ in times)
        sort = statistics.median(own / sorting for own, _, sorting in times)
        lines.append(f"| {name} | {took:.3g} | {read:.3g} | {sort:.3g} |")
        print(lines[-1], flush=True)
    count = passes(updates, context)
    return [*lines, "", f"The geometric median reads the rows {count} times."]


def main() -> None:
    clients, weights = (int(a) for a in sys.argv[1:3]) if len(sys.argv) > 2 else (100, 10**6)
    output = Path(sys.argv[3] if len(sys.argv) > 3 else "docs/results/aggregation.md")
    with threads(1):
        lines = measure(clients, weights)
    title = [
        "# Aggregation",
        "",
        f"{clients} clients, {weights:,} weights in float32, one thread; medians of {ROUNDS} "
        "rounds. `python benchmarks/aggregation.py`",
        "",
    ]
    write_atomic(output, "\n".join([*title, *lines, ""]).encode())


if __name__ == "__main__":
    main()
