"""What a server does about nodes that are silent or send what is wrong."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load

from fedqml.core.errors import InputError
from fedqml.core.updates import Updates
from fedqml.engines.remote.job import Job, Parcel, Reply, read_reply, to_bytes
from fedqml.experiments.environment import software
from tests.federation.in_process import InProcess
from tests.federation.remote import ONE, TWO, body, remote, rows


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


def test_other_software_is_named_at_both_sides(tmp_path, monkeypatch):
    transport = InProcess(tmp_path, ONE)
    monkeypatch.setattr("fedqml.experiments.build.software", lambda: "fedqml 9.9 (code x)")
    with pytest.raises(InputError, match=r"server has fedqml 9\.9 .* node has fedqml 0\.1"):
        remote(transport, tmp_path, "engine.deadline=0.5")
    assert "server has fedqml 9.9" in transport.log[0].reason
