from collections.abc import Callable

import torch

import fedqml as fq
from fedqml.core.updates import Context
from fedqml.data.dataset import FederatedData
from fedqml.engines.traces.steps import WORTH_A_TRACE
from rivals.about import About
from rivals.round_problem import DEPTH, QUBITS, RoundProblem, Weights

ABOUT = About("fedqml, engine `vectorised`", ("fedqml", "torch", "llvmlite"), "batch")


def fedqml_engine(problem: RoundProblem) -> Callable[[], Weights]:
    """The engine and the aggregator `mean`: batches are drawn anew in every round."""
    x, y = torch.from_numpy(problem.x).flatten(0, 1), torch.from_numpy(problem.y).flatten()
    rows = torch.arange(len(y)).split(problem.examples)
    data = FederatedData(fq.Data(x, y, test=(x[:1], y[:1]), classes=("0", "1")), rows)

    def model() -> torch.nn.Module:
        circuit = fq.QuantumLayer(
            fq.encodings.arctan(QUBITS), fq.ansatze.rot_cnot(QUBITS, depth=DEPTH), measure=2
        )
        return torch.nn.Sequential(torch.nn.Linear(*problem.weights[0].shape[::-1]), circuit)

    objective = fq.Task(model, fq.cross_entropy, data).objective(seed=0)
    names = "0.weight", "0.bias", "1.weights"
    matrix, bias, angles = (torch.from_numpy(w) for w in problem.weights)
    first = dict(zip(names, (matrix, bias, angles.flatten()), strict=True))
    params = objective.packing.pack(first)[None]
    local = fq.local.sgd(lr=problem.lr, batch_size=problem.batch)
    strategy = fq.Strategy(server=fq.mean())
    train = fq.engines.vectorised()(objective, local, strategy.client)
    context = Context(1, torch.arange(problem.clients), params, seed=0)

    def step() -> Weights:
        folding = strategy.server.begin(strategy.server.init(params[0]), context)
        train(context, list(range(problem.clients)), {}, folding.add)
        updates, _ = folding.finish()
        after = objective.packing.unpack((params + updates.delta)[0])
        pairs = zip(names, problem.weights, strict=True)
        return tuple(after[name].numpy().reshape(w.shape) for name, w in pairs)

    # steps are recorded once they have been worth it, as compiled rivals compile at first
    for _ in range(2 + WORTH_A_TRACE // -(-problem.examples // problem.batch)):
        step()
    return step
