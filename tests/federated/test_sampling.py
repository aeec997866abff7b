import torch

from fedqml.federated.sampling import sample


def test_a_cohort_has_distinct_clients_in_order():
    for round in range(1, 50):
        cohort = sample(10, 4, seed=1, round=round)
        assert len(set(cohort.tolist())) == 4
        assert torch.equal(cohort, cohort.sort().values)


def test_rounds_and_seeds_draw_differently_and_each_draw_repeats():
    draws = {tuple(sample(100, 5, seed, r).tolist()) for seed in (0, 1) for r in (1, 2)}
    assert len(draws) == 4
    assert torch.equal(sample(100, 5, 0, 1), sample(100, 5, 0, 1))


def test_every_client_is_drawn_equally_often():
    n, rounds = 10, 2000
    counts = torch.zeros(n)
    for round in range(1, rounds + 1):
        counts[sample(n, 3, 0, round)] += 1
    expected, sigma = rounds * 0.3, (rounds * 0.3 * 0.7) ** 0.5
    assert ((counts - expected).abs() < 4.5 * sigma).all()
