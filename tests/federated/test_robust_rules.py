"""What robust rules promise: symmetries, breakdown points, the bounds of `f`, known answers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from fedqml.core.errors import InputError
from fedqml.core.updates import Context, Updates
from fedqml.federated.aggregators import (
    bulyan,
    centred_clipping,
    coordinate_median,
    fednova,
    fltrust,
    geometric_median,
    krum,
    mean,
    multi_krum,
    scaffold,
    trimmed_mean,
)
from fedqml.federated.columns import combine, gram, lengths, squared_distances

# Each with f = 2 of the 11 rows below.
ROBUST = {
    "bulyan": bulyan(2),
    "coordinate_median": coordinate_median(),
    "geometric_median": geometric_median(),
    "krum": krum(2),
    "multi_krum": multi_krum(2),
    "trimmed_mean": trimmed_mean(2),
}
PLAIN = {"fednova": fednova(), "mean": mean(), "scaffold": scaffold()}
# They know a length or a direction beside the rows.
BOUND = {"centred_clipping": centred_clipping(radius=2.0), "fltrust": fltrust(root=0)}
ALL = ROBUST | PLAIN | BOUND
BY_COORDINATE = {"bulyan", "coordinate_median", "trimmed_mean"}
# Each with as many of the 11 rows as may be anything.
MOST = {
    "bulyan": (bulyan(2), 2),
    "coordinate_median": (coordinate_median(), 5),
    "geometric_median": (geometric_median(), 5),
    "krum": (krum(4), 4),
    "multi_krum": (multi_krum(4), 4),
    "trimmed_mean": (trimmed_mean(5), 5),
}
each_rule = pytest.mark.parametrize("name", ROBUST)
X = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]], dtype=torch.float64)
CORNER = torch.tensor([[0.0, 0], [1, 0], [0, 1]], dtype=torch.float64)
SQUARE = torch.tensor([[0.0, 0], [1, 0], [0, 1], [1, 1], [1e6, 1e6]], dtype=torch.float64)
seeds = st.integers(0, 10**6)
few = settings(max_examples=20)


def rows(k, d, seed, dtype=torch.float64):
    return torch.randn(k, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def row(rule, delta, weight=None, state=None, clients=None):
    clients = torch.arange(len(delta)) if clients is None else clients
    weight = torch.ones(len(delta)).to(delta) if weight is None else weight
    context = Context(
        1, clients, torch.zeros(1, delta.shape[1]).to(delta), 0, population=len(clients)
    )
    state = rule.init(context.params[0]) if state is None else state
    metrics = {"train_loss": torch.zeros_like(weight), "steps": torch.ones_like(weight)}
    return rule.apply(Updates(clients, delta, weight, metrics), state, context)[0].delta[0]


@pytest.mark.parametrize("name", ALL)
@few
@given(seed=seeds, data=st.data())
def test_who_sent_a_row_does_not_matter(name, seed, data):
    # but for the first, the root of fltrust
    order = [0, *data.draw(st.permutations(range(1, 11)))]
    x = rows(11, 4, seed)
    torch.testing.assert_close(row(ALL[name], x[order]), row(ALL[name], x))


@pytest.mark.parametrize("name", ROBUST | PLAIN)
@few
@given(seed=seeds, by=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_a_shift_and_a_scale_of_all_rows_are_one_of_the_result(name, seed, by, scale):
    x = rows(11, 4, seed)
    changed = scale * row(ALL[name], x) + by
    torch.testing.assert_close(row(ALL[name], scale * x + by), changed, rtol=1e-7, atol=1e-7)


@few
@given(seed=seeds, by=st.floats(-1e3, 1e3), scale=st.floats(1e-3, 1e3))
def test_a_scale_of_all_rows_and_of_what_a_rule_knows_is_one_of_the_result(seed, by, scale):
    x = rows(11, 4, seed)
    result = row(fltrust(root=0), x)
    torch.testing.assert_close(row(fltrust(root=0), scale * x), scale * result)
    centre, clipped = rows(1, 4, seed + 1)[0], centred_clipping(radius=2.0)
    result = row(clipped, x, state={"centre": centre})
    moved = row(
        centred_clipping(radius=2.0 * scale), scale * x + by, state={"centre": scale * centre + by}
    )
    torch.testing.assert_close(moved, scale * result + by, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name", sorted(ALL.keys() - BY_COORDINATE))
@few
@given(seed=seeds)
def test_rules_of_whole_rows_turn_with_them(name, seed):
    x, turn = rows(11, 4, seed), torch.linalg.qr(rows(4, 4, seed + 1)).Q
    turned = row(ALL[name], x) @ turn
    torch.testing.assert_close(row(ALL[name], x @ turn), turned, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ALL)
@few
@given(k=st.integers(7, 13), d=st.integers(1, 5), seed=seeds)
def test_equal_rows_are_a_fixed_point(name, k, d, seed):
    rule = bulyan(1) if name == "bulyan" else ALL[name]
    x = rows(1, d, seed)
    x = x / lengths(x).clamp(min=1)  # within the radius of centred clipping
    torch.testing.assert_close(row(rule, x.expand(k, -1)), x[0], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", MOST)
@few
@given(seed=seeds, far=st.sampled_from([1e3, 1e30, -3e38]), data=st.data())
def test_as_many_rows_as_it_says_may_be_anything(name, seed, far, data):
    (rule, f), x = MOST[name], rows(11, 4, seed)
    who = data.draw(st.permutations(range(11)))[:f]
    x[who] = far * (1 + 0.1 * rows(f, 4, seed + 1)).clamp(0.5, 1)
    honest = x[[i for i in range(11) if i not in who]]
    spread = lengths(honest - honest.mean(0)).max()
    # 2 (k - f) / (k - 2f) for the geometric median, the loosest
    assert lengths(row(rule, x)[None] - honest.mean(0)) <= 12 * spread


@pytest.mark.parametrize("rule", [coordinate_median(), geometric_median(), mean()])
def test_more_than_half_of_the_rows_take_a_rule_without_bound_along(rule):
    x = rows(11, 4, 0)
    x[:6] = 1e9
    assert row(rule, x).min() > 1e8


@each_rule
@few
@given(seed=seeds, huge=st.sampled_from([1e30, -1e30, 3e38]))
def test_f_rows_of_any_size_leave_the_result_near_the_honest_ones(name, seed, huge):
    x = rows(11, 4, seed)
    x[[3, 7]] = huge
    honest = x[x.abs().amax(1) < 100]
    result = row(ROBUST[name], x)
    assert lengths(result[None] - honest.mean(0)) <= 3 * lengths(honest - honest.mean(0)).max()
    single = row(ROBUST[name], x.float())
    torch.testing.assert_close(single.double(), result, rtol=1e-5, atol=1e-5)


def test_centred_clipping_moves_no_farther_than_its_radius_allows():
    x = rows(11, 4, 0)
    x[[3, 7]] = 1e30
    bounded = row(centred_clipping(radius=10.0), x)
    clean = x[[i for i in range(11) if i not in (3, 7)]].sum(0) / 11
    assert (bounded - clean).norm() <= 2 * 10.0 / 11 + 1e-12
    wide = row(centred_clipping(radius=1e3), rows(11, 4, 0))
    torch.testing.assert_close(wide, rows(11, 4, 0).mean(0))


def test_centred_clipping_goes_on_from_the_last_aggregate():
    rule = centred_clipping(radius=1.0)
    updates = Updates(torch.arange(1), torch.tensor([[9.0]]), torch.ones(1), {})
    context, state = (
        Context(1, torch.arange(1), torch.zeros(1, 1), seed=0),
        rule.init(torch.zeros(1)),
    )
    for expected in (1.0, 2.0, 3.0):
        after, state = rule.apply(updates, state, context)
        assert float(after.delta) == expected


@pytest.mark.parametrize(
    ("rule", "bound"),
    [
        (trimmed_mean, "2f + 1"),
        (krum, "2f + 3"),
        (multi_krum, "2f + 3"),
        (bulyan, "4f + 3"),
    ],
)
def test_too_many_faulty_clients_are_refused_with_the_bound(rule, bound):
    times, more = int(bound[0]), int(bound[-1])
    row(rule(2), rows(2 * times + more, 3, 0))
    allowed = f"Argument `f` must satisfy {bound.replace('+', '.')} <= k = {2 * times + more - 1}"
    with pytest.raises(InputError, match=allowed):
        row(rule(2), rows(2 * times + more - 1, 3, 0))
    with pytest.raises(InputError, match="`f` must be at least 0"):
        rule(-1)


@pytest.mark.parametrize("rule", [trimmed_mean, krum, multi_krum, bulyan])
def test_whoever_sends_nan_is_one_of_the_faulty_and_breaks_no_bound(rule):
    x = rows(11, 3, 0)
    x[[2, 5]] = torch.nan
    kept = [i for i in range(11) if i not in (2, 5)]
    assert torch.equal(row(rule(2), x), row(rule(0), x[kept]))


def test_multi_krum_averages_at_most_the_honest():
    with pytest.raises(InputError, match="`m` must be at most k - f = 5, but m=6"):
        row(multi_krum(2, m=6), rows(7, 2, 0))
    assert torch.equal(row(multi_krum(2, m=1), rows(7, 2, 0)), row(krum(2), rows(7, 2, 0)))


@pytest.mark.parametrize(
    ("points", "optimum"),
    [
        (X, [4, 5, 6]),
        (CORNER, [0.5 - 12**-0.5] * 2),
        # on the diagonal, so that the far point pulls the same from any distance
        (SQUARE, [0.5 + 12**-0.5] * 2),
        (SQUARE[:4], [0.5] * 2),
    ],
)
def test_the_geometric_median_is_known_exactly(points, optimum):
    expected = torch.tensor(optimum, dtype=torch.float64)
    torch.testing.assert_close(row(geometric_median(), points), expected, rtol=0, atol=1e-12)


@given(k=st.integers(1, 8), d=st.integers(1, 5), seed=seeds, whole=st.booleans())
def test_the_geometric_median_is_the_optimum(k, d, seed, whole):
    x, weight = rows(k, d, seed), torch.rand(k, generator=torch.Generator().manual_seed(seed))
    x = x.round() if whole else x  # some points coincide, some are the optimum
    weight = weight.double() + 0.1
    result = row(geometric_median(weighted=True), x, weight)
    away, far = result - x, (result - x).norm(dim=1)
    at = far < 1e-12
    # The subgradient holds 0: what pulls is no stronger than the weight of points on the spot.
    pull = (weight[~at, None] * away[~at] / far[~at, None]).sum(0).norm()
    assert pull <= weight[at].sum() + 1e-11 * weight.sum()


@few
@given(seed=seeds)
def test_no_search_finds_a_better_point_than_the_geometric_median(seed):
    x = rows(7, 3, seed)
    x[:3] += 10
    value = lambda z: float((torch.from_numpy(z) - x).norm(dim=1).sum())  # noqa: E731
    best = value(row(geometric_median(), x).numpy())
    found = minimize(value, x.median(0).values.numpy(), method="Nelder-Mead", tol=1e-12)
    assert best <= found.fun * (1 + 1e-14)


def test_the_geometric_median_sees_what_lies_far_from_zero():
    x = rows(9, 4, 0)
    shifted = row(geometric_median(), x + 1e7) - 1e7
    torch.testing.assert_close(shifted, row(geometric_median(), x), rtol=0, atol=1e-8)


def test_rows_beyond_the_range_of_squares_move_nothing():
    x = rows(9, 4, 0)
    x[4] = 1e200
    near = row(geometric_median(), x)
    assert (near - x[torch.arange(9) != 4].mean(0)).norm() < 3
    assert torch.isfinite(row(krum(2), x)).all()


@pytest.mark.parametrize("far", [1e8, 1e15, 1e30, -3e38])
def test_rows_at_any_distance_pull_the_geometric_median_by_their_direction_alone(far):
    for seed in range(60):
        x = rows(11, 4, seed)
        away = rows(5, 4, seed + 1)
        away /= lengths(away)[:, None]
        medians = []
        for distance in (far, 1e8 * far / abs(far)):
            x[:5] = distance * away
            medians.append(row(geometric_median(), x))
        torch.testing.assert_close(*medians, rtol=0, atol=1e-7)


def test_many_light_rows_in_one_place_do_not_hold_the_geometric_median_back():
    x = rows(11, 2, 1)
    x[:6] *= 1e-9
    weight = torch.tensor([1.0] * 6 + [10.0] * 5).double()
    updates = Updates(torch.arange(11), x, weight, {})
    context = Context(1, updates.clients, torch.zeros(1, 2).double(), seed=0)
    median = geometric_median(weighted=True).apply(updates, {}, context)[0].delta[0]
    away = x - median
    pull = (weight[:, None] * away / lengths(away)[:, None]).sum(0)
    assert float(lengths(pull[None])) < 1e-6


def test_a_geometric_median_counts_examples_only_if_it_is_told_to():
    x, weight = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([9.0, 1.0, 1.0])
    assert float(row(geometric_median(), x, weight)) == 1
    assert float(row(geometric_median(weighted=True), x, weight)) == 0


@given(k=st.integers(1, 9), d=st.integers(1, 4), seed=seeds)
def test_medians_and_trimmed_means_are_those_of_sorting(k, d, seed):
    x = rows(k, d, seed)
    torch.testing.assert_close(row(coordinate_median(), x), torch.quantile(x, 0.5, dim=0))
    for f in range((k + 1) // 2):
        expected = x.sort(0).values[f : k - f].mean(0)
        torch.testing.assert_close(row(trimmed_mean(f), x), expected)


@given(k=st.integers(3, 9), seed=seeds)
def test_krum_is_its_definition(k, seed):
    f = (k - 3) // 2
    x = rows(k, 3, seed)
    scores = [
        sum(sorted(float(((a - b) ** 2).sum()) for j, b in enumerate(x) if j != i)[: k - f - 2])
        for i, a in enumerate(x)
    ]
    assert torch.equal(row(krum(f), x), x[int(np.argmin(np.round(scores, 10)))])


def test_fltrust_is_its_definition():
    x = rows(5, 3, 1)
    cosine = torch.nn.functional.cosine_similarity(x[1:], x[:1]).clamp(min=0)
    scaled = x[1:] * x[0].norm() / x[1:].norm(dim=1, keepdim=True)
    expected = (cosine[:, None] * scaled).sum(0) / cosine.sum()
    torch.testing.assert_close(row(fltrust(root=0), x), expected)
    x[1:] *= 1e30
    assert row(fltrust(root=0), x).norm() <= x[0].norm() * (1 + 1e-12)
    assert not row(fltrust(root=0), torch.tensor([[1.0], [-1.0], [0.0]])).any()


def test_fltrust_needs_its_root():
    with pytest.raises(InputError, match="round 1 fltrust has no update of its root, client 9"):
        row(fltrust(root=9), X)


@pytest.mark.parametrize(
    "argument", [{"radius": 0.0}, {"radius": 1.0, "iterations": 0}, {"radius": -1.0}]
)
def test_centred_clipping_refuses_what_it_cannot_do(argument):
    with pytest.raises(InputError, match="must be"):
        centred_clipping(**argument)


@few
@given(k=st.integers(1, 4), d=st.sampled_from([1, 16383, 16384, 16385, 40000]))
def test_columns_are_all_worked_on_once(k, d):
    x, centre = rows(k, d, k), rows(1, d, 9)[0]
    shifted = x - centre
    torch.testing.assert_close(gram(x, centre), shifted @ shifted.T)
    torch.testing.assert_close(lengths(x, centre), shifted.norm(dim=1))
    shares = rows(2, k, 3)
    torch.testing.assert_close(combine(shares, x, centre), shares @ shifted)
    distances = torch.cdist(x, x) ** 2
    torch.testing.assert_close(squared_distances(x), distances, rtol=1e-9, atol=1e-9)
