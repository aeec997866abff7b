"""Remote rounds through bytes, without a network: the same bits as in one process."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from fedqml.core.errors import InputError
from fedqml.core.updates import Updates, concatenate
from fedqml.engines.remote.engine import _saved
from fedqml.engines.remote.job import Job, Parcel, Reply, read_job, read_reply, to_bytes
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.environment import software
from fedqml.experiments.run import run_experiment
from fedqml.federation.memory import Memory
from tests.experiments.watching import Stop, silent
from tests.federation.in_process import InProcess

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 7},
    "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"depth": 1}, "dropout": 0.2},
    "local": {"use": "adam", "lr": 0.02, "batch_size": 64, "keep_state": True},
    "strategy": {"client": [{"use": "clip", "norm": 0.1}]},
    "engine": {"use": "sequential"},
    "run": {"rounds": 4, "clients_per_round": 5, "checkpoint_every": 1},
}
ONE = {"bern": [0, 1, 2, 3, 4, 5, 6]}
TWO = {"bern": [0, 3, 6], "ulm": [1, 2, 4, 5]}
EACH = {f"node{client}": [client] for client in range(7)}
THREE = {"bern": [6], "ulm": [1, 2, 4], "wien": [0, 3, 5]}


def experiment(*overrides, on_nodes=False):
    return experiments(TABLE, "demo", Path(), overrides, on_nodes)[0]


def remote(transport, results, *overrides, watch=silent):
    run = experiment("engine.asks=1", "engine.deadline=5.0", *overrides, on_nodes=True)
    return run_experiment(run, builder(transport), results, watch)


def rows(results):
    (history,) = results.glob("*/history.jsonl")
    return [json.loads(line) for line in history.read_text().splitlines()]


@pytest.mark.parametrize("hosts", [ONE, TWO, THREE])
@pytest.mark.parametrize("engine", ["sequential", "vectorised", "in_place"])
def test_nodes_give_the_bits_of_one_process(tmp_path, hosts, engine):
    use = f"engine={{use='{engine}'}}"
    here = run_experiment(experiment(use), builder(), tmp_path, silent)
    there = remote(InProcess(tmp_path, hosts), tmp_path, use)
    assert there.summary["hash"] == here.summary["hash"]
    assert there.summary["final"]["test_loss"] < 0.69


def test_portions_of_a_vectorised_engine_are_those_of_one_process(tmp_path):
    use = "engine={use='vectorised', at_once=2}"
    here = run_experiment(experiment(use), builder(), tmp_path, silent)
    there = remote(InProcess(tmp_path, THREE), tmp_path, use)
    assert there.summary["hash"] == here.summary["hash"]


def test_vectorised_clients_of_unequal_size_are_the_same_up_to_rounding(tmp_path):
    use = "engine={use='vectorised'}", "partition.clients=20"
    here = run_experiment(experiment(*use), builder(), tmp_path, silent).summary["final"]
    hosts = {"bern": [*range(10)], "ulm": [*range(10, 20)]}
    there = remote(InProcess(tmp_path, hosts), tmp_path, *use).summary["final"]
    assert there["test_loss"] == pytest.approx(here["test_loss"], rel=1e-5)


def test_clients_of_very_unequal_size(tmp_path):
    skewed = (
        "partition={use='quantity_skew', clients=3, alpha=0.5, least=5}",
        "engine={use='vectorised'}",
        "model.dropout=0.0",
        "local.batch_size=5",
        "run.clients_per_round=3",
        "run.rounds=12",
        "run.checkpoint_every=12",
    )
    here = run_experiment(experiment(*skewed), builder(), tmp_path, silent)
    transport = InProcess(tmp_path, {"bern": [0], "ulm": [1], "wien": [2]})
    there = remote(transport, tmp_path, *skewed)
    assert there.summary["hash"] == here.summary["hash"]


def test_attackers_poison_their_rows_on_their_nodes(tmp_path):
    poison = "poison={use='backdoor', attackers=[1, 3], target=1, value=4.0}"
    here = run_experiment(experiment(poison), builder(), tmp_path, silent)
    there = remote(InProcess(tmp_path, TWO), tmp_path, poison)
    assert there.summary["hash"] == here.summary["hash"]
    assert "test_backdoor_success" in there.summary["final"]


@pytest.mark.parametrize("hosts", [TWO, EACH])
@pytest.mark.parametrize(
    "attack",
    [
        "{use='sign_flip', attackers=0.4}",
        "{use='free_rider', attackers=0.4}",
        "{use='model_replacement', attackers=[0, 4]}",
    ],
)
def test_attackers_on_nodes_are_those_of_the_whole_cohort(tmp_path, attack, hosts):
    attacked = f"strategy.client=[{attack}]", "run.rounds=2"
    here = run_experiment(experiment(*attacked), builder(), tmp_path, silent)
    there = remote(InProcess(tmp_path, hosts), tmp_path, *attacked)
    assert there.summary["hash"] == here.summary["hash"]


def test_clients_of_unequal_hardware(tmp_path):
    fleet = "fleet=[{clients='1-3', device={use='parameter_shift'}}]"
    here = run_experiment(experiment(fleet), builder(), tmp_path, silent)
    there = remote(InProcess(tmp_path, TWO), tmp_path, fleet)
    assert there.summary["hash"] == here.summary["hash"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    results = tmp_path_factory.mktemp("whole")
    return run_experiment(experiment(), builder(), results, silent).summary["hash"]


@pytest.mark.parametrize("round", range(5))
def test_a_server_that_was_stopped_goes_on_to_the_same_bits(tmp_path, whole, round):
    with pytest.raises(KeyboardInterrupt):
        remote(InProcess(tmp_path, TWO), tmp_path, watch=Stop(round))
    outcome = remote(InProcess(tmp_path, TWO), tmp_path)
    assert outcome.resumed == round
    assert outcome.summary["hash"] == whole


def test_a_server_that_lost_its_newest_checkpoint_goes_on_to_the_same_bits(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        remote(InProcess(tmp_path, TWO), tmp_path, watch=Stop(3))
    (checkpoint,) = tmp_path.glob("*/checkpoints/000003.json")
    checkpoint.unlink()
    outcome = remote(InProcess(tmp_path, TWO), tmp_path)
    assert outcome.resumed == 2
    assert outcome.summary["hash"] == whole


def test_states_that_no_round_needs_any_more_are_dropped(tmp_path):
    remote(InProcess(tmp_path, ONE), tmp_path, "run.rounds=12", "run.clients_per_round=7")
    kept = sorted(int(p.stem) for p in (tmp_path / "bern/states").glob("*/4/*.safetensors"))
    assert kept == [10, 11, 12]


def test_states_of_runs_of_long_ago_are_dropped_when_another_begins(tmp_path):
    transport = InProcess(tmp_path, ONE)
    remote(transport, tmp_path, "run.seeds=[1]")
    (old,) = tmp_path.glob("bern/states/*")
    (recent,) = {*_states_after(transport, tmp_path, 2)} - {old}
    for client in old.iterdir():
        os.utime(client, (0, time.time() - 91 * 86400))
    assert {*_states_after(transport, tmp_path, 3)} > {recent}
    assert not old.exists()


def _states_after(transport, folder, seed):
    remote(transport, folder, f"run.seeds=[{seed}]")
    return folder.glob("bern/states/*")


def test_a_node_that_lost_a_state_says_so(tmp_path):
    def forgetful(node, job, work):
        if b'"round":3' in job.head:
            for state in tmp_path.glob(f"{node}/states/*/*/*.safetensors"):
                state.unlink()
        return work(job)

    with pytest.raises(InputError, match=r"has not the state of client \d after round [12]"):
        remote(InProcess(tmp_path, TWO, forgetful), tmp_path)


def test_a_node_that_vanishes_is_asked_again(tmp_path, whole):
    failures = iter(["it has vanished", "it has vanished"])

    def vanishing(node, job, work):
        return next(failures, None) or work(job)

    outcome = remote(InProcess(tmp_path, TWO, vanishing), tmp_path)
    assert outcome.summary["hash"] == whole


def test_a_job_that_was_done_is_not_done_again(tmp_path, whole):
    lost = iter([True])

    def losing(node, job, work):
        reply = work(job)
        train = b'"kind":"train"' in job.head
        return "the answer was lost" if train and next(lost, False) else reply

    transport = InProcess(tmp_path, ONE, losing)
    assert remote(transport, tmp_path).summary["hash"] == whole
    decisions = [entry.decision for entry in transport.log]
    assert decisions == ["answered", "trained", "answered again", *["trained"] * 3]


def silent_node(node, job, work):
    return None if node == "ulm" and b'"round":2' in job.head else work(job)


def test_a_round_goes_on_without_stragglers_if_the_terms_allow(tmp_path):
    terms = "engine.least_clients=1", "engine.deadline=1.0"
    remote(InProcess(tmp_path, TWO, silent_node), tmp_path, *terms)
    history = rows(tmp_path)
    absent = history[2]["absent"]
    assert [int(c) for c in absent] == [c for c in history[2]["clients"] if c in TWO["ulm"]]
    assert set(absent.values()) == {"No answer in 1 s."}
    assert history[2]["samples"] < history[1]["samples"]
    assert "absent" not in history[3]


def test_too_few_answers_stop_the_run_with_the_reasons_and_the_rounds_done_are_saved(tmp_path):
    with pytest.raises(InputError, match=r"Only \d of the round's 5 clients answered, and 5 must"):
        remote(InProcess(tmp_path, TWO, silent_node), tmp_path, "engine.deadline=0.5")
    outcome = remote(InProcess(tmp_path, TWO), tmp_path, "engine.deadline=0.5")
    assert outcome.resumed == 1


def test_a_node_that_is_away_is_waited_for(tmp_path, whole):
    transport = InProcess(tmp_path, TWO)
    transport.away = {"ulm"}
    looks = iter(range(3))
    nodes = transport.nodes

    def returning():
        if next(looks, None) is None:
            transport.away = set()
        return nodes()

    transport.nodes = returning
    assert remote(transport, tmp_path).summary["hash"] == whole


def test_clients_that_nobody_hosts_are_named(tmp_path):
    hosts = {"bern": [0, 1, 2], "ulm": [3, 4]}
    with pytest.raises(InputError, match=r"Client [56]: No node is to host it"):
        remote(InProcess(tmp_path, hosts), tmp_path, "engine.deadline=0.5")


@pytest.mark.parametrize("names", [("bern", "ulm"), ("ulm", "bern")])
def test_a_node_cannot_take_another_s_clients(tmp_path, names):
    own, other = names
    transport = InProcess(tmp_path, {own: [3, 4, 5, 6], other: [0, 1, 2, 3]})
    transport.assigned[other] = [0, 1, 2]
    with pytest.raises(
        InputError, match=rf"^The node {other}: It claims client 3, which it is not"
    ):
        remote(transport, tmp_path, "engine.deadline=0.5", "run.clients_per_round=7")
    transport.assigned[other] = [0, 1, 2, 3]
    with pytest.raises(InputError, match="Client 3 is to be hosted by bern and by ulm"):
        remote(transport, tmp_path)


def test_a_refused_node_of_nobody_does_not_stop_the_others(tmp_path, whole):
    def other(node, job, work):
        reply = work(job)
        head = {**json.loads(reply.head), "software": "fedqml 9.9"}
        return reply if node != "wien" else Parcel(json.dumps(head).encode())

    transport = InProcess(tmp_path, {**TWO, "wien": []}, other)
    assert remote(transport, tmp_path).summary["hash"] == whole
    transport = InProcess(tmp_path, {**TWO, "wien": [3]}, other)
    transport.assigned |= {"bern": [0, 6]}
    with pytest.raises(InputError, match=r"node wien: The server has .* the node has fedqml 9"):
        remote(transport, tmp_path, "run.seeds=[1]", "run.clients_per_round=7")


def tampered(**changes):
    """Return a node that changes the head of its replies."""

    def change(node, job, work):
        reply = work(job)
        if b'"kind":"train"' not in job.head:
            return reply
        head = {**json.loads(reply.head), **changes}
        return Parcel(json.dumps(head).encode(), reply.body)

    return change


def body(make):
    """Return a node that sends other tensors."""

    def change(node, job, work):
        reply = work(job)
        return replace(reply, body=make(reply)) if b'"kind":"train"' in job.head else reply

    return change


def tensors(**shapes):
    return body(lambda reply: to_bytes({n.replace("_", "/", 1): t for n, t in shapes.items()}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda node, job, work: Parcel(b"{"), "no JSON"),
        (lambda node, job, work: Parcel(b"[" * 100_000), "no JSON"),
        (lambda node, job, work: Parcel(b'{"a":' * 33 + b"1" + b"}" * 33), "deeper than 32 levels"),
        (lambda node, job, work: Parcel(b'{"nonce": NaN}'), "NaN is no number of JSON"),
        (lambda node, job, work: Parcel(b" " * (2 << 20)), "1048576 may be"),
        (tampered(nonce="0" * 32), "to another job"),
        (tampered(nonce=7), "`nonce` must be of type str"),
        (tampered(clients=[0, 1]), "must be of the clients"),
        (tampered(clients={"0": 1}), "`clients` must be of type list"),
        (tampered(refusal="No,\x1b[31m never."), r"No, \[31m never\."),
        (body(lambda reply: b""), "not in the format of safetensors"),
        (body(lambda reply: reply.body[:-3]), "not in the format of safetensors"),
        (body(lambda reply: reply.body + bytes(1 << 17)), "bytes, but"),
        (tensors(delta=torch.zeros(1)), "must hold"),
    ],
)
def test_what_a_node_sends_is_checked(tmp_path, change, reason):
    with pytest.raises(InputError, match=reason):
        remote(InProcess(tmp_path, TWO, change), tmp_path, "engine.deadline=0.5")


@pytest.mark.parametrize("weight", [1e30, -1.0, torch.nan])
def test_a_node_does_not_say_how_much_its_clients_weigh(tmp_path, weight):
    def heavy(reply):
        found = load(reply.body)
        found["weight"][0] = weight
        return to_bytes(found)

    with pytest.raises(InputError, match=r"Its clients weigh \[\d+, "):
        remote(InProcess(tmp_path, TWO, body(heavy)), tmp_path, "engine.deadline=0.5")


def test_why_a_client_was_absent_is_no_part_of_the_hash(tmp_path):
    hashes = set()
    for reason in ("it sleeps", "\x1b[31m it is ill"):
        folder = tmp_path / reason[-3:]
        folder.mkdir()

        def ill(node, job, work, reason=reason):
            return reason if node == "ulm" and b'"round":2' in job.head else work(job)

        terms = "engine.least_clients=1", "engine.deadline=2.0"
        hashes.add(remote(InProcess(folder, TWO, ill), folder, *terms).summary["hash"])
        told = {why for row in rows(folder) for why in row.get("absent", {}).values()}
        assert all(why.isprintable() for why in told)
    assert len(hashes) == 1


def test_updates_are_folded_as_soon_as_those_before_them_are_there(tmp_path, monkeypatch):
    held = []

    def concatenated(parts):
        held.append(len(transport.sent))
        return concatenate(parts)

    monkeypatch.setattr("fedqml.engines.remote.engine.concatenate", concatenated)
    hosts = {"ulm": [4, 5, 6], "bern": [0, 1, 2, 3]}  # asked in turn, the last first
    transport = InProcess(tmp_path, hosts)
    remote(transport, tmp_path, "run.rounds=1", "run.clients_per_round=7")
    assert sorted(held) == held
    assert set(held) == {3, 4} or set(held) == {4}


@pytest.mark.parametrize(
    "rules",
    [
        [
            "local={use='scaffold', optimiser={use='sgd', lr=0.1}}",
            "strategy={server=[{use='scaffold'}]}",
        ],
        ["strategy={client=[{use='quantise', bits=4}]}"],
        ["strategy={client=[{use='top_k', fraction=0.1}]}"],
    ],
)
def test_what_rules_send_and_measure_crosses(tmp_path, rules):
    here = run_experiment(experiment(*rules), builder(), tmp_path, silent)
    there = remote(InProcess(tmp_path, TWO), tmp_path, *rules)
    assert there.summary["hash"] == here.summary["hash"]


@pytest.mark.parametrize(
    ("delta", "reason"),
    [
        (torch.zeros(2, 67), r"`delta` must be of shape and type \(\(2, 68\)"),
        (torch.zeros(2, 68, dtype=torch.float64), "`delta` must be of shape and type"),
        (torch.zeros(2, 34, dtype=torch.complex64), "`delta` must be of shape and type"),
    ],
)
def test_rows_of_another_shape_or_type(delta, reason):
    job = Job("train", software(), clients={3: 0, 5: 0})
    ones = torch.ones(2)
    metrics = {"train_loss": ones, "steps": ones}
    updates = Updates(torch.tensor([3, 5]), torch.zeros(2, 68), ones, metrics)
    right = Reply(job.nonce, software(), updates=updates).parcel()
    sent = {"delta": delta, "weight": ones, "metrics/train_loss": ones, "metrics/steps": ones}
    reply = replace(right, body=to_bytes(sent))
    with pytest.raises(InputError, match=reason):
        read_reply(reply, job, torch.zeros(68))


def test_rows_that_are_not_finite_are_refused_as_in_one_process(tmp_path):
    def diverging(reply):
        found = load(reply.body)
        found["delta"][0, 3] = torch.nan
        return to_bytes(found)

    def change(node, job, work):
        return body(diverging)(node, job, work) if node == "ulm" else work(job)

    remote(InProcess(tmp_path, TWO, change), tmp_path)
    history = rows(tmp_path)
    first = [min(c for c in row["clients"] if c in TWO["ulm"]) for row in history[1:]]
    assert [row["refused"] for row in history[1:]] == [[client] for client in first]


def test_other_software_is_named_at_both_sides(tmp_path, monkeypatch):
    transport = InProcess(tmp_path, ONE)
    monkeypatch.setattr("fedqml.experiments.build.software", lambda: "fedqml 9.9 (code x)")
    with pytest.raises(InputError, match=r"server has fedqml 9\.9 .* node has fedqml 0\.1"):
        remote(transport, tmp_path, "engine.deadline=0.5")
    assert "server has fedqml 9.9" in transport.log[0].reason


def job(transport):
    """Return the first job to train that was sent."""
    return next(parcel for _, parcel in transport.sent if b'"kind":"train"' in parcel.head)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A job to train, as it came to a node."""
    folder = tmp_path_factory.mktemp("asked")
    transport = InProcess(folder, ONE)
    remote(transport, folder, "run.rounds=1")
    return job(transport)


def refusal_of(folder, parcel, hosts=ONE, **policy):
    """Return what a node of its own says to a parcel."""
    transport = InProcess(folder, hosts, **policy)
    reply = json.loads(transport.work["bern"](parcel).head)
    assert transport.log[-1].decision == ("refused" if reply["refusal"] else "trained")
    assert transport.log[-1].reason == reply["refusal"]
    return reply["refusal"]


def changed(parcel, change):
    """Return a job with another content that is signed as it should be."""
    before = read_job(parcel)
    what = json.loads(json.dumps(before.experiment))
    change(what)
    return replace(before, experiment=what).parcel(parcel.body)


def altered(parcel, **changes):
    """Return a job with other fields."""
    return replace(read_job(parcel), **changes).parcel(parcel.body)


def nested(levels):
    return {"a": nested(levels - 1)} if levels else 1


def use(section, **table):
    return lambda what: what["config"].__setitem__(section, table)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (use("model", use="os:system"), "uses `os:system`"),
        (use("model", use="vgg_vqc", hidden=["/etc/passwd"]), "leads out of this node's folder"),
        (use("model", use="vgg_vqc", hidden=["a/../../b"]), "leads out of this node's folder"),
        (use("model", use="no_such"), "there is no `no_such`"),
        (use("data", use="digits"), "data are `digits`"),
        (use("engine", use="flower"), "trains by itself"),
        (use("engine", use="os:system"), "the job's is `os:system`"),
        (use("engine", use="vectorised", of={"use": "os:system"}), "the job's is `os:system`"),
        (use("sweep", **{"model.use": ["os:system"]}), "have ['sweep']"),
        (use("arms", mine={"model": {"use": "os:system"}}), "have ['arms']"),
        (use("local.use", name="os:system"), "have ['local.use']"),
        (use("model", **{"use": "dense_vqc", "ansatz.use": "os:system"}), "uses `os:system`"),
        (lambda what: what.pop("config"), "has no settings"),
        (lambda what: what.update(seed="zero"), "seeds must be"),
        (lambda what: what.update(code="other"), "own functions are not those"),
        (lambda what: what["config"]["local"].pop("lr"), "not whole"),
    ],
)
def test_what_a_server_asks_is_checked(tmp_path, asked, change, reason):
    assert reason in refusal_of(tmp_path, changed(asked, change))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda job: Parcel(b"junk"), "no JSON"),
        (lambda job: "The message has more than 9 bytes.", "more than 9 bytes"),
        (lambda job: changed(job, use("model", deep=nested(100))), "nested deeper than 32"),
        (lambda job: altered(job, round=0), "has the rounds 1 to 1, but not 0"),
        (lambda job: altered(job, round=2), "has the rounds 1 to 1, but not 2"),
        (lambda job: altered(job, cohort=7), "trains 5 clients a round, but not 7"),
        (lambda job: altered(job, clients=dict.fromkeys(range(7), 0)), "are not drawn for round 1"),
        (lambda job: replace(job, head=job.head.replace(b'"seed":0', b'"seed":1')), "signature"),
        (lambda job: replace(job, head=job.head.replace(b'"train"', b'"run"')), "`kind`"),
        (lambda job: replace(job, body=b""), "not in the format"),
        (lambda job: replace(job, body=to_bytes({"weights": torch.ones(3)})), "of shape"),
        (lambda job: replace(job, body=to_bytes({"weights": torch.ones(68) / 0})), "NaN or inf"),
    ],
)
def test_a_malformed_job_is_refused(tmp_path, asked, change, reason):
    assert reason in refusal_of(tmp_path, change(asked))


def test_an_engine_of_one_s_own_is_refused_though_the_owner_accepts_own_code(tmp_path, asked):
    engine = changed(asked, use("engine", use="os:system"))
    assert "`os:system`" in refusal_of(tmp_path, engine, own_code=["os:system"])


def test_clients_of_another_node_are_refused(tmp_path, asked):
    assert "but not" in refusal_of(tmp_path, asked, {"bern": [0]})


def test_what_the_policy_refuses_is_refused_with_its_reason(tmp_path, asked):
    reason = refusal_of(tmp_path, asked, most_rounds_a_day=1, models=["vgg_vqc"])
    assert "model is `dense_vqc`" in reason
    assert "68 weights" in refusal_of(tmp_path, asked, most_weights=67)
    assert "5 clients train" in refusal_of(tmp_path, asked, least_cohort=6)


def test_no_more_threads_than_cores(tmp_path, asked, monkeypatch):
    monkeypatch.setattr("fedqml.federation.worker.cores", lambda: 1)
    two = changed(asked, lambda what: what["config"]["run"].update(threads=2))
    assert "2 threads, but this node accepts at most 1" in refusal_of(tmp_path, two)


def test_each_experiment_is_built_apart_so_that_no_data_pile_up(tmp_path, asked, monkeypatch):
    made = []
    monkeypatch.setattr("fedqml.federation.worker.builder", lambda: made.append(1) or builder())
    transport = InProcess(tmp_path, ONE)
    for seed in (1, 2):
        transport.work["bern"](changed(asked, lambda what, seed=seed: what.update(seed=seed)))
    assert len(made) == 2


def test_clients_with_few_rows_are_not_trained(tmp_path, asked):
    assert "fewer rows than the 100" in refusal_of(tmp_path, asked, least_rows=100)
    assert refusal_of(tmp_path, asked, least_rows=50) == ""


def test_what_data_and_training_say_stays_on_the_node(tmp_path, asked, monkeypatch):
    def damaged(experiment):
        raise InputError("bern.csv, row 7: age is 4I.")

    monkeypatch.setattr("fedqml.federation.worker.builder", lambda: damaged)
    transport = InProcess(tmp_path, ONE)
    reply = transport.work["bern"](asked)
    assert "4I" not in reply.head.decode()
    assert "the node's log says why" in reply.head.decode()
    assert "row 7: age is 4I" in transport.log[-1].reason


def test_what_is_refused_after_work_was_done_counts(tmp_path, asked):
    transport = InProcess(tmp_path, ONE, most_rounds_a_day=1)
    replies = [transport.work["bern"](altered(asked, nonce=n * 32)) for n in "12"]
    assert "at most 1 a day" in json.loads(replies[1].head)["refusal"]
    other = InProcess(tmp_path, ONE, most_rounds_a_day=2)
    wrong = replace(altered(asked, nonce="3" * 32), body=b"")
    reasons = [json.loads(other.work["bern"](wrong).head)["refusal"] for _ in range(2)]
    assert "safetensors" in reasons[0]
    assert "at most 2 a day" in reasons[1]


def test_the_log_names_no_clients_where_a_job_trains_none(tmp_path, asked):
    transport = InProcess(tmp_path, ONE)
    transport.work["bern"](altered(asked, kind="hello"))
    transport.work["bern"](altered(asked, clients=dict.fromkeys(range(9999), 0)))
    assert [len(entry.clients) for entry in transport.log] == [0, 100]


@pytest.mark.parametrize("every", [1, 3])
def test_a_state_that_came_too_late_takes_no_other_s_place(tmp_path, every):
    memory = Memory(tmp_path)

    def train(round, after):
        memory.state("e", 0, after)
        memory.keep("e", 0, round, {"m": torch.ones(1)})
        memory.forget("e", 0, round, after, saved=_saved(round, every))

    for round in range(1, 13):
        train(round, after=round - 1)
    for round in range(13, 17):  # 13 to 15 are late, so the server still counts on 12
        train(round, after=12)
    for round in range(17, 30):
        train(round, after=round - 1)
    kept = sorted(int(path.stem) for path in tmp_path.glob("states/e/0/*.safetensors"))
    assert kept == list(range(_saved(29, every), 30))


def test_rounds_of_a_day_count_only_what_is_trained(tmp_path, asked):
    transport = InProcess(tmp_path, ONE, most_rounds_a_day=1)
    first = transport.work["bern"](asked)
    assert transport.work["bern"](asked) == first  # the same job: nothing is trained again
    other = replace(read_job(asked), nonce="1" * 32).parcel(asked.body)
    assert "at most 1 a day" in json.loads(transport.work["bern"](other).head)["refusal"]


def test_a_node_s_last_answer_outlasts_its_process(tmp_path, asked):
    first = InProcess(tmp_path, ONE).work["bern"](asked)
    again = InProcess(tmp_path, ONE)
    assert again.work["bern"](asked) == first
    assert again.log[0].decision == "answered again"
    assert Memory(tmp_path / "bern").answer(replace(asked, body=b"")) is None
