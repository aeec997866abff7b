"""The engine `flower` in experiment files; its rounds are tested in tests/federation."""

from pathlib import Path

import pytest

from fedqml.core.errors import InputError
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from tests.federation.in_process import InProcess

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 3},
    "model": {"use": "dense_vqc", "qubits": 2},
    "local": {"use": "sgd", "lr": 0.1},
    "engine": {"use": "vectorised", "at_once": 2},
    "run": {"rounds": 1, "clients_per_round": 2},
}


def on_nodes(*overrides, **sections):
    return experiments({**TABLE, **sections}, "demo", Path(), overrides, on_nodes=True)[-1]


def test_the_engine_of_the_file_moves_to_the_nodes():
    (here,) = experiments(TABLE, "demo", Path())
    there = on_nodes("engine.deadline=5", "local.lr=0.1")
    assert there.config["engine"] == {
        "use": "flower",
        "on_nodes": here.config["engine"],
        "least_clients": None,
        "deadline": 5.0,
        "asks": 3,
    }
    assert {**there.config, "engine": None} == {**here.config, "engine": None}


def test_a_file_that_names_it_stays_as_it_is():
    engine = {"use": "flower", "on_nodes": {"use": "sequential"}, "asks": 2}
    assert on_nodes(engine=engine).config["engine"]["on_nodes"] == {"use": "sequential"}


def test_an_arm_s_engine_moves_too():
    arms = {"slow": {"engine": {"use": "sequential"}}}
    assert on_nodes(arms=arms).config["engine"]["on_nodes"] == {"use": "sequential"}


def test_without_a_federation_it_says_how_to_name_one():
    with pytest.raises(InputError, match=r"engine: .* fedqml run FILE --federation FOLDER"):
        builder()(on_nodes())


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("deadline=0", "`deadline` must be positive"),
        ("asks=0", "`asks` must be at least 1"),
        ("least_clients=0", "`least_clients` must be at least 1"),
        ("on_nodes={use='flower'}", r"engine\.on_nodes\.transport"),
        ("on_nodes={use='vectorized'}", "Did you mean `vectorised`"),
    ],
)
def test_what_it_cannot_use_is_refused_before_anybody_is_asked(tmp_path, setting, reason):
    transport = InProcess(tmp_path, {"bern": [0, 1, 2]})
    with pytest.raises(InputError, match=reason):
        builder(transport)(on_nodes(f"engine.{setting}"))
    assert transport.sent == []


def test_a_virtual_clock_is_refused_where_time_is_real(tmp_path):
    transport = InProcess(tmp_path, {"bern": [0, 1, 2]})
    clock = {"use": "synchronous", "pace": {"use": "uniform", "least": 1, "most": 1}}
    with pytest.raises(InputError, match="`clock` needs another engine"):
        builder(transport)(on_nodes(clock=clock))
    assert transport.sent == []
