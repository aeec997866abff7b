"""What a node refuses: jobs, and what they ask for."""

import json
from dataclasses import replace

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.engines.remote.job import Parcel, to_bytes
from tests.federation.in_process import InProcess
from tests.federation.remote import ONE, altered, changed


def refusal_of(folder, parcel, hosts=ONE, **policy):
    """Return what a node of its own says to a parcel."""
    transport = InProcess(folder, hosts, **policy)
    reply = json.loads(transport.work["bern"](parcel).head)
    assert transport.log[-1].decision == ("refused" if reply["refusal"] else "trained")
    assert transport.log[-1].reason == reply["refusal"]
    return reply["refusal"]


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
        (use("clock", use="asynchronous"), "real time"),
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
