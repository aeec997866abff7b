import subprocess
import sys
from pathlib import Path

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
        {"local": fq.local.sgd(lr=0.1, keep_state=True)},
        {"local": fq.local.sgd(lr=0.1, momentum=0.5)},
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


def test_mistakes_are_sentences_and_numpy_s_numbers_are_numbers(tmp_path):
    # In a process of its own: the check of types in tests would speak before ours does.
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", PLAIN, str(tmp_path)], check=True, cwd=root)


PLAIN = """
import sys
import numpy as np
import torch
import fedqml as fq
from tests.federations import AVERAGING, data, hybrid, task

def train(**changes):
    whole = dict(task=task(hybrid), local=fq.local.sgd(), strategy=AVERAGING, rounds=2,
                 clients_per_round=3)
    return fq.run(**{**whole, **changes})

def refused(message, action):
    try:
        action()
    except fq.InputError as error:
        assert message in str(error), (message, error)
    else:
        raise AssertionError(message)

refused("`rounds` must be a whole number", lambda: train(rounds=2.5))
refused("`rounds` must be a whole number", lambda: train(rounds=True))
refused("`rounds` must be a whole number", lambda: train(rounds="3"))
refused("`seed` must be a whole number", lambda: train(seed=1.5))
refused("`checkpoint_every` must be a whole number", lambda: train(checkpoint_every=1.5))
refused("`name` must be a str", lambda: train(name=5))
refused("`arm` must be a str", lambda: train(arm=None))
refused("`watch` must be a function", lambda: train(watch=None))
refused("`engine` must be a function", lambda: train(engine="sequential"))
refused("`task` must be a Task", lambda: train(task=hybrid))
refused("`local` must be a Local", lambda: train(local=fq.local.sgd))
refused("`strategy` must be a Strategy", lambda: train(strategy=fq.mean()))
refused("`server` must be a Transform", lambda: fq.Strategy(fq.mean))
refused("`client` must be a Transform", lambda: fq.Strategy(fq.mean(), client=fq.clip))
refused("`epochs` must be a whole number", lambda: fq.local.adam(epochs=1.5))
refused("`clients` must be a whole number", lambda: fq.partitions.iid(2.5))
refused("`data` must be split", lambda: fq.Task(hybrid, fq.cross_entropy, data().data))
refused("`dtype` must be", lambda: fq.Task(hybrid, fq.cross_entropy, data(), dtype="float32"))
refused("`n` must be a function", lambda: fq.Task(hybrid, fq.cross_entropy, data(), {"n": 3}))

local = fq.local.sgd(epochs=np.int64(1), batch_size=np.int64(8))
numbers = dict(rounds=np.int64(2), clients_per_round=np.int32(3), seed=np.arange(3)[1])
saved = train(local=local, results=sys.argv[1], **numbers)
again = train(local=fq.local.sgd(batch_size=8), results=sys.argv[1], seed=1)
assert saved.folder == again.folder, (saved.folder, again.folder)
"""


def test_an_unknown_column_is_refused():
    with pytest.raises(InputError, match="`name` must be one of round, clients"):
        train(rounds=1).column("accuracy")


def test_every_public_name_is_there():
    assert set(fq.__all__) == set(dir(fq))
    assert all(getattr(fq, name) is not None for name in fq.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fq.nothing  # noqa: B018 (that it raises is the test)
