"""Runs on a virtual clock: who trains from which weights, and that nothing of it gets lost."""

from dataclasses import replace

import pytest
import torch

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy, chain
from fedqml.engines import in_place, sequential, vectorised
from fedqml.experiments.assembly import federation
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.rounds import advance, begin, proceed
from fedqml.experiments.run import run_in
from fedqml.experiments.store import Store
from fedqml.federated import aggregators, local
from fedqml.federated.aggregators import fltrust, mean
from fedqml.federated.attacks import free_rider
from fedqml.federated.clocks import asynchronous, synchronous
from fedqml.federated.compression import quantise
from fedqml.federated.decays import polynomial
from fedqml.federated.distributions import exponential, lognormal, uniform
from fedqml.federated.local import adam, sgd
from fedqml.federated.preaggregators import fedasync, staleness_scaling
from fedqml.federated.transforms import client_momentum
from tests.experiments.watching import Stop, silent
from tests.federations import AVERAGING, hybrid, task, with_dropout

UNEQUAL = asynchronous(4, lognormal(0.1, 1.0), exponential(0.5), download=1e3, upload=500.0)
EQUAL = uniform(0.5, 0.5)
FEDBUFF = Strategy(server=chain(staleness_scaling(polynomial()), mean(weighted=False)))
FEDASYNC = Strategy(server=chain(fedasync(0.6, polynomial()), mean()))


def ready(clock, strategy=FEDBUFF, rule=None, engine=None, model=hybrid, rounds=6, k=2, **kwargs):
    rule = rule or sgd(lr=0.2, batch_size=4)
    engine = engine or vectorised(2)
    return federation(task(model, **kwargs), rule, strategy, engine, rounds, k, 0, "", clock)


def ended(federation):
    *_, last = proceed(federation, begin(federation))
    return last


@pytest.mark.parametrize("engine", [vectorised(2), sequential()])
def test_equal_clients_train_as_in_rounds_to_the_same_bits(engine):
    own = {"rows": 42, "model": with_dropout, "rounds": 4}  # 7 rows for each of the 6 clients
    one = ended(ready(asynchronous(2, EQUAL), AVERAGING, engine=engine, **own))
    two = ended(ready(synchronous(EQUAL), AVERAGING, engine=engine, **own))
    assert one.digest() == two.digest()
    assert one.rows[-1]["time"] == 4 * 0.5 * 7
    plain = ended(ready(None, AVERAGING, engine=engine, **own))
    assert torch.equal(one.params, plain.params)
    virtual = {"time", "staleness"}
    rows = [{k: v for k, v in row.items() if k not in virtual} for row in one.rows]
    assert replace(one, rows=tuple(rows)).digest() == plain.digest()


@pytest.mark.parametrize("strategy", [FEDBUFF, FEDASYNC])
@pytest.mark.parametrize("model", [hybrid, with_dropout])
def test_engines_train_the_same_model(strategy, model):
    rule = adam(lr=0.02, batch_size=4, keep_state=True)
    ends = [
        ended(ready(UNEQUAL, strategy, rule, engine, model))
        for engine in (sequential(), vectorised(2), in_place())
    ]
    for other in ends[1:]:
        torch.testing.assert_close(ends[0].params, other.params, rtol=1e-9, atol=1e-8)
        for name in ("clients", "time", "staleness"):
            assert [r[name] for r in ends[0].rows] == [r[name] for r in other.rows]
    assert max(max(row["staleness"], default=0) for row in ends[0].rows) > 0


def test_an_update_is_that_of_the_weights_with_which_its_client_began():
    federation = ready(UNEQUAL, rounds=12, engine=sequential())
    versions = [begin(federation)]
    stale = 0
    for now in proceed(federation, versions[0]):
        before, number = versions[-1], now.round
        turn = federation.turn(number)
        steps = []
        for client, version in zip(turn.clients, turn.versions, strict=True):
            # The same client alone, in a round that begins with the weights of then.
            own = replace(federation.turn(number), clients=(client,), versions=(number - 1,))
            turns = (*federation.schedule.turns[: number - 1], own)
            alone = replace(
                federation,
                schedule=replace(federation.schedule, turns=turns),
                server=mean(),
            )
            then = replace(before, params=versions[version].params)
            trained = advance(alone, then).params - then.params
            steps.append(trained / (number - version) ** 0.5)
            stale += version < number - 1
        torch.testing.assert_close(now.params, before.params + torch.stack(steps).mean(0))
        versions.append(now)
    assert stale > 3


def stateful(folder=None, stop=None):
    client = chain(client_momentum(0.5), free_rider([3]), quantise(8))
    strategy = Strategy(server=chain(fedasync(0.6), mean()), client=client)
    rule = adam(lr=0.02, batch_size=4, keep_state=True)
    federation = ready(UNEQUAL, strategy, rule, model=with_dropout, rounds=9, k=2)
    if folder is None:
        return ended(federation).digest()
    labels = {"name": "n", "title": "t", "arm": {"label": "a", "central": False}}
    return run_in(Store(folder), federation, labels, {}, 2, stop).summary["hash"]


def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path):
    uninterrupted = stateful()
    for round in (1, 2, 5, 8):
        with pytest.raises(KeyboardInterrupt):
            stateful(tmp_path / str(round), Stop(round))
        assert stateful(tmp_path / str(round), silent) == uninterrupted


def test_only_versions_of_clients_still_to_arrive_are_kept():
    federation = ready(UNEQUAL, rounds=30)
    most = 0
    for progress in proceed(federation, begin(federation)):
        later = federation.schedule.turns[progress.round :]
        needed = {str(v) for t in later for v in t.versions if v < progress.round}
        assert progress.past.keys() == needed
        most = max(most, len(progress.past))
    assert 1 <= most <= 4  # the concurrency
    assert not progress.past


def test_late_clients_stand_in_the_history_and_train_nothing():
    clock = synchronous(lognormal(0.1, 1.0), deadline=0.8)
    last = ended(ready(clock, k=4))
    late = [row for row in last.rows if "absent" in row]
    assert late
    for row in late:
        assert {int(client) for client in row["absent"]} < set(row["clients"])
        present = len(row["clients"]) - len(row["absent"])
        missing = {
            str(c) for c, age in zip(row["clients"], row["staleness"], strict=True) if age is None
        }
        assert missing == row["absent"].keys()
        assert row["bytes_down"] == present * last.params.nbytes
        assert all(why.startswith("late: it takes") for why in row["absent"].values())


def test_a_rule_that_needs_one_client_needs_all_in_each_round():
    strategy, allowed = Strategy(server=fltrust(root=4)), "must be the number of clients, 6"
    for clock in (None, UNEQUAL):
        with pytest.raises(InputError, match=allowed):
            ready(clock, strategy, k=5)
    assert ended(ready(UNEQUAL, strategy, k=6)).round == 6
    # With others late the root is there.
    last = ended(ready(synchronous(lognormal(0.1, 1.0), deadline=0.8), strategy, k=6))
    assert any("absent" in row for row in last.rows)


def test_rules_that_send_their_state_need_fresh_clients():
    strategy = Strategy(server=aggregators.scaffold())
    rule = local.scaffold(sgd(lr=0.1, batch_size=4))
    with pytest.raises(InputError, match="need a clock on which no update is stale"):
        ready(UNEQUAL, strategy, rule)
    assert ended(ready(synchronous(EQUAL), strategy, rule)).round == 6


@pytest.mark.parametrize(
    "rule",
    [
        local.fedprox(sgd(lr=0.1, batch_size=4), mu=0.5),
        local.ditto(sgd(lr=0.1, batch_size=4)),
        local.personal_layers(sgd(lr=0.1, batch_size=4), ["0.weight"]),
    ],
)
def test_rules_that_look_at_the_weights_received_look_at_those(rule):
    ends = [
        ended(ready(UNEQUAL, FEDASYNC, rule, engine)) for engine in (sequential(), vectorised(3))
    ]
    torch.testing.assert_close(ends[0].params, ends[1].params, rtol=1e-9, atol=1e-8)


def test_who_saves_another_schedule_has_another_run():
    one, two = ready(UNEQUAL), ready(asynchronous(3, EQUAL))
    assert len({one.signature(), two.signature(), ready(None, AVERAGING).signature()}) == 3
    assert one.signature() == ready(UNEQUAL).signature()


def test_compressed_updates_take_less_time():
    slow = asynchronous(2, EQUAL, upload=10.0)
    coded = replace(FEDBUFF, client=quantise(8))
    times = [ready(slow, s).schedule.turns[-1].time for s in (FEDBUFF, coded)]
    assert times[1] < times[0]


def test_from_python():
    history = fq.run(
        task(), fq.local.sgd(lr=0.1), FEDASYNC, rounds=5, clients_per_round=1, clock=UNEQUAL
    )
    times = history.column("time")
    assert times[0] == 0
    assert times == sorted(times)


TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 6},
    "model": {"use": "dense_vqc", "qubits": 2},
    "local": {"use": "sgd", "lr": 0.1},
    "strategy": {
        "server": [
            {"use": "staleness_scaling", "decay": {"use": "polynomial"}},
            {"use": "mean", "weighted": False},
        ]
    },
    "clock": {
        "use": "asynchronous",
        "concurrency": 4,
        "pace": {"use": "lognormal", "median": 0.01, "sigma": 1},
        "latency": {"use": "exponential", "mean": 0.2, "least": 0.1},
        "upload": 1000,
    },
    "run": {"rounds": 3, "clients_per_round": 2},
}


def test_from_a_file(tmp_path):
    (experiment,) = experiments(TABLE, "n", tmp_path)
    assert experiment.config["clock"]["pace"]["sigma"] == 1.0
    last = ended(builder()(experiment))
    assert last.rows[-1]["time"] > 0


def test_the_clock_knows_no_buffer_of_its_own(tmp_path):
    with pytest.raises(InputError, match=r"clock.buffer: unknown key.* Allowed: concurrency, pace"):
        experiments({**TABLE, "clock": {**TABLE["clock"], "buffer": 2}}, "n", tmp_path)
    few = {**TABLE, "clock": {**TABLE["clock"], "concurrency": 7}}
    (experiment,) = experiments(few, "n", tmp_path)
    with pytest.raises(InputError, match=r"clock: .* at most the number of clients, 6"):
        builder()(experiment)


def test_what_fails_in_one_s_own_clock_is_said_with_its_place():
    def broken(given):
        raise KeyError("boom")

    with pytest.raises(InputError, match="clock: it fails with KeyError: 'boom'"):
        ready(broken)


def negative():
    return lambda p: -p


def failing():
    raise KeyError("boom")


@pytest.mark.parametrize(
    ("own", "fault"),
    [
        ("negative", "clock: Argument `{}` must give seconds .* distribution `negative.* gives -"),
        ("failing", "clock.{}: `.*:failing` fails with KeyError: 'boom'"),
    ],
)
@pytest.mark.parametrize("name", ["pace", "latency"])
def test_distributions_of_one_s_own_are_checked_before_training(tmp_path, name, own, fault):
    clock = {**TABLE["clock"], name: {"use": f"{__name__}:{own}"}}
    (experiment,) = experiments({**TABLE, "clock": clock}, "n", tmp_path)
    with pytest.raises(InputError, match=fault.format(name)):
        builder()(experiment)


def test_a_rule_for_stale_updates_needs_a_clock():
    with pytest.raises(InputError, match="needs a section `clock`"):
        ready(None)
