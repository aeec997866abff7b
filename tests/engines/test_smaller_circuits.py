"""Clients whose circuits are shallower or narrower than the model's."""

import pytest
import torch
from torch import nn

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.core.transform import stateless
from fedqml.core.updates import Context
from fedqml.data.losses import cross_entropy
from fedqml.data.partitions import by_owner
from fedqml.data.sources import owner_tables
from fedqml.data.task import Task
from fedqml.engines import in_place, sequential, vectorised
from fedqml.engines.fleet import by_hardware
from fedqml.experiments.left_out import left_out
from fedqml.federated.aggregators import mean, partial_mean
from fedqml.federated.local import adam, sgd
from fedqml.quantum.lightcone import influential
from tests.data.owner_folders import SIZES, part_of, pooled_folder
from tests.federations import data, one_round

FLEET = {0: fq.on(layers=1), 2: fq.on(qubits=2), 4: fq.on(layers=1)}
WEIGHTS = 3 * 3 + 3  # of the dense layer, before those of the circuit


def model():
    circuit = fq.QuantumLayer(fq.encodings.arctan(3), fq.ansatze.rot_cnot(3, depth=2), measure=2)
    return nn.Sequential(nn.Linear(3, 3), circuit)


def headed():
    circuit = fq.QuantumLayer(fq.encodings.arctan(3), fq.ansatze.rot_cnot(3, depth=2), measure=2)
    return nn.Sequential(nn.Linear(3, 3), circuit, nn.ReLU(), nn.Linear(2, 2))


def task(fleet=FLEET, model=model):
    return Task(model, cross_entropy, data(), dtype=torch.float64, fleet=fleet)


def updates(engine, local, fleet=FLEET):
    objective = task(fleet).objective(seed=0)
    train = by_hardware(engine)(objective, local, stateless(lambda u, c: u))
    context = Context(1, torch.arange(6), objective.first[None], seed=0)
    return one_round(train, context, {})[0].delta


def unused(client):
    """Return the weights of gates that a client leaves out, found from the blocks of rot_cnot."""
    block, qubit = [*range(9, 18)], [6, 7, 8, 15, 16, 17]
    return [WEIGHTS + j for j in {0: block, 4: block, 2: qubit}.get(client, [])]


@pytest.mark.parametrize("local", [sgd(lr=0.1, batch_size=4), adam(lr=0.1, batch_size=4)])
@pytest.mark.parametrize("engine", [sequential, vectorised, in_place])
def test_weights_that_a_client_leaves_out_do_not_move_at_all(engine, local):
    found = updates(engine(), local)
    for client in range(6):
        assert not found[client, unused(client)].any()
    # the row and the bias that make the input of the missing qubit
    assert not found[2, [6, 7, 8, 11]].any()
    assert found[2, [0, 3, 9, 10]].all()
    assert found[1, WEIGHTS + 6] != 0


@pytest.mark.parametrize("engine", [vectorised, in_place])
def test_engines_agree(engine):
    local = adam(lr=0.05, epochs=2, batch_size=4)
    slow, fast = updates(sequential(), local), updates(engine(), local)
    torch.testing.assert_close(slow, fast, rtol=0, atol=1e-9)
    alone = updates(sequential(), local, {})
    torch.testing.assert_close(slow[[1, 3, 5]], alone[[1, 3, 5]], rtol=0, atol=1e-12)
    assert (slow[[0, 2, 4]] - alone[[0, 2, 4]]).abs().amax(1).min() > 1e-3


@pytest.mark.parametrize("model", [model, headed])
def test_what_is_left_out_comes_from_the_circuits(model):
    objective = task(model=model).objective(seed=0)
    found = left_out(objective)
    assert found.keys() == {0, 2, 4}
    circuit = fq.QuantumLayer(fq.encodings.arctan(3), fq.ansatze.rot_cnot(3, depth=2), measure=2)

    def read(change):
        ops = influential(change(circuit).circuit).ops
        return {j for op in ops if op.angle for j in op.angle.weights}

    whole = read(fq.on())
    for client, change in FLEET.items():
        expected = sorted(WEIGHTS + j for j in whole - read(change))
        inputs = [6, 7, 8, 11] if client == 2 else []
        assert found[client].tolist() == [*inputs, *expected]


def test_hardware_that_executes_all_leaves_nothing_out():
    fleet = {0: fq.on(fq.devices.reference()), 1: fq.on(layers=2, qubits=3)}
    assert left_out(task(fleet).objective(0)) == left_out(task({}).objective(0)) == {}


def test_machines_with_or_without_test_rows_find_the_same(tmp_path):
    pooled = pooled_folder(tmp_path / "pooled")

    def found(folder):
        shares = owner_tables(folder).split(by_owner())
        return left_out(Task(model, cross_entropy, shares, fleet={1: fq.on(layers=1)}).objective(0))

    (expected,) = found(pooled).values()
    for owner in (*SIZES, "test"):
        (entries,) = found(part_of(pooled, tmp_path / owner, owner)).values()
        assert torch.equal(entries, expected)


@pytest.mark.parametrize("engine", [sequential(), vectorised(), in_place()])
def test_a_weight_is_averaged_over_those_that_train_it(engine):
    def trained(rule):
        strategy = fq.Strategy(server=rule)
        trained = fq.run(task(), sgd(lr=0.1), strategy, 1, 6, engine=engine).model()
        weights = torch.cat([p.detach().flatten() for p in trained.parameters()])
        return weights - task().objective(0).first

    rows, weight = updates(sequential(), sgd(lr=0.1)), [len(r) for r in data().clients]
    left = left_out(task().objective(0))
    expected = torch.zeros(rows.shape[1]).double()
    for j in range(len(expected)):
        who = [c for c in range(6) if c not in left or j not in left[c].tolist()]
        total = sum(weight[c] for c in who)
        expected[j] = sum(weight[c] * rows[c, j] for c in who) / total
    found = trained(partial_mean())
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
    assert (found - trained(mean())).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (fq.on(layers=3), "`layers` must be at most 2"),
        (fq.on(qubits=1), "`qubits` must be at least 2, as the circuit measures Z0, Z1"),
        (fq.on(layers=0), "`layers` must be at least 1"),
    ],
)
def test_what_cannot_be_cut_is_said_before_training(change, message):
    with pytest.raises(InputError, match=message):
        task({1: change}).objective(0)
