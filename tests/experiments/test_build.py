"""Runs that share their clients are what they are alone."""

from itertools import pairwise
from pathlib import Path

from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.rounds import begin, proceed

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 5},
    "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"use": "rot_cnot", "depth": 1}},
    "local": {"use": "sgd", "lr": 0.1, "epochs": 5, "batch_size": 8},
    "run": {"rounds": 3, "clients_per_round": 5, "seeds": [0]},
}
SERVERS = [[{"use": "mean"}], [{"use": "coordinate_median"}]]
CLIENTS = [[], [{"use": "clip", "norm": 0.1}]]


def _runs():
    sweep = {"strategy.client": CLIENTS, "strategy.server": SERVERS}
    return experiments({**TABLE, "sweep": sweep}, "shared", base=Path())


def _digest(federation):
    *_, last = proceed(federation, begin(federation))
    return last.digest()


def test_runs_that_differ_at_the_server_share_their_clients_and_their_bits():
    build = builder()
    runs = _runs()
    built = [build(run) for run in runs]
    shared = [left.train is right.train for left, right in pairwise(built)]
    # the server's side is what changes first
    assert shared == [True, False, True]
    for run, federation in zip(runs, built, strict=True):
        assert _digest(federation) == _digest(builder()(run))
