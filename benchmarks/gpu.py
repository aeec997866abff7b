"""Hold the default device on a GPU against itself on the processor of the same machine.

    python benchmarks/gpu.py [OUTPUT]

Values and gradients for weights and inputs, of one client or of many mapped by ``torch.vmap``. The
two take turns, and the ratio is taken round by round. Memory is counted in states, too: amplitudes
of an example, of which the adjoint method needs a few whatever the depth. Writes
docs/results/gpu.md by default.
"""

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from fedqml.core.files import write_atomic
from fedqml.experiments.environment import environment
from fedqml.quantum import Circuit, ansatze, encodings
from fedqml.quantum.devices import statevector

ROUNDS, SECONDS, LONGEST = 5, 0.1, 2.0
# Qubits, depth, batch, clients.
CASES = [
    (4, 2, 32, 1),
    (4, 2, 32, 100),
    (4, 2, 32, 10_000),
    (8, 2, 32, 1),
    (8, 6, 256, 1),
    (8, 6, 32, 100),
    (12, 6, 32, 1),
    (12, 6, 256, 1),
    (12, 6, 32, 100),
    (16, 6, 32, 1),
    (16, 6, 256, 1),
    (20, 2, 32, 1),
    (20, 6, 8, 1),
]
Step = Callable[[], object]


def circuit_of(qubits: int, depth: int) -> Circuit:
    return (encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth)).measure("Z0", "Z1")


def step(circuit: Circuit, x: Tensor, w: Tensor, g: Tensor) -> object:
    """Compute values and gradients of a stack of clients."""

    def loss(x: Tensor, w: Tensor, g: Tensor) -> Tensor:
        return (statevector()(circuit, x, w) * g).sum()

    found = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))(x, w, g)
    if x.is_cuda:
        torch.cuda.synchronize()
    return found


def seconds(work: Step) -> float:
    """Return how long a call takes, on average over some time."""
    start, count = time.perf_counter(), 0
    while count == 0 or time.perf_counter() - start < SECONDS:
        work()
        count += 1
    return (time.perf_counter() - start) / count


def compare(qubits: int, depth: int, batch: int, clients: int, dtype: torch.dtype) -> str:
    """Return a row of the table."""
    circuit = circuit_of(qubits, depth)
    stream = torch.Generator().manual_seed(0)
    tensors = [
        torch.randn(clients, *shape, generator=stream, dtype=dtype)
        for shape in ((batch, circuit.n_inputs), (circuit.n_weights,), (batch, 2))
    ]
    head = f"| {qubits} | {depth} | {batch} | {clients:,} | {str(dtype)[6:]} "
    steps = [partial(step, circuit, *(t.to(place) for t in tensors)) for place in ("cpu", "cuda")]
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    try:
        found = [work() for work in steps]
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return f"{head}| | out of memory | | | |"
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other.cpu(), rtol=1e-3, atol=1e-3)
    peak = torch.cuda.max_memory_allocated() - before
    states = peak / (clients * batch * dtype.to_complex().itemsize << qubits)
    rounds = ROUNDS if seconds(steps[0]) < LONGEST else 1
    times = [[seconds(work) for work in steps] for _ in range(rounds)]
    cpu, gpu = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    ratios = sorted(one / other for one, other in times)
    span = f"{statistics.median(ratios):.3g} ({ratios[0]:.3g} to {ratios[-1]:.3g})"
    return f"{head}| {cpu:.3g} | {gpu:.3g} | {span} | {peak / 2**20:,.0f} | {states:.2g} |"


def main() -> None:
    """Write the table."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/gpu.md")
    rows = []
    for dtype in (torch.float32, torch.float64):
        for case in CASES:
            rows.append(compare(*case, dtype))
            print(rows[-1], flush=True)
    found = environment()
    text = f"""# The default device on a GPU

Command: `python benchmarks/gpu.py`. `arctan` and `rot_cnot`, ⟨Z0⟩ and ⟨Z1⟩, values and gradients
for weights and inputs, all clients mapped by `torch.vmap`. {torch.cuda.get_device_name()} against
{found["processor"]} with {torch.get_num_threads()} threads; PyTorch {found["torch"]}, llvmlite
{found["llvmlite"]}. Times are medians over {ROUNDS} rounds (one round where it takes seconds); the
ratio is that of the same round, its median and range. Memory is the most that PyTorch had on the
GPU beyond the arguments, the circuit's tables included, and in the very first row 64 MiB that are
taken once; states an example are that by the memory of 2^qubits amplitudes.

| qubits | depth | batch | clients | dtype | processor, ms | GPU, ms | processor / GPU \
| GPU memory, MiB | states an example |
| --: | --: | --: | --: | --- | --: | --: | --: | --: | --: |
{chr(10).join(rows)}
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    main()
