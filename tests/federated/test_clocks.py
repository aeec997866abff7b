"""Virtual time: known schedules, and what every schedule keeps to."""

import importlib
import pkgutil
import time
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.core.random import shuffled, stream
from fedqml.federated.clock import Timing, Turn, Work, schedule
from fedqml.federated.clocks import asynchronous, synchronous
from fedqml.federated.distributions import exponential, lognormal, uniform
from fedqml.federated.sampling import sample

SETTINGS = {
    "asynchronous": {"concurrency": 3, "pace": uniform(1.0, 3.0)},
    "synchronous": {"pace": uniform(1.0, 3.0)},
    "uniform": {"least": 1.0, "most": 3.0},
    "exponential": {"mean": 2.0, "least": 0.5},
    "lognormal": {"median": 2.0, "sigma": 0.5},
}


def each_of(package):
    modules = pkgutil.iter_modules(importlib.import_module(package).__path__)
    factories = [getattr(importlib.import_module(f"{package}.{m.name}"), m.name) for m in modules]
    made = [pytest.param(factory(**SETTINGS[factory.__name__])) for factory in factories]
    return pytest.mark.parametrize("made", made, ids=[f.__name__ for f in factories])


def work(samples, cohort, seed=0, down=0.0, up=0.0):
    return Work(tuple(samples), down, up, cohort, seed)


def paces(*seconds):
    return lambda p: np.array(seconds, dtype=float)


def known(clock, work, steps):
    return [(t.clients, t.versions, t.time) for t in islice(clock(work), steps)]


def test_a_slow_client_s_update_is_three_steps_old():
    clock = asynchronous(concurrency=2, pace=paces(1, 3))
    assert known(clock, work([1, 1], cohort=1), 8) == [
        ((0,), (0,), 1.0),
        ((0,), (1,), 2.0),
        ((0,), (2,), 3.0),
        ((1,), (0,), 3.0),  # 3 = 4 - 1 - 0
        ((0,), (4,), 4.0),
        ((0,), (5,), 5.0),
        ((0,), (6,), 6.0),
        ((1,), (4,), 6.0),
    ]


def test_who_has_arrived_waits_for_the_buffer_to_fill():
    clock = asynchronous(concurrency=2, pace=paces(1, 3))
    assert known(clock, work([1, 1], cohort=2), 2) == [
        ((0, 1), (0, 0), 3.0),
        ((0, 1), (1, 1), 6.0),
    ]


def test_another_begins_in_the_place_of_one_that_waits():
    # One trains at a time, on the weights of before, until both are there.
    clock = asynchronous(concurrency=1, pace=paces(1, 3))
    assert known(clock, work([1, 1], cohort=2), 2) == [
        ((0, 1), (0, 0), 4.0),
        ((0, 1), (1, 1), 8.0),
    ]


def test_a_round_lasts_as_long_as_its_slowest_client():
    clock = synchronous(pace=paces(1, 3))
    assert known(clock, work([2, 1], cohort=2), 2) == [
        ((0, 1), (0, 0), 3.0),
        ((0, 1), (1, 1), 6.0),
    ]


def test_a_deadline_ends_a_round_and_leaves_out_who_is_late():
    clock = synchronous(pace=paces(1, 3), deadline=2.5)
    first, second = islice(clock(work([1, 1], cohort=2)), 2)
    assert (first.clients, first.time, list(first.absent)) == ((0,), 2.5, [1])
    assert second.time == 5.0
    patient = synchronous(pace=paces(1, 3), deadline=3.0)
    assert known(patient, work([1, 1], cohort=2), 1) == [((0, 1), (0, 0), 3.0)]


def test_a_round_of_which_nobody_would_be_in_time_is_refused():
    clock = synchronous(pace=paces(1, 3), deadline=0.5)
    with pytest.raises(InputError, match=r"round 1 nobody .* after 0.5 s, but .* takes 1 s"):
        schedule(clock, work([1, 1], cohort=2), 1)


def test_bytes_and_latency_take_time():
    timing = Timing(uniform(2.0, 2.0), uniform(0.25, 0.25), download=100.0, upload=10.0)
    needed = timing.durations(work([3, 1], cohort=2, down=50.0, up=20.0))
    # 0.25 + 50/100 + 2 n + 0.25 + 20/10
    assert needed(1, [0, 1]) == [9.0, 5.0]
    assert needed(1, [1]) == [5.0]


def test_latency_is_drawn_for_each_client_and_round():
    needed = Timing(uniform(0.0, 0.0), exponential(1.0)).durations(work([1] * 3, cohort=1))
    assert len({*needed(1, [0, 1, 2]), *needed(2, [0, 1, 2])}) == 6
    assert needed(1, [2, 0]) == needed(1, [0, 1, 2])[::-2]


def by_hand(work, concurrency, pace, latency, steps):
    """The asynchronous schedule by a loop over all clients, which keeps watch over concurrency."""
    durations = Timing(pace, latency).durations(work)
    n, now, version = len(work.samples), 0.0, 0
    training, arrived, passed, turns = {}, {}, set(), []
    while len(turns) < steps:
        order = [int(c) for c in shuffled(n, stream(work.seed, "cohort", version + 1))]
        for client in order:
            if len(training) == concurrency:
                break
            if client not in training and client not in arrived and client not in passed:
                training[client] = now + durations(version + 1, [client])[0], version
                passed.add(client)
        assert len(training) == min(concurrency, n - len(arrived))
        now = min(arrival for arrival, _ in training.values())
        for client in sorted(c for c, (arrival, _) in training.items() if arrival == now):
            arrived[client] = training.pop(client)[1]
            if len(arrived) == work.cohort:
                clients = tuple(sorted(arrived))
                turns.append((clients, tuple(arrived[c] for c in clients), now))
                version, arrived, passed = version + 1, {}, set()
    return turns[:steps]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_every_asynchronous_schedule_keeps_to(data):
    n = data.draw(st.integers(1, 12))
    cohort, concurrency = (data.draw(st.integers(1, n)) for _ in range(2))
    # Small whole numbers make many arrive at the same instant.
    samples = data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n))
    spread = data.draw(st.sampled_from([uniform(1.0, 1.0), lognormal(1.0, 1.0)]))
    latency = data.draw(st.sampled_from([None, exponential(1.0)]))
    given = work(samples, cohort, seed=data.draw(st.integers(0, 99)))
    made = schedule(asynchronous(concurrency, spread, latency), given, 30)
    last_step = dict.fromkeys(range(n), 0)
    now = 0.0
    for number, turn in enumerate(made.turns, start=1):
        assert len(turn.clients) == cohort
        assert list(turn.clients) == sorted(set(turn.clients))
        assert turn.time >= now
        now = turn.time
        for client, version in zip(turn.clients, turn.versions, strict=True):
            # Not stale below 0, and not begun before the client's last one was taken.
            assert last_step[client] <= version <= number - 1
            last_step[client] = number
            assert made.last[version] >= number
    found = [(t.clients, t.versions, t.time) for t in made.turns]
    assert found == by_hand(given, concurrency, spread, latency, 30)


def test_equal_clients_make_rounds_of_equal_length_with_the_usual_cohorts():
    same = uniform(0.1, 0.1)
    given = work([7] * 9, cohort=4, seed=3)
    one = schedule(asynchronous(4, same), given, 50)
    assert one == schedule(synchronous(same), given, 50)
    cohorts = [tuple(sample(9, 4, 3, round).tolist()) for round in range(1, 51)]
    assert [turn.clients for turn in one.turns] == cohorts
    assert not one.stale


def test_a_schedule_begins_as_a_shorter_one():
    given = work([3, 1, 4, 1, 5, 9, 2, 6], cohort=2)
    clock = asynchronous(5, lognormal(1.0, 1.0), exponential(0.5))
    assert schedule(clock, given, 40).turns[:15] == schedule(clock, given, 15).turns


def test_a_thousand_clients_are_scheduled_in_no_time():
    given = work([100] * 1000, cohort=10)
    clock = asynchronous(100, lognormal(0.01, 1.0), exponential(0.5))
    began = time.perf_counter()
    made = schedule(clock, given, 200)
    assert time.perf_counter() - began < 5  # measured: 0.1 s
    assert made.stale


@each_of("fedqml.federated.clocks")
def test_a_clock_gives_the_same_rising_times_and_clients_each_time(made):
    given = work([3, 1, 4, 1, 5], cohort=2)
    turns = schedule(made, given, 20).turns
    assert turns == schedule(made, given, 20).turns
    assert all(turn.clients == tuple(sorted(set(turn.clients))) for turn in turns)
    assert all(len(turn.clients) + len(turn.absent) == 2 for turn in turns)
    assert all(max(turn.versions) <= number for number, turn in enumerate(turns))
    times = [turn.time for turn in turns]
    assert times[0] > 0
    assert times == sorted(times)


@each_of("fedqml.federated.distributions")
def test_a_distribution_s_quantiles_rise_and_none_is_negative(made):
    values = made(np.array([[1e-12, 0.1], [0.5, 1 - 1e-12]]))
    assert values.shape == (2, 2)
    assert values[0, 0] >= 0
    assert (np.diff(values.reshape(-1)) > 0).all()
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("spread", "mean"),
    [
        (uniform(1.0, 3.0), 2.0),
        (exponential(2.0, least=0.5), 2.5),
        (lognormal(2.0, 0.5), 2.0 * np.exp(0.125)),
    ],
)
def test_a_distribution_has_its_mean(spread, mean):
    p = (np.arange(100_000) + 0.5) / 100_000
    values = spread(p)
    assert abs(values.mean() - mean) < 1e-3 * mean


def test_what_is_out_of_range_is_refused():
    pace = uniform(1.0, 1.0)
    for make, words in (
        (lambda: asynchronous(0, pace), "`concurrency` must be at least 1"),
        (lambda: asynchronous(1, pace, download=0.0), "`download` must be positive"),
        (lambda: synchronous(pace, upload=-1.0), "`upload` must be positive"),
        (lambda: synchronous(pace, deadline=0.0), "`deadline` must be positive"),
        (lambda: uniform(2.0, 1.0), "`most` must be finite and at least `least`"),
        (lambda: uniform(-1.0, 1.0), "`least` must be at least 0"),
        (lambda: exponential(-1.0), "`mean` must be finite and at least 0"),
        (lambda: lognormal(0.0, 1.0), "`median` must be positive"),
        (lambda: lognormal(1.0, -1.0), "`sigma` must be finite and at least 0"),
    ):
        with pytest.raises(InputError, match=words):
            make()
    with pytest.raises(InputError, match="`concurrency` must be at most the number of clients, 2"):
        schedule(asynchronous(3, pace), work([1, 1], cohort=1), 1)
    with pytest.raises(InputError, match=r"`pace` must give seconds from 0 to 1e\+15"):
        schedule(asynchronous(1, paces(-1, 1)), work([1, 1], cohort=1), 1)


@pytest.mark.parametrize("name", ["pace", "latency"])
@pytest.mark.parametrize(
    ("own", "fault"),
    [
        (lambda p: 1 / 0, "fails with ZeroDivisionError: division by zero"),
        (lambda p: p - 2, r"gives -1\.\d+"),
        (lambda p: p * np.nan, "gives nan"),
        (lambda p: p + np.inf, "gives inf"),
        (lambda p: 3.0, r"gives an array of type float64 and shape \(\) for shape"),
        (lambda p: None, "gives an array of type object"),
        (lambda p: p.astype(str), "gives an array of type <U"),
        (lambda p: p > 0, "gives an array of type bool"),
        (lambda p: p + 1j, "gives an array of type complex128"),
    ],
)
def test_a_distribution_of_one_s_own_is_named_where_it_gives_no_durations(name, own, fault):
    own.__qualname__ = "mine"
    spreads = {"pace": uniform(1.0, 1.0), name: own}
    for clock in (synchronous(**spreads), asynchronous(1, **spreads)):
        with pytest.raises(InputError, match=f"`{name}` must give .* `mine` {fault}"):
            schedule(clock, work([1, 1], cohort=1), 1)


def test_a_distribution_of_one_s_own_may_give_a_list():
    clocks = [synchronous(spread) for spread in (lambda p: [2] * len(p), uniform(2.0, 2.0))]
    one, two = (schedule(clock, work([1, 3], cohort=2), 2) for clock in clocks)
    assert one == two


def test_a_schedule_of_which_there_is_no_end_is_refused_at_once():
    with pytest.raises(InputError, match=r"at most 1000000 updates, but .* is 2000000000"):
        schedule(synchronous(uniform(1.0, 1.0)), work([1, 1], cohort=2), 10**9)


@pytest.mark.parametrize(
    ("timing", "name"),
    [
        ({"pace": uniform(1e307, 1e307)}, "pace"),
        ({"pace": uniform(1e14, 1e14)}, "pace"),  # 10 examples
        ({"pace": uniform(1.0, 1.0), "latency": uniform(1e16, 1e16)}, "latency"),
        ({"pace": uniform(1.0, 1.0), "download": 5e-324}, "download"),
        ({"pace": uniform(1.0, 1.0), "upload": 1e-15}, "upload"),
        ({"pace": lambda p: 1.0}, "pace"),
        ({"pace": paces(1, 2)}, "pace"),
    ],
)
def test_durations_that_nobody_can_wait_for_are_refused(timing, name):
    given = work([11, 11, 11], cohort=2, down=10.0, up=10.0)
    with pytest.raises(InputError, match=f"`{name}` must give"):
        schedule(synchronous(**timing), given, 2)


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (Turn((), (), 2.0), "there must be from 1 to 2 clients"),
        (Turn((0,), (1,), 2.0, {1: "late", 2: "late"}), "there must be from 1 to 2 clients"),
        (Turn((0, 3), (1, 1), 2.0), "from 0 to 2 and rising"),
        (Turn((-1, 1), (1, 1), 2.0), "from 0 to 2 and rising"),
        (Turn((1, 0), (1, 1), 2.0), "from 0 to 2 and rising"),
        (Turn((1, 1), (1, 1), 2.0), "from 0 to 2 and rising"),
        (Turn((1,), (1,), 2.0, {1: "late"}), "from 0 to 2 and rising"),
        (Turn((True,), (1,), 2.0), "from 0 to 2 and rising"),
        (Turn((0, 1), (1,), 2.0), "`versions` must be one a client, from 0 to 1"),
        (Turn((0, 1), (1, 2), 2.0), "`versions` must be one a client, from 0 to 1"),
        (Turn((0, 1), (-1, 1), 2.0), "`versions` must be one a client, from 0 to 1"),
        (Turn((0, 1), (0, 1), 0.5), "`time` must be finite and at least 1, but it is 0.5"),
        (Turn((0, 1), (0, 1), float("inf")), "`time` must be finite"),
        (Turn((0, 1), (0, 1), float("nan")), "`time` must be finite"),
        (Turn((0, 1), (0, 1)), "`time` must be finite"),
    ],
)
def test_steps_of_one_s_own_clock_are_checked(second, fault):
    with pytest.raises(InputError, match=f"In step 2 of the clock .*{fault}"):
        schedule(lambda work: iter([Turn((0, 1), (0, 0), 1.0), second]), work([1] * 3, 2), 2)


def test_a_clock_of_one_s_own_that_ends_too_early_is_refused():
    with pytest.raises(InputError, match="`rounds` must be at most the clock's 1 steps"):
        schedule(lambda work: iter([Turn((0,), (0,), 1.0)]), work([1], 1), 2)
