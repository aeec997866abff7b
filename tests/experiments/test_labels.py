import re
import tomllib
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from fedqml.core.errors import InputError
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments, load
from fedqml.experiments.run import run_experiment
from fedqml.experiments.store import Store
from fedqml.report.results import COSTS
from tests.experiments.watching import silent

OUR_RUN = Path(__file__).parents[2] / "docs/results/paper/table3.toml"
TABLE = """
data = { use = "breast_cancer" }
partition = { use = "iid", clients = 4 }
model = { use = "dense_vqc", qubits = 2, ansatz = { depth = 1 } }
local = { use = "sgd", lr = 1 }
run = { rounds = 1, clients_per_round = 2 }
[sweep]
"local.epochs" = [1, 2]
[arms.central]
partition = { use = "central" }
"run.clients_per_round" = 1
"""
LABELS = """
baseline = "central"
margin = 0.5
[published]
source = "Chen and Yoo, arXiv:2103.12010, table III"
test_examples = 2000
[published.arms."local.epochs = 1"]
train_loss = 0.4029
test_loss = 0.4133
test_accuracy = 0.934
samples_a_round = 500
round = 100
"""


def expand(labels="", overrides=()):
    # Plain keys have to stand before the first table of a TOML file.
    table = tomllib.loads(TABLE) | tomllib.loads(labels)
    return experiments(table, "demo", Path(), overrides)


def test_they_are_kept_beside_the_settings_and_change_no_id():
    plain, labelled = expand(), expand(LABELS)
    assert [run.id for run in labelled] == [run.id for run in plain]
    assert [run.config for run in labelled] == [run.config for run in plain]
    assert all(run.labels == {} for run in plain)
    for run in labelled:
        assert run.labels["margin"] == 0.5
        assert run.labels["baseline"] == "central"
        assert run.labels["published"]["test_examples"] == 2000
        assert run.labels["published"]["arms"]["local.epochs = 1"]["samples_a_round"] == 500


@pytest.mark.parametrize("name", ["table2", "table3", str(OUR_RUN)])
def test_the_paper_s_rows_say_after_how_many_rounds(name):
    rows = load(name)[0].labels["published"]["arms"].values()
    assert [row.get("round") for row in rows] == [100] * 4


def test_an_override_may_leave_out_an_arm_that_a_label_names():
    runs = expand(LABELS, ["local.epochs=1"])
    assert [run.arm for run in runs] == ["federated", "central"]
    assert runs[0].labels["published"]["arms"].keys() == {"local.epochs = 1"}
    assert expand("", ["margin=1.5"])[0].labels == {"margin": 1.5}


PUBLISHED = '[published]\nsource = "S"\n[published.arms."local.epochs = 1"]\n'


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ('baseline = "centrl"', "baseline: there is no arm `centrl`. Did you mean `central`?"),
        ("baseline = 3", "baseline must be the label of an arm, but it is 3"),
        ("margin = 0", "margin must be more than 0 and at most 100 points, but it is 0"),
        ("margin = -1.0", "margin must be more than 0"),
        ("margin = 101", "margin must be more than 0 and at most 100"),
        ("margin = nan", "margin must be a finite number, but it is nan"),
        ("margin = true", "margin must be a finite number, but it is True"),
        ('margin = "0.5"', "margin must be a finite number, but it is '0.5'"),
        ("published = 3", "published must be a table, but it is 3"),
        ("[published]\n", "published.source must say where"),
        ("[published]\nsource = ' '\n", "published.source must say where"),
        ("[published]\nsource = 'S'\n", "published.arms must be a table, but it is None"),
        ("[published]\nsource = 'S'\narms = {}\n", "published.arms must have the values of an arm"),
        ("[published]\nsource = 'S'\nsorce = 1\n", "published.sorce: unknown key. Did you mean"),
        (PUBLISHED, "published.arms.local.epochs = 1 must have a value"),
        (PUBLISHED + "test_acuracy = 1\n", "unknown key. Did you mean `test_accuracy`?"),
        (PUBLISHED + "test_loss = inf\n", "test_loss must be a finite number, but it is inf"),
        (PUBLISHED + f"test_loss = {10**400}\n", "test_loss must be a finite number, but it is 1"),
        (PUBLISHED + "test_loss = '1'\n", "test_loss must be a finite number, but it is '1'"),
        (PUBLISHED + "test_loss = true\n", "test_loss must be a finite number, but it is True"),
        (PUBLISHED + "test_accuracy = 93.4\n", "must be a fraction from 0 to 1, but it is 93.4"),
        (PUBLISHED + "samples_a_round = -1\n", "must not be less than 0, but it is -1"),
        (PUBLISHED + "round = 0.5\n", "round must be a whole number from 1 on, but it is 0.5"),
        (
            PUBLISHED.replace("epochs = 1", "epochs = 3") + "test_loss = 1.0\n",
            "published.arms: there is no arm `local.epochs = 3`. Did you mean `local.epochs = ",
        ),
        (
            PUBLISHED.replace("[published.", "test_examples = 0\n[published.") + "test_loss = 1.0",
            "published.test_examples must be a whole number from 1 on, but it is 0",
        ),
        ("[arms.x]\nmargin = 1.0\n", "margin: unknown section"),
    ],
)
def test_mistakes_are_named_by_their_place(labels, message):
    with pytest.raises(InputError) as error:
        expand(labels)
    assert message in str(error.value)


def test_a_finished_run_gets_the_newest_labels_and_is_not_run_again(tmp_path, monkeypatch):
    build = builder()
    run = expand()[0]
    store = Store(tmp_path / run.id)
    assert not run_experiment(run, build, tmp_path, silent).done_before
    monkeypatch.setattr("fedqml.experiments.run.proceed", None)  # training would fail
    assert "published" not in store.read("experiment")
    since = store.read("experiment")["labelled"]
    other = replace(run, name="other", labels={"margin": 3.0})
    for labelled in (run, expand(LABELS)[0], other, expand("margin = 1.0")[0]):
        assert run_experiment(labelled, build, tmp_path, silent).done_before
        found = store.read("experiment")
        assert {key: found[key] for key in labelled.labels} == dict(labelled.labels)
        if labelled is run:
            assert found["labelled"] == since  # nothing has changed
        else:
            assert found["labelled"] > since
            since = found["labelled"]
    # The newest labels of each experiment that shares the run, and none of the older.
    assert found["margin"] == 1.0
    assert "published" not in found
    assert "baseline" not in found
    (also,) = found["also"]
    assert (also["name"], also["margin"], "published" in also) == ("other", 3.0, False)


def test_the_labels_that_the_template_explains_are_accepted():
    text = (files("fedqml.experiments") / "template.toml").read_text(encoding="utf-8")
    said = r"^#   (?=margin|baseline|\[published|source|test_|samples_a_round)"
    table = tomllib.loads(re.sub(said, "", text, flags=re.MULTILINE))
    found = experiments(table, "template", Path())[0].labels
    assert (found["margin"], found["baseline"]) == (0.5, "central")
    assert found["published"]["arms"]["local.epochs = 1"] == {
        "test_accuracy": 0.934,
        "test_loss": 0.4133,
        "samples_a_round": 500,
    }


def test_every_cost_of_the_report_can_be_published():
    costs = "".join(f"{cost} = 1\n" for cost in COSTS)
    (row,) = expand(PUBLISHED + costs)[0].labels["published"]["arms"].values()
    assert row == dict.fromkeys(COSTS, 1)
