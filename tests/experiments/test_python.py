import pytest
import torch
from torch import nn

import fedqml as fq
from fedqml.core.errors import InputError
from fedqml.report import write_report
from tests.federations import AVERAGING, hybrid, task, with_dropout


def train(local=None, model=hybrid, **settings):
    local = local or fq.local.sgd(lr=0.1)
    whole = {"rounds": 4, "clients_per_round": 3, **settings}
    return fq.run(task(model), local, AVERAGING, **whole)


def test_the_design_s_example_runs():
    def median():
        return fq.stateless(
            lambda u, ctx: fq.replace(u, delta=u.delta.median(0, keepdim=True).values)
        )

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 8, generator=generator)
    y = (x.sum(1) > 0).long()
    circuit = fq.encodings.arctan(4), fq.ansatze.rot_cnot(4, depth=2)
    history = fq.run(
        fq.Task(
            lambda: nn.Sequential(nn.Linear(8, 4), fq.QuantumLayer(*circuit, measure=2)),
            fq.cross_entropy,
            fq.Data(x[:100], y[:100], test=(x[100:], y[100:])).split(fq.partitions.iid(20)),
        ),
        fq.local.sgd(epochs=2, batch_size=16, lr=0.5),
        fq.Strategy(client=fq.clip(1.0), server=median()),
        rounds=3,
        clients_per_round=5,
    )
    losses = history.column("test_loss")
    assert len(losses) == 4
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("model", [hybrid, with_dropout])
def test_the_model_is_the_one_whose_numbers_are_reported(model):
    history = train(model=model)
    x, y = task(model).data.data.test
    trained = history.model()
    outputs = trained(x)
    loss = nn.functional.cross_entropy(outputs, y).item()
    assert history.column("test_loss")[-1] == pytest.approx(loss, rel=1e-12)
    assert history.model() is not trained


def test_results_are_saved_found_again_and_reported(tmp_path):
    seen = []
    first = train(results=tmp_path, name="mine", arm="sgd", watch=lambda row: seen.append(row))
    again = train(results=tmp_path, name="mine", arm="sgd", watch=lambda row: seen.append(row))
    assert [row["round"] for row in seen] == [0, 1, 2, 3, 4]  # nothing was trained twice
    assert first.hash == again.hash == train().hash
    assert first.folder == again.folder
    assert all(torch.equal(first.weights[n], again.weights[n]) for n in first.weights)
    assert list(again.rows) == list(first.rows)
    page = write_report(tmp_path, tmp_path / "report")
    assert "mine" in page.read_text()


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path):
    def stop(row):
        if row["round"] == 3:
            raise KeyboardInterrupt

    local = fq.local.adam(lr=0.05, keep_state=True)
    with pytest.raises(KeyboardInterrupt):
        train(local, results=tmp_path, watch=stop)
    seen = []
    history = train(local, results=tmp_path, watch=lambda row: seen.append(row["round"]))
    assert seen == [4]
    assert history.hash == train(local).hash


@pytest.mark.parametrize(
    "change",
    [
        {"local": fq.local.sgd(lr=0.2)},
        {"local": fq.local.adam(lr=0.1)},
        {"seed": 1},
        {"rounds": 5},
        {"clients_per_round": 2},
        {"model": with_dropout},
        {"arm": "other"},
    ],
)
def test_what_changes_the_numbers_begins_a_new_run(tmp_path, change):
    train(results=tmp_path)
    train(results=tmp_path, **change)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, "`rounds` must be at least 1"),
        ({"clients_per_round": 0}, "`clients_per_round` must be at least 1"),
        ({"clients_per_round": 7}, "`clients_per_round` must be at most the number of clients, 6"),
        ({"seed": -1}, "`seed` must be at least 0"),
        ({"checkpoint_every": 0}, "`checkpoint_every` must be at least 1"),
    ],
)
def test_values_out_of_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        train(**settings)


def test_an_unknown_column_is_refused():
    with pytest.raises(InputError, match="`name` must be one of round, clients"):
        train(rounds=1).column("accuracy")


def test_every_public_name_is_there():
    assert set(fq.__all__) == set(dir(fq))
    assert all(getattr(fq, name) is not None for name in fq.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fq.nothing  # noqa: B018 (that it raises is the test)
