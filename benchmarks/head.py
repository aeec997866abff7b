"""Hold training the paper's whole head against code written by hand, and its memory to account.

    python benchmarks/head.py [OUTPUT]

Table I's layers on 25,088 features, 119.6 million weights, batches of 32: steps by the
engine `in_place`, by hand, and as PyTorch's users write them, in turn, so that a change of the
machine's speed meets all; the ratio of times is taken turn by turn. Then the mean of five such
models against the rate at which one vector is added to another; and the memory of a process that
trains rounds. Writes docs/results/head.md by default.
"""

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.adam import adam as fused_adam

import fedqml as fq
from fedqml.core.files import write_atomic
from fedqml.core.threads import threads
from fedqml.core.transform import chain
from fedqml.core.updates import Context, Updates
from fedqml.engines import in_place
from fedqml.experiments.assembly import federation
from fedqml.experiments.environment import environment
from fedqml.experiments.rounds import advance, begin
from fedqml.models import vgg_vqc
from fedqml.models.cores.none import none

FEATURES, HIDDEN, BATCH, LR = 25088, 4096, 32, 1e-4
STEPS, TURNS, CLIENTS = 4, 5, 5
# Steps of a turn, which is a round of all clients.
ALL = STEPS * CLIENTS
RULES = {"sgd": fq.local.sgd, "adam": fq.local.adam}


def task(core=None) -> fq.Task:
    """Return the paper's model, or its head alone, on made-up features."""
    generator = torch.Generator().manual_seed(0)
    rows = STEPS * BATCH * CLIENTS
    x = torch.rand(rows, 512, 7, 7, generator=generator)
    y = torch.randint(2, (rows,), generator=generator)
    data = fq.Data(x, y, test=(x[:64], y[:64]), classes=("0", "1"))
    settings = {"core": core} if core else {}
    model = partial(vgg_vqc, (512, 7, 7), 2, **settings)
    return fq.Task(model, fq.cross_entropy, data.split(fq.partitions.iid(CLIENTS)))


def ours(rule: str) -> Callable[[], None]:
    """Return a round of all clients by the engine."""
    objective = task(none).objective(0)
    train = in_place()(objective, RULES[rule](lr=LR, batch_size=BATCH), chain())
    context = Context(1, torch.arange(CLIENTS), objective.first[None], 0)
    return lambda: train(context, list(range(CLIENTS)), {}, lambda part: None) and None


def by_hand(rule: str) -> Callable[[], None]:
    """Return the same round written out for these three layers, in memory made once.

    As the engine's, each client begins with the global weights and moments of zero, and ends with
    its update.
    """
    sizes = ((HIDDEN, FEATURES), (HIDDEN, HIDDEN), (4, HIDDEN))
    weights = [torch.randn(size) * 0.01 for size in sizes]
    biases = [torch.zeros(size[0]) for size in sizes]
    moments = [[torch.zeros_like(w) for w in weights] for _ in range(2)] if rule == "adam" else []
    gradients = [torch.empty_like(w) for w in weights] if rule == "adam" else []
    begin = [p.clone() for p in (*weights, *biases)]
    x, y = torch.rand(ALL * BATCH, FEATURES), torch.randint(2, (ALL * BATCH,))

    def step(x: Tensor, y: Tensor, number: int) -> None:
        inputs, masks = [x.T], []
        for i in range(2):
            out = torch.addmm(biases[i][:, None], weights[i], inputs[-1])
            mask = (out > 0) & (torch.rand_like(out) < 0.5)
            masks.append(mask)
            inputs.append(out * mask * 2)
        logits = torch.addmm(biases[2][:, None], weights[2], inputs[-1])[:2].T
        share = logits.softmax(1)
        share[torch.arange(len(y)), y] -= 1
        g = functional.pad(share.T / len(y), (0, 0, 0, 2))
        for i in (2, 1, 0):
            before = weights[i].T @ g if i else None
            if rule == "sgd":
                weights[i].addmm_(g, inputs[i].T, alpha=-LR)
            else:
                torch.mm(g, inputs[i].T, out=gradients[i])
                adam_step(weights[i], gradients[i], moments[0][i], moments[1][i], number)
            biases[i].add_(g.sum(1), alpha=-LR)
            if before is not None:
                g = before * masks[i - 1] * 2

    def run() -> None:
        order = torch.randperm(ALL * BATCH).view(CLIENTS, STEPS, BATCH)
        for client in order:
            for after, before in zip((*weights, *biases), begin, strict=True):
                after.copy_(before)
            for moment in itertools.chain.from_iterable(moments):
                moment.zero_()
            for number, rows in enumerate(client):
                step(x[rows], y[rows], number)
            for after, before in zip((*weights, *biases), begin, strict=True):
                after.sub_(before)  # the update

    return run


def adam_step(weight: Tensor, gradient: Tensor, m: Tensor, v: Tensor, number: int) -> None:
    fused_adam(
        *([weight], [gradient], [m], [v], [], [torch.tensor(float(number))]),
        fused=True,
        amsgrad=False,
        maximize=False,
        beta1=0.9,
        beta2=0.999,
        lr=LR,
        weight_decay=0.0,
        eps=1e-8,
    )


def as_usual(rule: str) -> Callable[[], None]:
    """Return the same steps as a training loop in PyTorch has them."""
    layers = [nn.Linear(FEATURES, HIDDEN), nn.ReLU(), nn.Dropout()]
    layers += [nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Dropout(), nn.Linear(HIDDEN, 4)]
    model = nn.Sequential(*layers)
    made = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[rule](model.parameters(), LR)
    x, y = torch.rand(ALL * BATCH, FEATURES), torch.randint(2, (ALL * BATCH,))

    def run() -> None:
        for part in torch.arange(ALL * BATCH).split(BATCH):
            made.zero_grad()
            functional.cross_entropy(model(x[part])[:, :2], y[part]).backward()
            made.step()

    return run


def interleaved(runs: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    """Return the seconds of each in every turn, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(TURNS + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def averaging() -> dict[str, list[float]]:
    """Time the mean of five models, fed one by one, and adding one vector to another."""
    size = FEATURES * HIDDEN + HIDDEN * HIDDEN
    rows = torch.randn(CLIENTS, size)
    total = torch.zeros(size)
    context = Context(1, torch.arange(CLIENTS), torch.zeros(1, 1), 0)

    def mean() -> None:
        folding = fq.mean().begin({}, context)
        for client in range(CLIENTS):
            part = slice(client, client + 1)
            loss = {"train_loss": torch.zeros(1)}
            folding.add(Updates(context.cohort[part], rows[part], torch.ones(1), loss))
        folding.finish()

    def stack() -> None:
        torch.stack([*rows]).mean(0)

    def add() -> None:
        for client in range(CLIENTS):
            total.add_(rows[client])

    return interleaved({"mean": mean, "stack": stack, "add": add})


def memory() -> dict[str, float]:
    """Return what a process takes in rounds of Adam with the paper's whole model, in bytes."""
    imported = resident("VmHWM")
    with threads(os.cpu_count() or 1):
        local = fq.local.adam(lr=LR, batch_size=BATCH)
        strategy = fq.Strategy(server=fq.mean())
        made = federation(task(), local, strategy, in_place(), 2, CLIENTS, 0, "")
        progress = begin(made)
        built = resident("VmHWM")
        # The most from here on is that of the rounds.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        for _ in range(2):
            progress = advance(made, progress)
    x = made.objective.data.data.x
    return {
        "imported": imported,
        "built": built,
        "rounds": resident("VmHWM"),
        "model": 4 * made.objective.packing.size,
        "features": 4 * x.numel(),
    }


def resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * float(line.split()[1]) for line in lines if line.startswith(name))


def ratio(above: list[float], below: list[float]) -> str:
    ratios = sorted(a / b for a, b in zip(above, below, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def page() -> str:
    cores = os.cpu_count() or 1
    lines = []
    with threads(cores):
        for rule in RULES:
            makers = {"engine": ours, "hand": by_hand, "usual": as_usual}
            runs = {name: make(rule) for name, make in makers.items()}
            found = interleaved(runs)
            best = {name: f"{1000 * min(s) / ALL:.0f}" for name, s in found.items()}
            versus = ratio(found["engine"], found["hand"]), ratio(found["usual"], found["engine"])
            row = rule, *best.values(), *versus
            lines.append("| " + " | ".join(row) + " |")
            del runs
        means = averaging()
    command = [sys.executable, __file__, "--memory"]
    taken = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    model = taken["model"]
    beyond = (taken["rounds"] - taken["imported"] - taken["features"]) / model
    whole = (taken["rounds"] - taken["features"]) / model
    size = 4 * (FEATURES * HIDDEN + HIDDEN * HIDDEN)
    rate = 3 * CLIENTS * size / min(means["add"]) / 1e9
    about = environment()
    return f"""# The paper's whole head

Command: `python benchmarks/head.py`. {about["processor"]}, {about["cores"]} cores, PyTorch
{about["torch"]}, Python {about["python"]}; {cores} threads.

Linear 25088-4096, ReLU, Dropout, Linear 4096-4096, ReLU, Dropout, Linear 4096-4, 119.6 million
weights in single precision, {ALL} steps a turn on batches of {BATCH}, all three in turn, {TURNS}
turns. "By hand" is the same round written out for these layers in memory made once, SGD's step in
the matrix product and Adam's fused; "as usual" is `nn.Sequential` with `torch.optim`, which trains
one model on and on. In the first two each of {CLIENTS} clients takes the global model's weights,
gathers its batches, and makes its update. The engine's steps alone include the loss, dropout that
repeats to the bit, and memory for one model, taken anew in every round. Times are the shortest of
a step, ratios those of the same turn, their median and range.

| rule | engine `in_place`, ms | by hand, ms | as usual, ms | engine / by hand | as usual / engine |
| --- | --: | --: | --: | --: | --: |
{chr(10).join(lines)}

The mean of {CLIENTS} models of {size / 1e6:.0f} MB as they come, each looked through for NaN and
infinities: {min(means["mean"]):.2f} s, {ratio(means["mean"], means["add"])} times as long as adding
{CLIENTS} such vectors to another ({rate:.1f} GB/s read and written). `torch.stack(...).mean(0)`:
{min(means["stack"]):.2f} s, {ratio(means["stack"], means["mean"])} times as long as our mean.

Memory of a process that trains two rounds of {CLIENTS} clients by Adam with the engine `in_place`,
the circuit included: at most {whole:.1f} models of {model / 1e6:.0f} MB beside the features,
{beyond:.1f} beyond what importing fedqml takes. Building the run takes at most
{(taken["built"] - taken["features"]) / model:.1f} models.
"""


if __name__ == "__main__":
    if "--memory" in sys.argv:
        print(json.dumps(memory()))
    else:
        output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/results/head.md")
        write_atomic(output, page().encode())
        print(output.read_text(encoding="utf-8"))
