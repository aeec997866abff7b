"""Each machine has its own rows only, and nothing is trained or evaluated where it must not be."""

from dataclasses import replace

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy, chain
from fedqml.core.updates import Context
from fedqml.data.losses import cross_entropy
from fedqml.data.partitions import by_owner, central, iid
from fedqml.data.sources import owner_tables
from fedqml.data.task import Task
from fedqml.engines import in_place, sequential, vectorised
from fedqml.experiments.assembly import federation
from fedqml.experiments.rounds import advance, begin
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam
from fedqml.federated.transforms import clip
from tests.data.owner_folders import SIZES, part_of, pooled_folder, write_facts
from tests.federations import hybrid, one_round

ENGINES = [sequential, vectorised, in_place]


@pytest.fixture
def pooled(tmp_path):
    return pooled_folder(tmp_path / "pooled")


def split(folder, **settings):
    return owner_tables(folder, **settings).split(by_owner())


def ready(folder, engine=sequential, dtype=torch.float32):
    strategy = Strategy(mean(), chain(clip(0.5)))
    task = Task(hybrid, cross_entropy, split(folder), dtype=dtype)
    return federation(task, adam(lr=0.05, epochs=2, batch_size=5), strategy, engine(), 3, 3, 7, "")


def test_the_owners_are_the_clients(pooled):
    data = split(pooled)
    assert data.names == tuple(SIZES)
    assert [len(data.rows(client)) for client in range(3)] == list(SIZES.values())


def test_standardised_as_if_pooled(pooled):
    raw, data = split(pooled, standardise=False).data, split(pooled).data
    x = raw.x.double()
    expected = (x - x.mean(0)) / x.std(0, correction=0)
    torch.testing.assert_close(data.x.double(), expected, rtol=1e-5, atol=1e-5)
    x_test = (raw.test[0].double() - x.mean(0)) / x.std(0, correction=0)
    torch.testing.assert_close(data.test[0].double(), x_test, rtol=1e-5, atol=1e-5)


def test_each_machine_has_the_bits_of_the_pooled_data(pooled, tmp_path):
    whole = split(pooled)
    for client, owner in enumerate(SIZES):
        here = split(part_of(pooled, tmp_path / owner, owner))
        assert here.names == whole.names
        assert [here.is_here(c) for c in range(3)] == [c == client for c in range(3)]
        assert len(here.data.x) == SIZES[owner]
        assert torch.equal(here.data.x[here.rows(client)], whole.data.x[whole.rows(client)])
        assert torch.equal(here.data.y[here.rows(client)], whole.data.y[whole.rows(client)])
        assert [len(rows) for rows in here.clients] == [len(rows) for rows in whole.clients]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_updates_of_separate_machines_are_those_of_one(pooled, tmp_path, engine, dtype):
    machines = {
        owner: ready(part_of(pooled, tmp_path / owner, owner), engine, dtype) for owner in SIZES
    }
    whole = ready(pooled, engine, dtype)
    progress = begin(whole)
    for round in (1, 2):
        context = Context(round, torch.arange(3), progress.params, 7)
        for client, owner in enumerate(SIZES):
            own, _ = one_round(machines[owner].train, context, {}, [client])
            expected, _ = one_round(whole.train, context, {}, [client])
            assert torch.equal(own.delta, expected.delta)
            assert torch.equal(own.weight, expected.weight)
            assert torch.equal(own.metrics["train_loss"], expected.metrics["train_loss"])
        progress = advance(whole, progress)


def test_nodes_and_a_server_give_the_final_hash_of_one_machine(pooled, tmp_path):
    machines = [ready(part_of(pooled, tmp_path / owner, owner)) for owner in SIZES]
    server = ready(part_of(pooled, tmp_path / "server", "test"))

    def gathered(context, clients, state, collect):
        for client in clients:
            machines[client].train(context, [client], {}, collect)
        return state

    ends = []
    for each in (ready(pooled), replace(server, train=gathered)):
        progress = begin(each)
        for _ in range(3):
            progress = advance(each, progress)
        ends.append(progress.digest())
    assert ends[0] == ends[1]


def test_the_signature_is_the_same_with_all_tables_as_with_none(pooled, tmp_path):
    servers = [
        ready(part_of(pooled, tmp_path / "none", "test")),
        ready(part_of(pooled, tmp_path / "ulm", "test", "ulm")),
    ]
    assert {server.signature() for server in servers} == {ready(pooled).signature()}
    described = [r.objective.data.description() for r in (ready(pooled), *servers)]
    assert described[0] == described[1] == described[2]
    assert sum(sum(each["classes"]) for each in described[0]["clients"]) == sum(SIZES.values())


def test_other_data_have_another_fingerprint(pooled, tmp_path):
    before = split(pooled).fingerprint()
    table = pooled / "ulm.csv"
    lines = table.read_text().splitlines()
    assert lines[1].endswith("yes")
    table.write_text("\n".join([lines[0], lines[1].replace("yes", "no"), *lines[2:]]))
    write_facts(pooled)
    assert split(pooled).fingerprint() != before


def test_the_order_of_rows_does_not_matter(pooled):
    before = split(pooled).data.x
    table = pooled / "bern.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *reversed(rows)]))
    assert torch.equal(split(pooled).data.x, before)


def test_nor_does_the_order_of_columns(pooled):
    before = split(pooled).data.x
    table = pooled / "genf.csv"
    rows = [line.split(",") for line in table.read_text().splitlines()]
    table.write_text("\n".join(",".join((s, c, a, b)) for a, b, c, s in rows))
    assert torch.equal(split(pooled).data.x, before)


@pytest.mark.parametrize("engine", ENGINES)
def test_absent_rows_are_never_trained(pooled, tmp_path, engine):
    node = ready(part_of(pooled, tmp_path / "node", "genf"), engine)
    context = Context(1, torch.tensor([1, 2]), node.objective.first[None], 7)
    with pytest.raises(InputError, match=r"Client 2 cannot be trained .* rows of ulm are on its"):
        one_round(node.train, context, {})


@pytest.mark.parametrize("engine", [vectorised, in_place])
def test_a_machine_without_any_owner_says_so(pooled, tmp_path, engine):
    with pytest.raises(InputError, match="No client can be trained on this machine"):
        ready(part_of(pooled, tmp_path / "server", "test"), engine)


def test_absent_test_rows_are_never_evaluated(pooled, tmp_path):
    node = ready(part_of(pooled, tmp_path / "node", "genf"))
    for ask in (node.signature, lambda: begin(node), node.objective.data.description):
        with pytest.raises(InputError, match="The test rows are not on this machine"):
            ask()


def test_an_owner_may_have_one_class_only(tmp_path):
    folder = pooled_folder(tmp_path / "pooled")
    table = folder / "ulm.csv"
    table.write_text(table.read_text().replace(",yes", ",no"))
    write_facts(folder)
    node = split(part_of(folder, tmp_path / "node", "ulm"))
    assert node.data.classes == ("no", "yes")
    assert ready(tmp_path / "node").clients == 3


@pytest.mark.parametrize("partition", [iid(3), iid(5), central()])
def test_only_owners_can_be_clients_where_rows_are_absent(pooled, tmp_path, partition):
    owner_tables(pooled).split(partition)
    with pytest.raises(InputError, match="each client must be an owner with all of its rows"):
        owner_tables(part_of(pooled, tmp_path / "node", "ulm")).split(partition)


def change(folder, name, old, new):
    (folder / name).write_text((folder / name).read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: change(f, "ulm.csv", "yes", "no"), "ulm.csv must be the table that ulm has in "
         r"facts.json, but its rows by class are .*fedqml data facts ulm.csv --target sick"),
        (lambda f: change(f, "ulm.csv", "\n", "\n1.5,2,3,no\n"), "it has 13 rows, and 12 there"),
        (lambda f: change(f, "ulm.csv", "\n3", "\n4"), "its sums of `age` are others"),
        (lambda f: change(f, "ulm.csv", "dose", "dosis"), "ulm.csv must have the columns of "
         "facts.json, but `dose` is missing"),
        (lambda f: change(f, "test.csv", "level", "l"), "test.csv must .* `level` is missing"),
        (lambda f: change(f, "test.csv", "yes", "maybe"), "test.csv must have the classes of "
         r"facts.json \(no, yes\), but a row has `maybe`"),
        (lambda f: (f / "ulm.csv").rename(f / "ulmm.csv"), r"no such owner. Did you mean `ulm`\?"),
        (lambda f: (f / "facts.json").unlink(), "facts.json cannot be read: No such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(pooled, spoil, message):
    spoil(pooled)
    with pytest.raises(InputError, match=message):
        owner_tables(pooled)


def test_a_folder_of_facts_alone_has_no_table(pooled, tmp_path):
    with pytest.raises(InputError, match=r"a table, test.csv or that of an owner \(bern, genf"):
        owner_tables(part_of(pooled, tmp_path / "bare"))
