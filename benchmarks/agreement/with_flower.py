"""Flower's strategies, called on messages as they would get them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from flwr.app import Array, ArrayRecord, MetricRecord, RecordDict
from flwr.serverapp import strategy as flower
from flwr.serverapp.strategy.multikrum import select_multikrum
from torch import Tensor

from agreement.cohorts import WIDTH, Compare, Comparisons, Pair, cohorts, run
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.federated import aggregators, optimisers
from fedqml.federated.aggregators.bulyan import mean_around_median


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


def trained(strategy: Any, number: int, replies: list[SimpleNamespace]) -> Any:
    """Return what a strategy of Flower's makes of the replies of a round."""
    return strategy.aggregate_train(number, replies)[0]["w"].numpy()


def comparisons() -> Comparisons:
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


def faults(count: int) -> list[str]:
    """Return what Flower does otherwise, each in a sentence with what was found."""
    others = 0
    for rows, f in cohorts(count):
        own = trained(flower.Bulyan(num_malicious_nodes=f), 1, messages(rows))
        others += not np.allclose(own, run(aggregators.bulyan(f), rows), atol=1e-6)
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
