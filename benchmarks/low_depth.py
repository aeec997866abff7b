"""Hold the two ways to evaluate a circuit, by state vector and by network, against each other.

    python benchmarks/low_depth.py [OUTPUT]

They take turns, so that a change of the machine's speed meets both, and what counts is processor
time; the ratio is taken round by round. It stands beside the one that the device reckons with when
it chooses. Writes
docs/results/low_depth.md by default.
"""

import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import thread_time
from unittest.mock import patch

import torch

from fedqml.core.files import write_atomic
from fedqml.experiments.environment import environment
from fedqml.quantum import Circuit, ansatze, encodings
from fedqml.quantum.native import call, tape
from fedqml.quantum.native.program import Program, compile

BATCH, ROUNDS, SECONDS = 32, 15, 0.01
RINGS = [(n, 1) for n in (2, 4, 8)] + [(n, 2) for n in (2, 3, 4, 5, 6, 8, 12, 16)]
RINGS += [(n, 3) for n in (3, 4, 6, 8, 10, 12, 14)] + [(3, 4), (4, 4)]


def both(circuit: Circuit) -> tuple[Program, Program]:
    """Return the circuit compiled in both ways."""
    program, cheap = compile(circuit), tape.network
    found = []
    for choice in (lambda *_, limit: None, lambda which, limit: cheap(which, limit=10**7)):
        with patch.object(tape, "network", choice):
            recorded = tape.record(program.circuit, len(program.of_inputs))
            found.append(replace(program, tape=recorded))
    return found[0], found[1]


def step(program: Program, x: torch.Tensor, w: torch.Tensor, g: torch.Tensor) -> None:
    """Compute values and gradients."""
    _, kept = call.expectations(program, x, w, keep=True)
    call.gradients(program, x, w, g, kept)


def seconds(work: Callable[[], None]) -> float:
    """Return how long a call takes, on average over some time."""
    start, count = thread_time(), 0
    while thread_time() - start < SECONDS:
        work()
        count += 1
    return (thread_time() - start) / count


def compare(qubits: int, depth: int, dtype: torch.dtype) -> str:
    """Return a row of the table."""
    circuit = encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth)
    circuit = circuit.measure("Z0", "Z1")
    states, network = both(circuit)
    stream = torch.Generator().manual_seed(0)
    x, w, g = (
        torch.randn(shape, generator=stream, dtype=dtype)
        for shape in ((BATCH, circuit.n_inputs), (circuit.n_weights,), (BATCH, 2))
    )
    ways = [partial(step, program, x, w, g) for program in (states, network)]
    for way in ways:
        way()  # compiles the kernels
    times = [[seconds(way) for way in ways] for _ in range(ROUNDS)]
    slow, fast = (1e6 * statistics.median(column) for column in zip(*times, strict=True))
    ratios = [one / other for one, other in times]
    lowest, *_, highest = statistics.quantiles(ratios, n=20)
    one, other = states.tape.method, network.tape.method
    taken = type(compile(circuit).tape.method) is type(other)
    return (
        f"| {qubits} | {depth} | {str(dtype)[6:]} | {len(other.factors)} | {slow:.0f} | {fast:.0f} "
        f"| {statistics.median(ratios):.2f} ({lowest:.2f} to {highest:.2f}) "
        f"| {one.work / other.work:.2f} | {'network' if taken else 'state vector'} |"
    )


def main() -> None:
    """Write the table."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/low_depth.md")
    rows = [compare(n, d, t) for t in (torch.float64, torch.float32) for n, d in RINGS]
    found = environment()
    text = f"""# State vector against network

Command: `python benchmarks/low_depth.py`. `arctan` and `rot_cnot`, ⟨Z0⟩ and ⟨Z1⟩, values and
gradients of {BATCH} examples without PyTorch's part, processor time of one thread;
{found["processor"]}, {found["cores"]} cores, PyTorch {found["torch"]}, llvmlite
{found["llvmlite"]}. Times are medians over {ROUNDS} rounds; the ratio is that of the same round,
its median and the range from the 5th to the 95th percentile. "Reckoned" is the ratio of `work`,
which decides; it leaves out the angles and the call, which cost both ways the same.

| qubits | depth | dtype | products | state vector, µs | network, µs | state vector / network | \
reckoned | taken |
| --: | --: | --- | --: | --: | --: | --: | --: | --- |
{chr(10).join(rows)}
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
