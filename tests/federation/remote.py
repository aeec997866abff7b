"""A small experiment on nodes in the test's own process, and messages of one's own making."""

import json
from dataclasses import replace
from pathlib import Path

from fedqml.engines.remote.job import read_job
from fedqml.experiments.build import builder
from fedqml.experiments.config import experiments
from fedqml.experiments.run import run_experiment
from tests.experiments.watching import silent

TABLE = {
    "data": {"use": "breast_cancer"},
    "partition": {"use": "iid", "clients": 7},
    "model": {"use": "dense_vqc", "qubits": 2, "ansatz": {"depth": 1}, "dropout": 0.2},
    "local": {"use": "adam", "lr": 0.02, "batch_size": 64, "keep_state": True},
    "strategy": {"client": [{"use": "clip", "norm": 0.1}]},
    "engine": {"use": "sequential"},
    "run": {"rounds": 4, "clients_per_round": 5, "checkpoint_every": 1},
}
ONE = {"bern": [0, 1, 2, 3, 4, 5, 6]}
TWO = {"bern": [0, 3, 6], "ulm": [1, 2, 4, 5]}


def experiment(*overrides, on_nodes=False):
    return experiments(TABLE, "demo", Path(), overrides, on_nodes)[0]


def remote(transport, results, *overrides, watch=silent):
    run = experiment("engine.asks=1", "engine.deadline=5.0", *overrides, on_nodes=True)
    return run_experiment(run, builder(transport), results, watch)


def rows(results):
    (history,) = results.glob("*/history.jsonl")
    return [json.loads(line) for line in history.read_text().splitlines()]


def body(make):
    """Return a node that sends other tensors."""

    def change(node, job, work):
        reply = work(job)
        return replace(reply, body=make(reply)) if b'"kind":"train"' in job.head else reply

    return change


def changed(parcel, change):
    """Return a job with another content that is signed as it should be."""
    before = read_job(parcel)
    what = json.loads(json.dumps(before.experiment))
    change(what)
    return replace(before, experiment=what).parcel(parcel.body)


def altered(parcel, **changes):
    """Return a job with other fields."""
    return replace(read_job(parcel), **changes).parcel(parcel.body)
