"""ByzFL's aggregators, pre-aggregators and attacks."""

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from agreement.cohorts import Compare, Comparisons, Pair, cohorts, run
from fedqml.core.random import shuffled
from fedqml.core.transform import Transform
from fedqml.core.updates import Context
from fedqml.federated import aggregators, collusions, preaggregators
from fedqml.federated.aggregators.bulyan import mean_around_median
from fedqml.federated.transforms import clip

STEPS = 300  # of Weiszfeld, for a geometric median to be one


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


def comparisons(rules: Any, attacks: Any) -> Comparisons:
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


def faults(rules: Any, count: int) -> list[str]:
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
