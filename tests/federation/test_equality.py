"""Remote rounds through bytes, without a network: the same bits as in one process."""

import pytest
import torch
from safetensors.torch import load

from fedqml.core.updates import concatenate
from fedqml.engines.remote.job import to_bytes
from fedqml.experiments.build import builder
from fedqml.experiments.run import run_experiment
from tests.experiments.watching import Stop, silent
from tests.federation.in_process import InProcess
from tests.federation.remote import ONE, TWO, body, experiment, remote, rows

EACH = {f"node{client}": [client] for client in range(7)}
THREE = {"bern": [6], "ulm": [1, 2, 4], "wien": [0, 3, 5]}


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


def test_a_node_that_vanishes_is_asked_again(tmp_path, whole):
    failures = iter(["it has vanished", "it has vanished"])

    def vanishing(node, job, work):
        return next(failures, None) or work(job)

    outcome = remote(InProcess(tmp_path, TWO, vanishing), tmp_path)
    assert outcome.summary["hash"] == whole


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
