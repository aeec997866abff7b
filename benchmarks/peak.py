"""Hold the kernels of the state vector against the processor's peak.

    python benchmarks/peak.py [OUTPUT]

The peak is measured, too: a loop of nothing but products and sums in registers, compiled as the
kernels are. The two take turns on one thread. Writes docs/results/peak.md by default.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import no_type_check

import numpy as np
import torch

from fedqml.core.files import write_atomic
from fedqml.experiments.environment import environment
from fedqml.quantum import ansatze, encodings
from fedqml.quantum.native import call
from fedqml.quantum.native.compiler.arrays import array
from fedqml.quantum.native.compiler.kernel import kernel
from fedqml.quantum.native.compiler.lanes import WIDTH_BYTES, splat, store
from fedqml.quantum.native.program import compile
from fedqml.quantum.native.tape import Passes

BATCH, ROUNDS, SECONDS, STEPS = 32, 15, 0.02, 20_000
CASES = [(n, d) for d in (6, 12) for n in (8, 9, 10, 11, 12)]
# A run turns a pair of amplitudes: 16 products and 12 sums. Its gradient turns two pairs back, and
# takes three inner products of theirs: 12 products and 12 sums.
FORWARD = 16 + 12
BACKWARD = 2 * FORWARD + 24
# As many chains of operations as the loop has, each a product and a sum.
CHAINS = 12


@kernel
@no_type_check
def multiply(like, steps, into):
    """Multiply and add in twelve chains, none of which waits for another."""
    results, x = array(into, (64,), like.dtype), splat(like, 0.5)
    a, b, c, d, e, f = x, x, x, x, x, x
    g, h, i, j, k, m = x, x, x, x, x, x
    for _ in range(steps):
        a, b, c, d = a * x + x, b * x + x, c * x + x, d * x + x
        e, f, g, h = e * x + x, f * x + x, g * x + x, h * x + x
        i, j, k, m = i * x + x, j * x + x, k * x + x, m * x + x
    store(results, 0, a + b + c + d + e + f + g + h + i + j + k + m)


def seconds(work: Callable[[], object]) -> float:
    """Return how long a call takes, on average over some time."""
    start, count = time.thread_time(), 0
    while time.thread_time() - start < SECONDS:
        work()
        count += 1
    return (time.thread_time() - start) / count


def compare(qubits: int, depth: int, dtype: torch.dtype) -> str:
    """Return a row of the table."""
    circuit = (encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth)).measure("Z0", "Z1")
    program = compile(circuit)
    assert program.tape is not None, "compiled for the kernels"
    parts, method = program.tape
    assert isinstance(method, Passes), "a state vector at this depth"
    stream = torch.Generator().manual_seed(0)
    x, w, g = (
        torch.randn(shape, generator=stream, dtype=dtype)
        for shape in ((BATCH, circuit.n_inputs), (circuit.n_weights,), (BATCH, 2))
    )

    def step() -> None:
        _, kept = call.expectations(program, x, w, keep=True)
        call.gradients(program, x, w, g, kept)

    results = np.zeros(64, str(dtype)[6:])
    peak = partial(multiply(results), STEPS, results.ctypes.data)
    lanes = WIDTH_BYTES // results.itemsize
    runs = len(parts.runs) - 1 - qubits
    counted = (FORWARD + BACKWARD) * runs * 2 ** (qubits - 1) * BATCH / 1e9
    step()
    rates = [
        (counted / seconds(step), 2 * CHAINS * lanes * STEPS / 1e9 / seconds(peak))
        for _ in range(ROUNDS)
    ]
    own, most = (statistics.median(column) for column in zip(*rates, strict=True))
    parts_of = [100 * one / other for one, other in rates]
    lowest, *_, highest = statistics.quantiles(parts_of, n=20)
    return (
        f"| {qubits} | {depth} | {str(dtype)[6:]} | {1e3 * counted / own:.2f} | {own:.0f} "
        f"| {most:.0f} | {statistics.median(parts_of):.0f} ({lowest:.0f} to {highest:.0f}) |"
    )


def main() -> None:
    """Write the table."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/peak.md")
    rows = [compare(n, d, t) for t in (torch.float64, torch.float32) for n, d in CASES]
    found = environment()
    text = f"""# The kernels against the processor's peak

Command: `python benchmarks/peak.py`. `arctan` and `rot_cnot`, ⟨Z0⟩ and ⟨Z1⟩, values and gradients
of {BATCH} examples without PyTorch's part, one thread, {8 * WIDTH_BYTES} bits at a time;
{found["processor"]}, PyTorch {found["torch"]}, llvmlite {found["llvmlite"]}.
Only what runs do to amplitudes is counted, {FORWARD} operations for a pair and {BACKWARD} in its
gradient, but all of a call's time. The peak is a loop of products and sums in registers, which
takes turns with the kernels. Medians over {ROUNDS} rounds, and the range from the 5th to the 95th
percentile.

| qubits | depth | dtype | ms a step | kernels, GFLOP/s | peak, GFLOP/s | kernels / peak, % |
| --: | --: | --- | --: | --: | --: | --: |
{chr(10).join(rows)}
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
