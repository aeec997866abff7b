"""From the seconds of every round to a row of numbers."""

import statistics
from typing import Any, NamedTuple

from rivals.circuit_problem import CircuitProblem
from rivals.measure import Result


class Spread(NamedTuple):
    """The median over rounds, and the 5th and the 95th percentile."""

    median: float
    low: float
    high: float


def spread(values: list[float]) -> Spread:
    """Return median and percentiles."""
    low, *_, high = statistics.quantiles(values, n=20, method="inclusive")
    return Spread(statistics.median(values), low, high)


def row(result: Result) -> dict[str, Any]:
    """Return all that is known of a result, as a row of the CSV file; empty where nothing is."""
    problem, part = result.problem, result.part
    circuit = isinstance(problem, CircuitProblem)
    ran = part is not None and not result.failure
    seconds = spread(result.seconds) if ran else ("", "", "")
    ratios = spread(result.ratios) if ran and result.ratios else ("", "", "")
    known = {
        "task": "step" if circuit else "round",
        "qubits": problem.qubits,
        "depth": problem.depth,
        "clients": problem.clients,
        "batch": problem.batch,
        "rival": result.title,
        "way": result.about.way,
        "not_run": result.failure,
        "measured_clients": part.clients if ran else "",
        "measured_batch": part.batch if ran else "",
        "rounds": len(result.seconds) if ran else "",
        **dict(zip(("seconds", "seconds_p5", "seconds_p95"), seconds, strict=True)),
        **dict(zip(("ratio", "ratio_p5", "ratio_p95"), ratios, strict=True)),
        "first_call_seconds": result.preparation,
        "memory_bytes": result.memory,
        "error": result.error,
    }
    return {name: "" if value is None else value for name, value in known.items()}
