import json
from pathlib import Path

import pytest

from fedqml.core.errors import InputError
from fedqml.experiments.config import library, load, locate
from tests.experiments.expanding import TABLE, expand


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


def test_devices_are_settings_and_without_any_the_model_s_own_stay():
    assert "device" not in expand()[0].config
    named = expand('device = { use = "reference" }\n')[0]
    assert named.config["device"] == {"use": "reference"}
    assert named.id != expand()[0].id
    with pytest.raises(InputError, match=r"device\.use: there is no `referense`. Did you mean"):
        expand('device = { use = "referense" }\n')


def test_a_local_rule_is_built_around_another():
    plain = 'local = { use = "sgd", lr = 1 }'
    rule = 'local = { use = "fedprox", mu = 0.1, optimiser = { use = "sgd", lr = 0.5 } }'
    found = expand(table=TABLE.replace(plain, rule))[0].config["local"]
    assert (found["mu"], found["optimiser"]["lr"]) == (0.1, 0.5)
    assert found["optimiser"]["batch_size"] == 32
    with pytest.raises(InputError, match=r"local\.optimiser\.use is missing"):
        expand(table=TABLE.replace(plain, rule.replace('use = "sgd", ', "")))
