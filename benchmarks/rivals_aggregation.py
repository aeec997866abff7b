"""Hold aggregation, pre-aggregation and attacks against ByzFL and Flower, number by number.

    python benchmarks/rivals_aggregation.py [COHORTS [OUTPUT]]

Both sides get the same updates in float64; of 1,000 random cohorts the largest difference counts.
Where a rival follows another convention, ours is set to it and the table says how; what a rival
does wrong is shown on an example. `make rivals` sets everything up. Writes
docs/results/aggregation_agreement.md by default.
"""

import importlib
import importlib.util
import logging
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower
from flwr.serverapp.strategy.multikrum import select_multikrum
from torch import Tensor

from fedqml.core.files import write_atomic
from fedqml.core.random import shuffled
from fedqml.core.threads import threads
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.experiments.environment import environment, versions
from fedqml.federated import aggregators, collusions, optimisers, preaggregators
from fedqml.federated.aggregators.bulyan import mean_around_median
from fedqml.federated.transforms import clip

WIDTH = 6
CLOSE = 1e-6
STEPS = 300  # of Weiszfeld, for a rival's geometric median to be one

Pair = tuple[Tensor, Any]
Compare = Callable[[Tensor, int], Pair]
"""From a cohort's rows and its f to our result and the rival's."""


def cohorts(count: int) -> Iterator[tuple[Tensor, int]]:
    """Yield rows and f, up to f of the rows far from the others."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        f = int(rng.integers(1, 4))
        rows = torch.from_numpy(rng.standard_normal((4 * f + 3 + int(rng.integers(4)), WIDTH)))
        rows[len(rows) - int(rng.integers(f + 1)) :] += 30.0
        yield rows, f


def run(rule: Transform, rows: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the rows that a rule makes of others in the first round."""
    clients = torch.arange(len(rows))
    context = Context(1, clients, torch.zeros_like(rows[:1]), seed=0)
    ones = torch.ones(len(rows)).to(rows)
    updates = Updates(clients, rows, ones if weight is None else weight.to(rows), {})
    return rule.apply(updates, rule.init(context.params[0]), context)[0].delta


def byzfl() -> tuple[types.ModuleType, types.ModuleType]:
    """Return ByzFL's aggregators and attacks.

    Its package imports its training, too, and with it torchvision, which these do without.
    """
    spec = importlib.util.find_spec("byzfl")
    assert spec is not None
    package = types.ModuleType("byzfl")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["byzfl"] = package
    return importlib.import_module("byzfl.aggregators"), importlib.import_module("byzfl.attacks")


def of_byzfl(rules: Any, attacks: Any) -> dict[str, tuple[str, Compare]]:
    """Return for each of ByzFL's things how ours is set to its convention, and both results."""

    def plain(rule: Callable[[int], Transform], theirs: Callable[[int], Any]) -> Compare:
        return lambda rows, f: (run(rule(f), rows), theirs(f)(rows.numpy().copy()))

    def attack(rule: Callable[[list[int]], Transform], theirs: Any) -> Compare:
        def both(rows: Tensor, f: int) -> Pair:
            honest = len(rows) - f
            sent = run(rule(list(range(honest, len(rows)))), rows)[-1]
            return sent, theirs(rows[:honest].numpy().copy())

        return both

    def buckets(rows: Tensor, f: int) -> Pair:
        context = Context(1, torch.arange(len(rows)), rows[:1], seed=0)
        order = shuffled(len(rows), context.rng("buckets"))
        with patch("numpy.random.permutation", lambda rows: rows[order]):
            found = rules.Bucketing(2)(rows.numpy())
        first = [min(order[i : i + 2]) for i in range(0, len(order), 2)]
        return run(preaggregators.bucketing(2), rows), found[np.argsort(first)]

    same = ""
    return {
        "Average": (same, plain(lambda f: aggregators.mean(False), lambda f: rules.Average())),
        "Median": (
            same,
            plain(lambda f: aggregators.coordinate_median(), lambda f: rules.Median()),
        ),
        "TrMean": (same, plain(aggregators.trimmed_mean, rules.TrMean)),
        "Krum": ("`krum(f - 1)`", plain(lambda f: aggregators.krum(f - 1), rules.Krum)),
        "MultiKrum": (
            "`multi_krum(f - 1, m=k - f)`",
            lambda rows, f: (
                run(aggregators.multi_krum(f - 1, len(rows) - f), rows),
                rules.MultiKrum(f)(rows.numpy()),
            ),
        ),
        "GeometricMedian": (
            f"with `nu=1e-12, T={STEPS}`",
            plain(
                lambda f: aggregators.geometric_median(),
                lambda f: rules.GeometricMedian(nu=1e-12, T=STEPS),
            ),
        ),
        "CenteredClipping": (
            "radius 2, 3 iterations",
            plain(
                lambda f: aggregators.centred_clipping(2.0, 3),
                lambda f: rules.CenteredClipping(L=3, tau=2.0),
            ),
        ),
        "Meamed": (
            "the second step of `bulyan`, of all rows",
            lambda rows, f: (
                mean_around_median(rows, list(range(len(rows))), f),
                rules.Meamed(f)(rows.numpy()),
            ),
        ),
        "MoNNA": (
            "the first row of `nearest_neighbour_mixing`",
            lambda rows, f: (
                run(preaggregators.nearest_neighbour_mixing(f), rows)[0],
                rules.MoNNA(f, 0)(rows.numpy()),
            ),
        ),
        "NNM": (same, plain(preaggregators.nearest_neighbour_mixing, rules.NNM)),
        "Bucketing": ("the same permutation, buckets of 2", buckets),
        "Clipping": ("`clip(2)`", plain(lambda f: clip(2.0), lambda f: rules.Clipping(2.0))),
        "SignFlipping": (
            "`ipm(scale=1)`: minus the mean, not each its own",
            attack(lambda who: collusions.ipm(who, 1.0), attacks.SignFlipping()),
        ),
        "InnerProductManipulation": (
            "`ipm(scale=2)`",
            attack(lambda who: collusions.ipm(who, 2.0), attacks.InnerProductManipulation(2.0)),
        ),
        "ALittleIsEnough": (
            "`alie(z=1.5)`",
            attack(lambda who: collusions.alie(who, 1.5), attacks.ALittleIsEnough(1.5)),
        ),
        "Mimic": (same, attack(collusions.mimic, attacks.Mimic(0))),
    }


def messages(rows: Tensor, weight: Tensor | None = None) -> list[SimpleNamespace]:
    """Return what Flower's strategies read of the clients' messages."""
    examples = [1] * len(rows) if weight is None else weight.tolist()
    contents = [
        RecordDict(
            {
                "arrays": ArrayRecord({"w": Array(row.numpy())}),
                "metrics": MetricRecord({"num-examples": int(n)}),
            }
        )
        for row, n in zip(rows, examples, strict=True)
    ]
    return [SimpleNamespace(content=content, has_error=lambda: False) for content in contents]


def of_flower() -> dict[str, tuple[str, Compare]]:
    """Return for each strategy how ours is set to its convention, and both results."""

    def plain(rule: Callable[[int], Transform], theirs: Callable[[int, int], Any]) -> Compare:
        return lambda rows, f: (
            run(rule(f), rows),
            trained(theirs(f, len(rows)), 1, messages(rows)),
        )

    def averaged(rows: Tensor, f: int) -> Pair:
        weight = torch.arange(1, len(rows) + 1)
        return (
            run(aggregators.mean(), rows, weight),
            trained(flower.FedAvg(), 1, messages(rows, weight)),
        )

    def second_step(rows: Tensor, f: int) -> Pair:
        theta = len(rows) - 2 * f
        chosen = select_multikrum([m.content for m in messages(rows)], f, theta)
        selected = torch.stack([torch.from_numpy(c["arrays"]["w"].numpy()) for c in chosen])
        ours = mean_around_median(selected, list(range(theta)), 2 * f)
        return ours, trained(flower.Bulyan(num_malicious_nodes=f), 1, messages(rows))

    rate = {"eta": 0.1, "beta_1": 0.9, "tau": 1e-2}

    def optimised(
        rule: Transform, theirs: Callable[[], Any], factor: Any = lambda t: 1.0
    ) -> Compare:
        def both(rows: Tensor, f: int) -> Pair:
            strategy, weights = theirs(), np.zeros(WIDTH)
            state: State = {name: torch.zeros(WIDTH).double() for name in ("m", "v")}
            ours = torch.zeros(1, WIDTH).double()
            for number in (1, 2, 3):
                strategy.current_arrays = (
                    ArrayRecord({"w": Array(weights)})
                    if isinstance(strategy, flower.FedAvgM)
                    else {"w": weights}
                )
                weights = trained(
                    strategy, number, messages(rows * number + torch.from_numpy(weights))
                )
                context = Context(number, torch.arange(1), ours, seed=0)
                mean = (rows * number).mean(0, keepdim=True)
                updates = Updates(torch.arange(1), mean, torch.ones(1), {})
                after, state = rule.apply(updates, state, context)
                ours = ours + after.delta * factor(number)
            return ours, weights

        return both

    corrected = lambda t: np.sqrt(1 - 0.99 ** (t + 1)) / (1 - 0.9 ** (t + 1))  # noqa: E731
    server = {"lr": 0.1, "beta1": 0.9, "tau": 1e-2}
    return {
        "FedAvg": ("", averaged),
        "FedMedian": (
            "",
            plain(lambda f: aggregators.coordinate_median(), lambda f, k: flower.FedMedian()),
        ),
        "FedTrimmedAvg": (
            "`beta` a little above f / k, which Flower rounds down",
            plain(aggregators.trimmed_mean, lambda f, k: flower.FedTrimmedAvg(beta=(f + 0.5) / k)),
        ),
        "Krum": ("", plain(aggregators.krum, lambda f, k: flower.Krum(num_malicious_nodes=f))),
        "MultiKrum": (
            "clients of equal size, m = k - f",
            plain(
                aggregators.multi_krum,
                lambda f, k: flower.MultiKrum(num_malicious_nodes=f, num_nodes_to_select=k - f),
            ),
        ),
        "Bulyan": ("the second step, from the rows that Flower selects", second_step),
        "FedAvgM": (
            "three rounds",
            optimised(
                optimisers.momentum(lr=0.5, beta=0.9),
                lambda: flower.FedAvgM(server_learning_rate=0.5, server_momentum=0.9),
            ),
        ),
        "FedAdagrad": (
            "three rounds, v from 0",
            optimised(
                optimisers.adagrad(lr=0.1, beta1=0.0, tau=1e-2),
                lambda: flower.FedAdagrad(eta=0.1, tau=1e-2),
            ),
        ),
        "FedYogi": (
            "three rounds, v from 0",
            optimised(
                optimisers.yogi(**server, beta2=0.99), lambda: flower.FedYogi(**rate, beta_2=0.99)
            ),
        ),
        "FedAdam": (
            "three rounds, v from 0, steps times Flower's correction",
            optimised(
                optimisers.adam(**server, beta2=0.99),
                lambda: flower.FedAdam(**rate, beta_2=0.99),
                corrected,
            ),
        ),
    }


def trained(strategy: Any, number: int, replies: list[SimpleNamespace]) -> Any:
    """Return what a strategy of Flower's makes of the replies of a round."""
    return strategy.aggregate_train(number, replies)[0]["w"].numpy()


def largest(compare: Compare, count: int) -> float:
    """Return the largest difference of a number over the cohorts, relative where it is above 1."""
    worst = 0.0
    for rows, f in cohorts(count):
        ours, theirs = compare(rows, f)
        found = torch.as_tensor(np.asarray(theirs)).reshape(-1)
        difference = (ours.reshape(-1) - found).abs() / found.abs().clamp(min=1)
        worst = max(worst, float(difference.max()))
    return worst


def faults_of_byzfl(rules: Any, count: int) -> list[str]:
    """Return what ByzFL does otherwise, each in a sentence with what was found."""
    rng = np.random.default_rng(1)
    excess, off, others = 0.0, 0.0, 0
    for rows, f in cohorts(count):
        best, found = run(aggregators.geometric_median(), rows)[0], rules.GeometricMedian()
        stopped = torch.from_numpy(found(rows.numpy()))
        length = lambda z, rows=rows: float((rows - z).norm(dim=1).sum())  # noqa: E731
        excess = max(excess, length(stopped) / length(best) - 1)
        off = max(off, float((stopped - best).norm()))
        own = torch.from_numpy(rules.Krum(f)(rows.numpy()))
        others += not torch.equal(own, run(aggregators.krum(f), rows)[0])
    rows = rng.standard_normal((7, 3))
    short = {
        name: np.abs(rule(torch.from_numpy(rows)).double().numpy() - rule(rows)).max()
        for name, rule in (("Average", rules.Average()), ("TrMean", rules.TrMean(1)))
    }
    changed = []
    for name, rule in (("Clipping", rules.Clipping(0.1)), ("ARC", rules.ARC(2))):
        given = rows.copy()
        rule(given)
        changed += [f"`{name}`"] if not np.array_equal(given, rows) else []
    broken = rows.copy()
    broken[3] = np.nan
    candidates = {
        "Average": rules.Average(),
        "Median": rules.Median(),
        "TrMean": rules.TrMean(1),
        "GeometricMedian": rules.GeometricMedian(),
        "Krum": rules.Krum(1),
        "MultiKrum": rules.MultiKrum(1),
        "CenteredClipping": rules.CenteredClipping(),
    }
    spoiled = [f"`{n}`" for n, rule in candidates.items() if not np.isfinite(rule(broken)).all()]
    try:
        rules.CenteredClipping(m=np.zeros(3))
        start = "works"
    except TypeError:
        start = "raises TypeError for an array as for a tensor: its check asks for both at once"
    return [
        f"`GeometricMedian()` stops after 3 steps of Weiszfeld: up to {off:.2g} from the optimum, "
        f"and its sum of distances is up to {100 * excess:.2g} % above the least.",
        f"`Krum` and `MultiKrum` count the n - f - 1 nearest rows, where Blanchard et al. count "
        f"n - f - 2: of {count} cohorts {others} have another winner. They ask for n > 2f only, "
        "where the theorem needs 2f + 3.",
        f"One row of NaN spoils {', '.join(spoiled)}; only `GeometricMedian` looks for bad rows, "
        "and for infinities alone.",
        "Tensors are computed in float32 whatever their type: in float64, "
        + ", ".join(f"`{name}` is {value:.0e} off" for name, value in short.items())
        + ".",
        f"{' and '.join(changed)} change the caller's array.",
        f"`CenteredClipping(m=...)`, a start other than 0, {start}.",
        "Not compared, as there is no counterpart: `MDA`, `CAF`, `SMEA`, `ARC`, `Inf`, attacks "
        "that draw or search.",
    ]


def faults_of_flower(count: int) -> list[str]:
    """Return what Flower does otherwise, each in a sentence with what was found."""
    others = 0
    for rows, f in cohorts(count):
        own = trained(flower.Bulyan(num_malicious_nodes=f), 1, messages(rows))
        others += not np.allclose(own, run(aggregators.bulyan(f), rows), atol=CLOSE)
    line = torch.tensor([[0.0], [1.0], [2.0], [3.0], [9e9]]).double()
    claims = torch.tensor([1, 98, 1, 1, 1])
    several = flower.MultiKrum(num_malicious_nodes=1, num_nodes_to_select=4)
    claimed = float(trained(several, 1, messages(line, claims))[0])
    lost = 0
    rng = np.random.default_rng(1)
    for _ in range(100):
        rows = torch.from_numpy(1e4 + rng.standard_normal((11, WIDTH))).float()
        exact = run(aggregators.krum(2), rows.double() - 1e4) + 1e4
        assert torch.equal(run(aggregators.krum(2), rows).double(), exact)
        found = trained(flower.Krum(num_malicious_nodes=2), 1, messages(rows))
        lost += not np.array_equal(found, exact[0].float().numpy())
    broken = torch.from_numpy(rng.standard_normal((7, 3)))
    broken[3] = torch.nan
    spoiled = [
        f"`{type(strategy).__name__}`"
        for strategy in (
            flower.FedAvg(),
            flower.FedMedian(),
            flower.FedTrimmedAvg(beta=0.2),
            flower.Krum(num_malicious_nodes=1),
            flower.MultiKrum(num_malicious_nodes=1, num_nodes_to_select=6),
            flower.Bulyan(num_malicious_nodes=1),
        )
        if not np.isfinite(trained(strategy, 1, messages(broken))).all()
    ]
    return [
        "`Bulyan` takes the k - 2f best rows of one scoring, where El Mhamdi et al. take the best "
        f"and score the rest anew: of {count} cohorts {others} come out otherwise.",
        "`MultiKrum` weights the rows that it selects by the number of examples that clients "
        f"claim: of the rows 0, 1, 2, 3, the second claiming 98, it makes {claimed:.3g}; the "
        "paper's mean, and ours, is 1.5.",
        "`Krum` takes distances as ||x||² + ||y||² - 2 <x, y> in the type of the rows: in float32, "
        f"around 10⁴ and 1 apart, it selects another row in {lost} of 100 cohorts.",
        f"One row of NaN spoils {', '.join(spoiled)}.",
        "`FedAdagrad`, `FedAdam` and `FedYogi` begin with v = 0, Reddi et al. with v = τ²; "
        "`FedAdam` corrects its first steps, which the paper does not, by powers that begin with 2 "
        "in round 1.",
    ]


def table(title: str, pairs: dict[str, tuple[str, Compare]], count: int) -> list[str]:
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
        rules, attacks = byzfl()
        lines = [
            *table("ByzFL", of_byzfl(rules, attacks), count),
            "",
            *(f"- {fault}" for fault in faults_of_byzfl(rules, count)),
            "",
            *table("Flower", of_flower(), count),
            "",
            *(f"- {fault}" for fault in faults_of_flower(count)),
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
