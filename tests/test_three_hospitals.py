"""The guide's steps, up to the network, as written: a folder stands for each machine."""

import os
import shutil
import subprocess
import sys

import pytest

from fedqml.data.partitions import by_owner
from fedqml.data.sources import owner_tables
from fedqml.experiments.build import builder
from fedqml.experiments.config import load
from fedqml.experiments.rounds import begin, proceed
from fedqml.federation.policy import TEMPLATE, read_policy
from tests.guide import ROOT, SITES, blocks, carried

NETWORK = ("pip install", "federation init", "federation status", "federation audit")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    root = tmp_path_factory.mktemp("machines")
    for site in SITES:
        folder = root / "server" / "federation" / "sites" / site  # as `federation init` makes it
        folder.mkdir(parents=True)
        (folder / "policy.toml").write_text(TEMPLATE)
        (root / site).mkdir()
    (root / "bin").mkdir()
    for name, command in (("python", ""), ("fedqml", "-m fedqml.cli.main")):
        (root / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n')
        (root / "bin" / name).chmod(0o755)
    paths = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for what, machine, text in blocks():
        if what == "on" and not any(command in text for command in NETWORK):
            command = ["bash", "-euc", text]
            subprocess.run(command, cwd=root / machine, env={**os.environ, **paths}, check=True)
        for places in carried(text) if what == "carry" else ():
            source, target = (root / place.replace(":", "/", 1) for place in places)
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, target)
    return root


def test_no_machine_has_rows_of_another(machines):
    for machine in ("server", *SITES):
        tables = {path.stem for path in (machines / machine).rglob("*.csv")}
        assert tables == {"test" if machine == "server" else machine}
    rows = [len(owner_tables(machines / site / site / "data").y) for site in SITES]
    server = owner_tables(machines / "server" / "hospitals").split(by_owner())
    assert [len(client) for client in server.clients] == rows
    assert sum(rows) + len(server.data.test_set[1]) == 569


def test_every_hospital_accepts_the_experiment_and_no_more_than_it_says(machines):
    file = str(machines / "server" / "three_hospitals.toml")
    (run,), (other,) = load(file), load(file, ["local.epochs=11"])
    policies = [read_policy(machines / site / site / "policy.toml") for site in SITES]
    assert [policy.refusal(run.config, 3, 200) for policy in policies] == [None, None, None]
    refused = [policy.refusal(other.config, 3, 200) is not None for policy in policies]
    assert refused == [True, False, True]
    assert policies[1].refusal(run.config, 2, 200) is not None
    assert policies[1].refusal(run.config, 3, 2000) is not None


def test_the_experiment_learns_on_a_laptop_with_all_tables(machines, tmp_path):
    shutil.copytree(machines / "server" / "hospitals", tmp_path / "hospitals")
    for site in SITES:
        shutil.copy(machines / site / site / "data" / f"{site}.csv", tmp_path / "hospitals")
    shutil.copy(machines / "server" / "three_hospitals.toml", tmp_path)
    (run,) = load(str(tmp_path / "three_hospitals.toml"))
    laptop = builder()(run)
    *_, last = proceed(laptop, begin(laptop))
    assert last.rows[-1]["test_accuracy"] > 0.9
    server = owner_tables(machines / "server" / "hospitals").split(by_owner())
    assert server.fingerprint() == laptop.objective.data.fingerprint()
