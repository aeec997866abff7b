"""Time aggregators on large cohorts, against the memory and against sorting the stack.

    python benchmarks/aggregation.py [CLIENTS WEIGHTS [OUTPUT]]

Each rule and what it is held against run in turn, so that a change of the machine's speed meets
both; ratios are taken round by round. Sorting takes a part of the columns, and its time is scaled.
How much memory a rule takes beyond the updates is what Linux counts for the process at most, with
ten times the weights. Writes docs/results/aggregation.md by default, for 100 clients and 10^6
weights in float32; the memory is then that for 10^7, 4 GB of updates, and takes 9 GB in all.
"""

import ctypes
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from fedqml.core.files import write_atomic
from fedqml.core.threads import threads
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, Updates
from fedqml.experiments.environment import environment
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
from fedqml.federated.preaggregators import bucketing, nearest_neighbour_mixing

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
BEFORE = {
    "bucketing, size = 2": bucketing(2),
    "nearest_neighbour_mixing, f = 10": nearest_neighbour_mixing(10),
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


def cohort(clients: int, weights: int) -> tuple[Updates, Context]:
    rows = torch.randn(clients, weights, generator=torch.Generator().manual_seed(0))
    updates = Updates(torch.arange(clients), rows, torch.ones(clients), {})
    return updates, Context(1, updates.clients, torch.zeros(1, weights), seed=0)


def measure(clients: int, weights: int) -> list[str]:
    """Return the lines of the table of times."""
    updates, context = cohort(clients, weights)
    rows = updates.delta
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


def beyond(rule: Transform, updates: Updates, context: Context) -> float:
    """Return how many bytes a rule takes at most beside the updates, its result included.

    The rows come one by one, as from an engine.
    """
    state = rule.init(context.params[0])
    ctypes.CDLL(None).malloc_trim(0)  # what the rule before has left
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is there
    folding = rule.begin(state, context)
    for row in range(len(updates.clients)):
        part = slice(row, row + 1)
        folding.add(Updates(updates.clients[part], updates.delta[part], updates.weight[part], {}))
    folding.finish()
    stacked = 0 if rule.fold else updates.delta.nbytes
    return resident("VmHWM") - before - stacked


def resident(name: str) -> float:
    (line,) = (s for s in Path("/proc/self/status").read_text().splitlines() if name in s)
    return 1024 * float(line.split()[1])


def memory(clients: int, weights: int) -> list[str]:
    """Return the lines of the table of memory."""
    updates, context = cohort(clients, weights)
    lines = [
        f"Memory for {clients} clients and {weights:,} weights, beside the "
        f"{updates.delta.nbytes / 1e9:.3g} GB of updates and what the rule remembers:",
        "",
        "| rule | GB at most |",
        "| --- | --- |",
    ]

    def add(name: str, rule: Transform) -> None:
        lines.append(f"| {name} | {beyond(rule, updates, context) / 1e9:.2g} |")
        print(lines[-1], flush=True)

    for name, rule in (RULES | BEFORE).items():
        add(name, rule)
    updates.delta[0, -1] = torch.nan
    add("coordinate_median, a client refused", coordinate_median())
    return [
        *lines,
        "",
        "More than a few rows are needed where rows come out, for rules behind.",
    ]


def main() -> None:
    clients, weights = (int(a) for a in sys.argv[1:3]) if len(sys.argv) > 2 else (100, 10**6)
    output = Path(sys.argv[3] if len(sys.argv) > 3 else "docs/results/aggregation.md")
    with threads(1):
        lines = [*measure(clients, weights), "", *memory(clients, 10 * weights)]
    here = environment()
    title = [
        "# Aggregation",
        "",
        f"{clients} clients, {weights:,} weights in float32, one thread; medians of {ROUNDS} "
        "rounds. `python benchmarks/aggregation.py`",
        f"{here['processor']}, {here['cores']} cores; PyTorch {here['torch']}, Python "
        f"{here['python']}; load {os.getloadavg()[2]:.1f}: on a busy machine only ratios count.",
        "",
    ]
    write_atomic(output, "\n".join([*title, *lines, ""]).encode())


if __name__ == "__main__":
    main()
