import json
import tomllib
from pathlib import Path

import pytest

from fedqml.core.errors import InputError
from fedqml.experiments.config import experiments, library, load, locate

TABLE = """
title = "T"
data = { use = "breast_cancer" }
partition = { use = "iid", clients = 4 }
model = { use = "dense_vqc", qubits = 2, ansatz = { depth = 1 } }
local = { use = "sgd", lr = 1 }
run = { rounds = 2, clients_per_round = 2, seeds = [0, 5] }
"""


def expand(extra="", overrides=(), table=TABLE):
    return experiments(tomllib.loads(table + extra), "demo", Path(), overrides)


def test_every_setting_is_made_explicit():
    first, second = expand()
    assert (first.name, first.title, first.arm, first.seed, second.seed) == (
        "demo",
        "T",
        "federated",
        0,
        5,
    )
    assert first.config["local"] == {
        "use": "sgd",
        "lr": 1.0,
        "epochs": 1,
        "batch_size": 32,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "keep_state": False,
    }
    assert first.config["strategy"] == {
        "client": [],
        "server": [{"use": "mean", "weighted": True}],
    }
    assert first.config["engine"] == {"use": "vectorised", "at_once": 64}
    json.dumps(first.config)


def test_the_id_depends_on_what_the_numbers_depend_on_and_on_nothing_else():
    first, second = expand()
    assert first.id != second.id
    assert len(first.id) == 16
    same = expand(overrides=["title=other", "name=other", "run.checkpoint_every=3", "local.lr=1.0"])
    assert [run.id for run in same] == [first.id, second.id]
    for change in ("local.lr=2.0", "run.rounds=3", "engine.use=sequential", "run.threads=2"):
        assert expand(overrides=[change])[0].id != first.id


def test_the_id_of_a_known_experiment_does_not_change_between_versions():
    # Whoever has results must find them again: a change here needs a line in the CHANGELOG.
    assert expand()[0].id == "169c2b6a96f972c8"


def test_a_sweep_makes_every_combination_and_arms_come_beside_it():
    runs = expand(
        """
[sweep]
"local.epochs" = [1, 2]
"model.ansatz.entangler" = ["ring", "chain"]
[arms.central]
partition = { use = "central" }
"run.clients_per_round" = 1
local.epochs = 3
"""
    )
    arms = [run.arm for run in runs[::2]]
    assert arms == [
        "local.epochs = 1, model.ansatz.entangler = ring",
        "local.epochs = 1, model.ansatz.entangler = chain",
        "local.epochs = 2, model.ansatz.entangler = ring",
        "local.epochs = 2, model.ansatz.entangler = chain",
        "central",
    ]
    assert runs[4].config["local"]["epochs"] == 2
    central = runs[-1].config
    assert central["partition"] == {"use": "central"}
    assert (central["local"]["epochs"], central["local"]["lr"]) == (3, 1.0)
    assert central["run"]["clients_per_round"] == 1


def test_whole_sections_can_be_swept():
    runs = expand(
        """
[sweep]
local = [{ use = "sgd", lr = 0.1 }, { use = "adam" }]
""",
        table=TABLE.replace("seeds = [0, 5]", "seeds = [0]"),
    )
    assert [run.arm for run in runs] == ["local = sgd (lr = 0.1)", "local = adam"]


def test_overrides_are_written_as_in_toml_and_fix_what_is_swept():
    runs = expand(
        '[sweep]\n"local.epochs" = [1, 2]\n',
        ["local.epochs=3", "model.ansatz.entangler=chain", "run.seeds=[7]", "strategy.client=[]"],
    )
    assert len(runs) == 1
    assert runs[0].config["local"]["epochs"] == 3
    assert runs[0].config["model"]["ansatz"]["entangler"] == "chain"
    assert runs[0].seed == 7


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["local.epoch=3"], "local.epoch: unknown key. Did you mean `epochs`?"),
        (["local.epochs=many"], "local.epochs must be a whole number, but it is 'many'"),
        (["local.epochs=0"], None),
        (["data.use=breast"], "data.use: there is no `breast`. Did you mean `breast_cancer`?"),
        (["run.rounds=0"], "run: Argument `rounds` must be at least 1, but rounds=0"),
        (["run.seeds=[]"], "run: Argument `seeds` must be distinct"),
        (["run.seeds=[1,1]"], "run: Argument `seeds` must be distinct"),
        (["run.dtype=float16"], "run.dtype must be one of 'float32', 'float64'"),
        (["runs.rounds=1"], "runs: unknown section. Did you mean `run`?"),
        (["model=3"], "model must be a table, but it is 3"),
        (["model={}"], "model.use is missing"),
        (["model.shape=[3]"], "model.shape: unknown key"),
        (["title=3"], "title must be a text"),
        (["strategy.servr=[]"], "strategy.servr: unknown key. Allowed: client, server"),
        (["strategy.server=mean"], "strategy.server must be a list of tables"),
        (["strategy.server=[{use='krumm'}]"], "strategy.server.use: there is no `krumm`"),
        (["strategy.client=[{use='mean'}]"], "strategy.client.use: there is no `mean`"),
        (["no equals sign"], "must have the form section.key=value"),
        (["title.x=3"], "`title` is no table"),
    ],
)
def test_mistakes_are_named_by_their_place(overrides, message):
    if message is None:  # ranges are checked by the factories, when they are called
        assert expand(overrides=overrides)
        return
    with pytest.raises(InputError) as error:
        expand(overrides=overrides)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('[sweep]\n"local.epochs" = 3\n', "sweep.local.epochs must be a list of values"),
        ('[sweep]\n"local.epochs" = []\n', "sweep.local.epochs must be a list of values"),
        ('[sweep]\n"local.epochs" = [1, 1]\n', "have the same settings"),
        ("[arms.x]\n", "have the same settings"),
        ("[arms]\nx = 3\n", "arms.x must be a table of settings"),
    ],
)
def test_arms_that_make_no_sense_are_refused(extra, message):
    with pytest.raises(InputError) as error:
        expand(extra)
    assert message in str(error.value)


@pytest.mark.parametrize("section", ["data", "model", "local", "run"])
def test_a_missing_section_is_named(section):
    lines = [line for line in TABLE.splitlines() if not line.startswith(section)]
    with pytest.raises(InputError, match=rf"the section \[{section}\] is missing"):
        expand(table="\n".join(lines))


def test_files_that_cannot_be_read_are_named(tmp_path):
    broken = tmp_path / "broken.toml"
    broken.write_text("title = ")
    with pytest.raises(InputError, match=r"broken.toml cannot be read as an experiment file"):
        load(str(broken))
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"broken.toml cannot be read as an experiment file"):
        load(str(broken))
    with pytest.raises(InputError, match=r"There is no experiment file .*none.toml"):
        load(str(tmp_path / "none.toml"))
    with pytest.raises(InputError, match=r"Did you mean `breast_cancer`\?"):
        locate("brest_cancer")


@pytest.mark.parametrize("name", library())
def test_every_shipped_experiment_loads(name):
    assert load(name)


def test_paths_start_from_the_file_and_those_of_shipped_experiments_from_where_one_is(tmp_path):
    assert load("table3")[0].base == Path()
    own = tmp_path / "own.toml"
    own.write_bytes(library()["breast_cancer"].read_bytes())
    assert load(str(own))[0].base == tmp_path


def test_1_and_1_0_mean_the_same_however_deep():
    def noisy(number):
        return expand(f'device = {{ use = "density", noise = {{ readout = {number} }} }}\n')[0].id

    assert noisy("0") == noisy("0.0") != noisy("0.5")


def test_devices_are_settings_and_without_any_the_model_s_own_stay():
    assert "device" not in expand()[0].config
    named = expand('device = { use = "reference" }\n')[0]
    assert named.config["device"] == {"use": "reference"}
    assert named.id != expand()[0].id
    with pytest.raises(InputError, match=r"device\.use: there is no `referense`. Did you mean"):
        expand('device = { use = "referense" }\n')


def test_a_fleet_says_which_clients_have_which_device():
    entries = '[{ clients = "0-2, 5", device = { use = "reference" } }, { clients = [4], device = '
    fleet = expand(f'fleet = {entries} {{ use = "statevector" }} }}]\n')[0].config["fleet"]
    assert [entry["clients"] for entry in fleet] == [[0, 1, 2, 5], [4]]
    assert fleet[0]["device"] == {"use": "reference"}


def test_a_fleet_says_what_its_clients_can_do_in_a_round():
    entries = '[{ clients = "0-1", epochs = 1 }, { clients = "2", batches = 3, device = '
    fleet = expand(f'fleet = {entries} {{ use = "reference" }} }}]\n')[0].config["fleet"]
    assert fleet[0] == {"clients": [0, 1], "epochs": 1}
    assert (fleet[1]["clients"], fleet[1]["batches"]) == ([2], 3)


def test_a_local_rule_is_built_around_another():
    plain = 'local = { use = "sgd", lr = 1 }'
    rule = 'local = { use = "fedprox", mu = 0.1, optimiser = { use = "sgd", lr = 0.5 } }'
    found = expand(table=TABLE.replace(plain, rule))[0].config["local"]
    assert (found["mu"], found["optimiser"]["lr"]) == (0.1, 0.5)
    assert found["optimiser"]["batch_size"] == 32
    with pytest.raises(InputError, match=r"local\.optimiser\.use is missing"):
        expand(table=TABLE.replace(plain, rule.replace('use = "sgd", ', "")))


@pytest.mark.parametrize(
    ("fleet", "message"),
    [
        ('"all"', "fleet must be a list of tables like"),
        ('[{ clients = "0" }]', "but it has the entry {'clients': '0'}"),
        ('[{ clients = "3-1", device = { use = "reference" } }]', "but it has '3-1'"),
        ('[{ clients = "0-99999999999", device = { use = "reference" } }]', "but it has '0-999"),
        ('[{ clients = "all", device = { use = "reference" } }]', "but it has 'all'"),
        ("[{ clients = 3, device = { use = 'reference' } }]", 'must be such as "0-9, 15"'),
        ('[{ clients = "0, 0-1", device = { use = "reference" } }]', "clients twice: [0]"),
        ('[{ clients = "0", device = { use = "nowhere" } }]', "fleet.device.use: there is no"),
        ('[{ clients = "0", device = {} }]', "fleet.device.use is missing"),
        (
            '[{ clients = "0-999999", epochs = 1 }, { clients = ["0-9999999"], epochs = 1 }]',
            "fleet.clients may name 1000000 clients in all, but has more",
        ),
        ('[{ clients = "0", epochs = 0 }]', "fleet: Argument `epochs` must be at least 1"),
        ('[{ clients = "0", batches = "few" }]', "fleet.batches must be a whole number"),
        ('[{ clients = "0", shots = 3 }]', "but it has the entry {'clients': '0', 'shots': 3}"),
    ],
)
def test_fleets_that_make_no_sense_are_refused(fleet, message):
    with pytest.raises(InputError) as error:
        expand(f"fleet = {fleet}\n")
    assert message in str(error.value)
