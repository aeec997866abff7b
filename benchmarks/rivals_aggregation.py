"""Hold aggregation, pre-aggregation and attacks against ByzFL and Flower, number by number.

    python benchmarks/rivals_aggregation.py [COHORTS [OUTPUT]]

Both sides get the same updates in float64; of 1,000 random cohorts the largest difference counts.
Where a rival follows another convention, ours is set to it and the table says how; what a rival
does wrong is shown on an example. `make rivals` sets everything up. Writes
docs/results/aggregation_agreement.md by default.
"""

import logging
import sys
from pathlib import Path
from unittest.mock import patch

from agreement import with_byzfl, with_flower
from agreement.cohorts import WIDTH, Comparisons, largest
from fedqml.core.files import write_atomic
from fedqml.core.threads import threads
from fedqml.experiments.environment import environment, versions

CLOSE = 1e-6


def table(title: str, pairs: Comparisons, count: int) -> list[str]:
    """Return a table of largest differences."""
    lines = [f"| {title} | ours | largest difference |", "| --- | --- | --- |"]
    for name, (how, compare) in pairs.items():
        worst = largest(compare, count)
        lines.append(f"| `{name}` | {how or 'as it is'} | {worst:.0e} |")
        print(lines[-1], flush=True)
        assert worst <= CLOSE, name
    return lines


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    output = Path(sys.argv[2] if len(sys.argv) > 2 else "docs/results/aggregation_agreement.md")
    logging.getLogger("flwr").setLevel("ERROR")
    # Flower collects garbage after each array.
    with threads(1), patch("gc.collect", lambda: 0):
        rules, attacks = with_byzfl.byzfl()
        lines = [
            *table("ByzFL", with_byzfl.comparisons(rules, attacks), count),
            "",
            *(f"- {fault}" for fault in with_byzfl.faults(rules, count)),
            "",
            *table("Flower", with_flower.comparisons(), count),
            "",
            *(f"- {fault}" for fault in with_flower.faults(count)),
        ]
    here = environment()
    found = versions(("byzfl", "flwr", "numpy", "torch"))
    title = [
        "# Agreement with ByzFL and Flower",
        "",
        f"The same updates in float64 of {count:,} random cohorts, 7 to 18 clients with {WIDTH} "
        "weights, up to f of 1 to 3 of them far away; relative where numbers are above 1. "
        "`python benchmarks/rivals_aggregation.py` in the environment of `make rivals`; Python "
        f"{here['python']}, {', '.join(f'{name} {version}' for name, version in found.items())}.",
        "",
    ]
    write_atomic(output, "\n".join([*title, *lines, ""]).encode())


if __name__ == "__main__":
    main()
