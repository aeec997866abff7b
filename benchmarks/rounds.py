"""Hold a federated round against a loop written by hand with PennyLane's TorchLayer.

    python benchmarks/rounds.py [OUTPUT]

Both train the same clients on the same batches from the same weights, in turn, so that a change
of the machine's speed meets both; the ratio of times is taken round by round, and after the last
round the weights are compared. Writes docs/results/rounds.md by default.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pennylane as qml
import torch
from torch import Tensor, nn

import fedqml as fq
from fedqml.core.files import write_atomic
from fedqml.core.random import shuffled
from fedqml.core.threads import threads
from fedqml.core.updates import Context
from fedqml.data.shares import Shares
from fedqml.engines import sequential, vectorised
from fedqml.experiments.environment import environment

QUBITS, DEPTH, OUTPUTS = 4, 2, 2
LR, BATCH, SEED = 0.1, 32, 0
# Rounds that compile kernels and take traces.
WARM_UP = 20
# Seconds that a turn takes at least, see ``turn``.
TURN = 0.05
Round = Callable[[int, Tensor], Tensor]


def model() -> nn.Module:
    circuit = fq.QuantumLayer(
        fq.encodings.arctan(QUBITS), fq.ansatze.rot_cnot(QUBITS, depth=DEPTH), measure=OUTPUTS
    )
    return nn.Sequential(nn.Linear(4, QUBITS), circuit)


def objective_of(clients: int, samples: int):
    """Return the task of clients with as many samples each."""
    generator = torch.Generator().manual_seed(SEED)
    count = clients * samples
    x = torch.randn(count + 64, 4, generator=generator)
    y = (x.sum(1) > 0).long()

    def equal(labels, owners, rng):
        return Shares(tuple(torch.arange(len(labels)).split(samples)))

    data = fq.Data(x[:count], y[:count], test=(x[count:], y[count:])).split(equal)
    return fq.Task(model, fq.cross_entropy, data).objective(SEED)


def ours(objective, engine) -> Round:
    """Return a round of fedqml: from its number and the weights to the averaged weights."""
    train = engine(objective, fq.local.sgd(lr=LR, batch_size=BATCH), fq.Strategy(fq.mean()).client)
    cohort = torch.arange(len(objective.data.clients))

    def run(number: int, params: Tensor) -> Tensor:
        context = Context(number, cohort, params[None], SEED)
        folding = fq.mean().begin({}, context)
        train(context, cohort.tolist(), {}, folding.add)
        updates, _ = folding.finish()
        return params + updates.delta[0]

    return run


def torch_layer() -> nn.Module:
    """Return the same circuit in PennyLane."""

    @qml.qnode(qml.device("default.qubit", wires=QUBITS), interface="torch", diff_method="backprop")
    def circuit(inputs, weights):
        for wire in range(QUBITS):
            qml.Hadamard(wire)
            qml.RY(torch.arctan(inputs[..., wire]), wire)
            qml.RZ(torch.arctan(inputs[..., wire] ** 2), wire)
        for layer in weights:
            for wire in range(QUBITS):
                qml.CNOT([wire, (wire + 1) % QUBITS])
            for wire in range(QUBITS):
                qml.Rot(*layer[wire], wire)
        return [qml.expval(qml.PauliZ(wire)) for wire in range(OUTPUTS)]

    return qml.qnn.TorchLayer(circuit, {"weights": (DEPTH, QUBITS, 3)})


def by_hand(objective) -> Round:
    """Return a round as one writes it: a loop over clients, batches, and the mean of weights."""
    net = nn.Sequential(nn.Linear(4, QUBITS), torch_layer())
    data = objective.data

    def run(number: int, params: Tensor) -> Tensor:
        trained = []
        for client, rows in enumerate(data.clients):
            # cloned: the parameters become views of the vector
            nn.utils.vector_to_parameters(params.clone(), net.parameters())
            optimiser = torch.optim.SGD(net.parameters(), lr=LR)
            # the same order of examples as ours
            rng = Context(number, torch.arange(1), params[None], SEED).rng("batches", client)
            order = rows[torch.from_numpy(shuffled(len(rows), rng))]
            for batch in order.split(BATCH):
                optimiser.zero_grad()
                loss = nn.functional.cross_entropy(net(data.data.x[batch]), data.data.y[batch])
                loss.backward()
                optimiser.step()
            trained.append(nn.utils.parameters_to_vector(net.parameters()).detach())
        return torch.stack(trained).mean(0)

    return run


def turn(run: Round, number: int, params: Tensor) -> tuple[Tensor, float, float]:
    """Return a round's result, its milliseconds and those of the processor, in the mean of a turn.

    A turn takes the same round again and again: in training, a round follows its like. The first
    one after the other's turn finds its code and data out of fast memory.
    """
    count, spent, after = 0, 0.0, params
    began, started = time.process_time(), time.perf_counter()
    while spent < TURN:
        after = run(number, params)
        count += 1
        spent = time.perf_counter() - started
    return after, 1000 * spent / count, 1000 * (time.process_time() - began) / count


def against_pennylane(clients: int, samples: int, rounds: int) -> str:
    """Return a row of the first table."""
    objective = objective_of(clients, samples)
    rivals = {"hand": by_hand(objective), "ours": ours(objective, vectorised())}
    for number in range(1, WARM_UP + 1):
        rivals["ours"](number, objective.first)
    weights = dict.fromkeys(rivals, objective.first)
    times: dict[str, list[float]] = {name: [] for name in rivals}
    processor = dict.fromkeys(rivals, 0.0)
    for number in range(1, rounds + 1):
        for name, run in rivals.items():
            weights[name], spent, busy = turn(run, number, weights[name])
            times[name].append(spent)
            processor[name] += busy
    ratios = [slow / fast for slow, fast in zip(times["hand"], times["ours"], strict=True)]
    lowest, *_, highest = statistics.quantiles(ratios, n=20)
    difference = (weights["hand"] - weights["ours"]).abs().max()
    return (
        f"| {clients} | {samples} | {rounds} | {statistics.median(times['hand']):.0f} | "
        f"{statistics.median(times['ours']):.2f} | {statistics.median(ratios):.0f} "
        f"({lowest:.0f} to {highest:.0f}) | {processor['hand'] / processor['ours']:.0f} | "
        f"{difference:.1e} |"
    )


def alone(clients: int, samples: int, rounds: int) -> str:
    """Return a row of the second table; run in a process of its own for its peak memory."""
    import resource

    objective = objective_of(clients, samples)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run, plain = ours(objective, vectorised()), ours(objective, sequential())
    params = objective.first
    times = []
    for number in range(1, WARM_UP + rounds + 1):
        started = time.perf_counter()
        params = run(number, params)
        times.append(1000 * (time.perf_counter() - started))
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    difference = (run(1, objective.first) - plain(1, objective.first)).abs().max()
    return (
        f"| {clients:,} | {samples} | {statistics.median(times[WARM_UP:]):.1f} | {grown:.0f} | "
        f"{difference:.1e} |"
    )


def main() -> None:
    """Write the tables."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/rounds.md")
    with threads(1):
        first = [against_pennylane(5, 230, 30), against_pennylane(10, 230, 15)]
        found = environment()
    second = []
    for clients, samples in ((5, 230), (100, 230), (1_000, 32), (10_000, 32)):
        code = f"import rounds; print(rounds.alone({clients}, {samples}, 10))"
        second.append(
            subprocess.run(
                [sys.executable, "-c", f"import torch; torch.set_num_threads(1); {code}"],
                cwd=Path(__file__).parent,
                check=True,
                capture_output=True,
                text=True,
            ).stdout.strip()
        )
    text = f"""# A federated round

Command: `python benchmarks/rounds.py`. A round: every client trains `Linear(4, 4)` and the
circuit of the paper (`arctan(4)`, `rot_cnot(4, depth=2)`, measure 2) for an epoch by SGD on batches
of {BATCH}, and the server takes the mean; float32, one thread, evaluation not included.
{found["processor"]}, {found["cores"]} cores, PyTorch {found["torch"]}, PennyLane {qml.version()},
Python {found["python"]}.

Against a loop by hand with PennyLane's `TorchLayer` on `default.qubit` with backpropagation,
both in turn. A turn takes the same round again and again for {1000 * TURN:.0f} ms, at least once,
and its mean counts: in training, a round follows its like. The ratio is that of the same round, its
median and the range from the 5th to the 95th percentile. Ours had {WARM_UP} rounds before, in which
kernels are loaded and traces are taken.

| clients | samples each | rounds | by hand, ms a round | fedqml, ms a round | by hand / fedqml | \
by processor time of all rounds | largest difference of weights at the end |
| --: | --: | --: | --: | --: | --: | --: | --: |
{chr(10).join(first)}

Alone, each in a process of its own, the median of 10 rounds after as many of warming up as above;
the memory is what the process's peak grew by in all rounds, the difference that of the weights
after one round of `vectorised` and of `sequential`.

| clients | samples each | ms a round | memory, MiB | largest difference |
| --: | --: | --: | --: | --: |
{chr(10).join(second)}
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
