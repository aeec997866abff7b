import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
import torch
from safetensors.torch import load_file

from fedqml.core.errors import InputError
from fedqml.core.transform import Strategy, Transform, chain, stateless
from fedqml.data.shares import Shares
from fedqml.engines import sequential, vectorised
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.rounds import advance, begin, federation, proceed
from fedqml.experiments.run import run_experiment, run_in
from fedqml.experiments.store import Busy, Store
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam, sgd
from fedqml.federated.transforms import clip
from fedqml.report.read import read_results
from tests.federations import AVERAGING, hybrid, task, with_dropout

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 4},
    "model": {"use": "dense_vqc", "qubits": 2, "depth": 1, "dropout": 0.2},
    "local": {"use": "adam", "lr": 0.02, "batch_size": 64, "keep_state": True},
    "run": {"rounds": 6, "clients_per_round": 2, "checkpoint_every": 2},
}


def experiment(*overrides):
    return experiments(TABLE, "demo", Path(), overrides)[0]


def silent(row):
    pass


class Stop:
    """Interrupts the run when it has seen a round."""

    def __init__(self, round):
        self.round = round

    def __call__(self, row):
        if row["round"] == self.round:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def build():
    return builder()


@pytest.fixture(scope="module")
def whole(build, tmp_path_factory):
    """An uninterrupted run: its folder and its summary."""
    results = tmp_path_factory.mktemp("whole")
    outcome = run_experiment(experiment(), build, results, silent)
    return results / experiment().id, outcome.summary


def test_a_finished_run_has_all_of_it_on_disk(whole):
    folder, summary = whole
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows] == list(range(7))
    assert rows[0]["train_loss"] is None
    assert rows[-1]["test_loss"] < rows[0]["test_loss"]
    assert json.loads((folder / "summary.json").read_text()) == summary
    assert summary["parameters"] == {"total": 30 * 2 + 2 + 6, "quantum": 6}
    described = json.loads((folder / "experiment.json").read_text())
    assert described["id"] == folder.name
    assert described["arm"] == {"label": "federated", "central": False}
    shares = json.loads((folder / "data.json").read_text())["clients"]
    assert sum(share["examples"] for share in shares) == 455
    weights = load_file(folder / "model.safetensors")
    assert {name: tuple(w.shape) for name, w in weights.items()} == {
        "1.weight": (2, 30),
        "1.bias": (2,),
        "3.weights": (6,),
    }
    assert (folder / "circuit.svg").read_bytes().startswith(b"<?xml")
    assert not list(folder.glob("checkpoints/*"))


def test_costs_are_counted(whole):
    folder, _ = whole
    row = json.loads((folder / "history.jsonl").read_text().splitlines()[1])
    shares = json.loads((folder / "data.json").read_text())["clients"]
    samples = sum(shares[c]["examples"] for c in row["clients"])
    assert row["samples"] == samples
    assert row["bytes_up"] == row["bytes_down"] == 2 * 68 * 4
    tests = 114
    assert row["circuit_evaluations"] == samples + tests
    # 4 angles of the encoding and 6 of the ansatz, two shifted executions each, and the value.
    assert row["hardware_evaluations"] == samples * (1 + 2 * 10) + tests


def test_a_second_call_finds_it_done(whole, build):
    folder, summary = whole
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.suffix}
    outcome = run_experiment(experiment(), build, folder.parent, silent)
    assert outcome.done_before
    assert outcome.summary == summary
    assert before == {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.suffix}


@pytest.mark.parametrize("round", range(7))
def test_an_interrupted_run_goes_on_to_the_same_bits(whole, build, tmp_path, round):
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(), build, tmp_path, Stop(round))
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert outcome.resumed == round
    assert outcome.warnings == ()
    assert outcome.summary["hash"] == whole[1]["hash"]
    assert _lasting(tmp_path / experiment().id) == _lasting(whole[0])


def test_a_run_that_died_without_a_word_goes_on_from_its_checkpoint(
    whole, build, tmp_path, interrupted
):
    for path in interrupted.glob("000005.*"):  # one that dies saves nothing
        path.unlink()
    history = tmp_path / experiment().id / "history.jsonl"
    history.write_text(history.read_text()[:-20])  # the line that was being written
    leftover = interrupted / ".000005.safetensors.0.tmp"
    leftover.write_bytes(b"half")
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert outcome.resumed == 4
    assert outcome.summary["hash"] == whole[1]["hash"]
    assert _lasting(tmp_path / experiment().id) == _lasting(whole[0])
    assert not list((tmp_path / experiment().id).rglob("*.tmp"))


@pytest.fixture
def interrupted(build, tmp_path):
    """The checkpoints of a run that was stopped after round 5: of rounds 4 and 5."""
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(), build, tmp_path, Stop(5))
    folder = tmp_path / experiment().id / "checkpoints"
    assert sorted(p.name for p in folder.iterdir()) == [
        "000004.json",
        "000004.safetensors",
        "000005.json",
        "000005.safetensors",
    ]
    return folder


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("name", ["000005.safetensors", "000005.json"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    whole, build, interrupted, name, damage
):
    damage(interrupted / name)
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert outcome.resumed == 4
    if damage is not Path.unlink or name.endswith("safetensors"):
        assert "000005" in outcome.warnings[0]
        assert "damaged" in outcome.warnings[0]
    assert outcome.summary["hash"] == whole[1]["hash"]


def test_with_every_checkpoint_damaged_it_starts_anew(whole, build, interrupted):
    for path in interrupted.glob("*.safetensors"):
        flip(path)
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert outcome.resumed == 0
    assert len(outcome.warnings) == 2
    assert outcome.summary["hash"] == whole[1]["hash"]


def test_a_run_of_other_data_is_not_continued_nor_counted_as_done(
    whole, build, interrupted, tmp_path, monkeypatch
):
    shutil.copytree(whole[0], tmp_path / "done" / whole[0].name)
    monkeypatch.setattr("fedqml.data.dataset.FederatedData.fingerprint", lambda self: "other")
    for results in (interrupted.parent.parent, tmp_path / "done"):
        with pytest.raises(InputError, match="same settings but other data"):
            run_experiment(experiment(), build, results, silent)


HOLD = """
import sys
from pathlib import Path
from fedqml.experiments.store import Store
with Store(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_cannot_run_one_id(build, tmp_path):
    run = experiment("run.rounds=1")
    command = [sys.executable, "-c", HOLD, str(tmp_path / run.id)]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(Busy):
            run_experiment(run, build, tmp_path, silent)
        other.kill()  # the system frees the lock of a process that died
    assert not run_experiment(run, build, tmp_path, silent).done_before


@pytest.mark.parametrize("name", ["history.jsonl", "model.safetensors", "summary.json"])
@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
def test_a_finished_run_that_is_damaged_is_named_and_made_anew(
    whole, build, tmp_path, name, damage
):
    shutil.copytree(whole[0], tmp_path / whole[0].name)
    damage(tmp_path / whole[0].name / name)
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert not outcome.done_before
    if (name, damage) != ("summary.json", Path.unlink):  # without it, it was never finished
        assert "damaged" in outcome.warnings[0]
    assert _lasting(tmp_path / whole[0].name) == _lasting(whole[0])


def test_a_run_that_two_experiments_share_belongs_to_both(whole, build, tmp_path):
    shutil.copytree(whole[0], tmp_path / whole[0].name)
    other = replace(experiment(), name="other", title="Other", arm="plain")
    assert run_experiment(other, build, tmp_path, silent).done_before
    renamed = replace(experiment(), title="A better title")
    assert run_experiment(renamed, build, tmp_path, silent).done_before
    runs = read_results(tmp_path).runs
    assert {(run.name, run.title, run.arm) for run in runs} == {
        ("demo", "A better title", "federated"),
        ("other", "Other", "plain"),
    }


def test_whatever_stops_the_rounds_saves_them_first(build, tmp_path):
    def fail(row):
        if row["round"] == 3:
            raise RuntimeError("the watcher broke")

    with pytest.raises(RuntimeError, match="the watcher broke"):
        run_experiment(experiment(), build, tmp_path, fail)
    assert run_experiment(experiment(), build, tmp_path, silent).resumed == 3


def test_a_full_disk_is_a_sentence_and_what_was_saved_is_whole(whole, build, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    def fill(row):
        if row["round"] == 5:
            monkeypatch.setattr("fedqml.core.files.fsync", full)

    with pytest.raises(InputError, match=r"cannot be written: .*No space left"):
        run_experiment(experiment(), build, tmp_path, fill)
    monkeypatch.undo()
    outcome = run_experiment(experiment(), build, tmp_path, silent)
    assert outcome.resumed == 4
    assert outcome.summary["hash"] == whole[1]["hash"]


def test_damaged_checkpoints_do_not_push_out_new_ones(whole, build, interrupted):
    for path in interrupted.glob("*.safetensors"):
        flip(path)
    results = interrupted.parent.parent
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment(), build, results, Stop(3))
    assert run_experiment(experiment(), build, results, silent).resumed == 3


@pytest.mark.parametrize("content", ["null", "5", '"x"', "[]", "{}", "[" * 100_000])
def test_any_content_of_a_checkpoint_is_survived(whole, build, interrupted, content):
    (interrupted / "000005.json").write_text(content)
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert outcome.resumed == 4
    assert "damaged" in outcome.warnings[0]


def test_a_results_folder_that_cannot_be_written_is_named(build, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"The results folder .*file.* cannot be written"):
        run_experiment(experiment(), build, tmp_path / "file", silent)


def test_a_run_that_learns_nothing_says_so(build, tmp_path):
    run = experiment("local.lr=0.0", "run.rounds=1")
    outcome = run_experiment(run, build, tmp_path, silent)
    assert "No weight changed" in outcome.warnings[0]


def test_a_resumed_run_is_told_of_another_version(build, interrupted):
    environment = interrupted.parent / "environment.json"
    content = json.loads(environment.read_text())
    environment.write_text(json.dumps({**content, "torch": "1.0"}))
    outcome = run_experiment(experiment(), build, interrupted.parent.parent, silent)
    assert "begun with torch 1.0, and this is" in outcome.warnings[0]


def test_threads_are_set_for_the_run_and_put_back(build, tmp_path):
    seen = []
    before = torch.get_num_threads()
    run = experiment("run.threads=2", "run.rounds=1")
    run_experiment(run, build, tmp_path, lambda row: seen.append(torch.get_num_threads()))
    assert seen == [2, 2]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["partition.clients=456"], "partition"),
        (
            ["run.clients_per_round=5"],
            "`clients_per_round` must be at most the number of clients, 4",
        ),
        (["model.qubits=0"], "model: Argument `qubits`"),
        (["model.qubits=1"], "`qubits` must be at least the number of classes, 2"),
        (["model.dropout=1.0"], r"model: Argument `dropout` must be in \[0, 1\)"),
        (["local.epochs=0"], "local: Argument `epochs` must be at least 1"),
        (["engine.at_once=0"], "engine: Argument `at_once` must be at least 1"),
        (["strategy.server=[]"], "must leave one row, as the aggregator"),
        (["strategy.client=[{use='clip', norm=0}]"], "strategy.client: Argument `norm`"),
        (["data.test_fraction=2.0"], "data: Argument `test_fraction`"),
    ],
)
def test_values_out_of_range_are_refused_before_training(build, overrides, message):
    with pytest.raises(InputError, match=message):
        build(experiment(*overrides))


@pytest.mark.parametrize("model", [hybrid, with_dropout])
@pytest.mark.parametrize("local", [sgd(lr=0.1, momentum=0.5), adam(lr=0.02, keep_state=True)])
def test_engines_train_the_same_model(model, local):
    ends = []
    for engine in (sequential(), vectorised(2)):
        ready = federation(task(model), local, AVERAGING, engine, 5, 3, seed=0, code="")
        *_, last = proceed(ready, begin(ready))
        ends.append(last)
    torch.testing.assert_close(ends[0].params, ends[1].params, rtol=1e-9, atol=1e-8)
    assert [row["clients"] for row in ends[0].rows] == [row["clients"] for row in ends[1].rows]


def _counting():
    """A rule with a state that shows in every update: it adds what it has seen so far."""

    def apply(updates, state, context):
        seen = state["seen"] + updates.delta
        return replace(updates, delta=updates.delta + 0.1 * seen), {"seen": seen}

    return Transform(lambda params: {"seen": torch.zeros_like(params)}, apply)


def _stateful(stop=None, folder=None):
    """Run six rounds with state everywhere: optimiser, client's side, server's side."""
    strategy = Strategy(server=chain(mean(), _counting()), client=chain(_counting(), clip(1.0)))
    local = adam(lr=0.02, batch_size=4, keep_state=True)
    ready = federation(task(with_dropout), local, strategy, vectorised(2), 6, 3, 0, code="")
    if folder is None:
        *_, last = proceed(ready, begin(ready))
        return last.digest()
    labels = {"name": "n", "title": "t", "arm": {"label": "a", "central": False}}
    return run_in(Store(folder), ready, labels, {}, 2, stop).summary["hash"]


@pytest.mark.parametrize("round", range(1, 7))
def test_every_state_is_in_the_checkpoint(tmp_path, round):
    with pytest.raises(KeyboardInterrupt):
        _stateful(Stop(round), tmp_path)
    assert _stateful(silent, tmp_path) == _stateful()


def test_states_matter():
    ready = federation(
        task(with_dropout), adam(lr=0.02, batch_size=4), AVERAGING, vectorised(2), 6, 3, 0, code=""
    )
    *_, last = proceed(ready, begin(ready))
    assert last.digest() != _stateful()


def test_three_rounds_of_federated_averaging_by_hand():
    def unequal(labels, owners, rng):
        return Shares(tuple(torch.arange(40).split([3, 7, 10, 20])))

    problem = task(hybrid, partition=unequal)
    ready = federation(problem, sgd(lr=0.5, batch_size=100), AVERAGING, vectorised(), 3, 2, 0, "")
    model, objective = hybrid().double(), ready.objective
    weights = objective.packing.unpack(objective.first)
    x, y = objective.data.data.x, objective.data.data.y
    *_, last = proceed(ready, begin(ready))
    for row in last.rows[1:]:
        total, losses = {name: torch.zeros_like(w) for name, w in weights.items()}, 0.0
        rows = [objective.data.clients[c] for c in row["clients"]]
        examples = sum(len(r) for r in rows)
        for own in rows:
            model.load_state_dict(weights)
            model.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[own]), y[own])
            loss.backward()
            losses += len(own) / examples * loss.item()
            for name, parameter in model.named_parameters():
                step = parameter.detach() - 0.5 * parameter.grad
                total[name] = total[name] + len(own) / examples * step
        weights = total
        assert row["train_loss"] == pytest.approx(losses, rel=1e-10)
    torch.testing.assert_close(last.params[0], objective.packing.pack(weights))
    assert len({tuple(row["clients"]) for row in last.rows[1:]}) > 1


def test_the_digest_covers_weights_and_history_but_not_timings():
    ready = federation(task(), sgd(), AVERAGING, vectorised(), 1, 3, 0, code="")
    start = begin(ready)
    slower = replace(start, rows=({**start.rows[0], "seconds": 9.0},))
    other = replace(start, rows=({**start.rows[0], "test_loss": 9.0},))
    moved = replace(start, params=start.params + 1e-9)
    assert slower.digest() == start.digest()
    assert len({start.digest(), other.digest(), moved.digest()}) == 3


def test_the_signature_covers_all_that_a_run_stands_on():
    def signature(model=hybrid, seed=0, cohort=3, code="", **data):
        problem = task(model, **data)
        return federation(
            problem, sgd(), AVERAGING, vectorised(), 1, cohort, seed, code
        ).signature()

    def frozen(scale):
        def model():
            module = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 2))
            module[0].requires_grad_(False)
            module[0].weight.fill_(scale)
            return module

        return model

    found = [
        signature(),
        signature(with_dropout),
        signature(seed=1),
        signature(cohort=2),
        signature(code="x"),
        signature(clients=5),
        signature(frozen(1.0)),
        signature(frozen(2.0)),
    ]
    assert len(set(found)) == len(found)
    assert signature() == found[0]


def test_clients_whose_updates_are_not_finite_are_in_the_history():
    def poison(updates, context):
        bad = (updates.clients == context.cohort[0])[:, None]
        return replace(updates, delta=updates.delta.masked_fill(bad, float("nan")))

    strategy = Strategy(server=chain(stateless(poison), mean()))
    ready = federation(task(), sgd(), strategy, vectorised(), 2, 3, 0, code="")
    *_, last = proceed(ready, begin(ready))
    for row in last.rows[1:]:
        assert row["refused"] == row["clients"][:1]


def test_equal_seeds_give_equal_bits_and_other_seeds_other_ones():
    def end(seed):
        ready = federation(task(), sgd(), AVERAGING, vectorised(), 2, 3, seed, code="")
        *_, last = proceed(ready, begin(ready))
        return last.digest()

    assert end(0) == end(0)
    assert end(0) != end(1)


def test_divergence_is_an_error_that_says_so():
    ready = federation(
        task(with_dropout), sgd(lr=1e300), AVERAGING, vectorised(), 9, 3, seed=0, code=""
    )
    with pytest.raises(InputError, match="training has diverged"):
        list(proceed(ready, begin(ready)))
    overflow = Strategy(server=stateless(lambda u, c: mean().apply(_huge(u), {}, c)[0]))
    ready = federation(task(), sgd(), overflow, vectorised(), 9, 3, seed=0, code="")
    progress = advance(ready, begin(ready))
    with pytest.raises(InputError, match="global weights became NaN"):
        advance(ready, progress)


def _huge(updates):
    return replace(updates, delta=torch.full_like(updates.delta, 1.7e308))


def _lasting(folder):
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    for row in rows:
        del row["seconds"]
    return rows, (folder / "model.safetensors").read_bytes()
