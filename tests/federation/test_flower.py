"""Rounds over real Flower: TLS, certificates and keys of nodes, nginx before the SuperLink."""

import json
import os
import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="Flower is not installed (pip install fedqml[flower])")

from fedqml.cli.main import main
from fedqml.federation import superlink
from fedqml.federation.flower_node import serve
from fedqml.federation.folders import read_site
from fedqml.federation.memory import Memory
from fedqml.federation.policy import read_policy
from fedqml.federation.worker import worker
from tests.federation.loopback import Loopback
from tests.federation.real import needs_nginx

pytestmark = needs_nginx

EXPERIMENT = """
data = { use = "breast_cancer" }
partition = { use = "iid", clients = 7 }
model = { use = "dense_vqc", qubits = 2, ansatz = { depth = 1 }, dropout = 0.2 }
local = { use = "adam", lr = 0.02, batch_size = 64, keep_state = true }
engine = { use = "sequential" }
run = { rounds = 4, clients_per_round = 5, checkpoint_every = 2 }
"""
HOSTS = {"bern": [0, 3, 6], "ulm": [1, 2, 4, 5]}


def experiment(folder: Path, rounds: int = 4) -> Path:
    path = folder / "demo.toml"
    path.write_text(EXPERIMENT.replace("rounds = 4", f"rounds = {rounds}"))
    return path


def hashes(results: Path) -> set[str]:
    return {json.loads(path.read_text())["hash"] for path in results.glob("*/summary.json")}


def hash_of(results: Path) -> str:
    (found,) = hashes(results)
    return found


def one_process(folder: Path, file: Path) -> str:
    """Return the hash of the same run without a federation."""
    assert main(["run", str(file), "--results", str(folder / "here"), "--quiet"]) == 0
    return hash_of(folder / "here")


class Threads:
    """Nodes as threads of this process, which need not wait for PyTorch again."""

    def __init__(self, loop: Loopback) -> None:
        self.said: list[str] = []
        self.over = False
        self._one_at_a_time = threading.Lock()  # they share PyTorch's generator
        self._threads = [
            threading.Thread(target=self._serve, args=[loop.folder / "sites" / name], daemon=True)
            for name in loop.hosts
        ]

    def __enter__(self) -> "Threads":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over = True

    def join(self) -> None:
        """Wait until the nodes have noticed that their server is gone."""
        for thread in self._threads:
            thread.join(60)

    def _serve(self, folder: Path) -> None:
        site = read_site(folder)
        work = worker(
            site.hosts, Memory(folder / "state"), read_policy(site.policy), lambda entry: None
        )

        def one_at_a_time(parcel):
            with self._one_at_a_time:
                return work(parcel)

        with suppress(_Over):
            serve(site, 1 << 24, one_at_a_time, self._say)

    def _say(self, sentence: str) -> None:
        self.said.append(sentence)
        if self.over:
            raise _Over


class _Over(Exception):
    pass


@pytest.mark.timeout(240)  # on a busy machine
def test_two_nodes_over_tls_give_the_bits_of_one_process(tmp_path):
    file = experiment(tmp_path)
    loop = Loopback(tmp_path / "fed", HOSTS)
    nodes = Threads(loop)
    with superlink.running(loop.server), nodes:
        folder = ["--federation", str(loop.server.folder)]
        assert main(["run", str(file), *folder, "--results", str(tmp_path / "there")]) == 0
    nodes.join()
    assert hash_of(tmp_path / "there") == one_process(tmp_path, file)
    assert sum("Connected" in sentence for sentence in nodes.said) == 2
    assert "cannot be reached" in nodes.said[-1]


DIGITS = (
    '{ use = "digits", classes = [3, 8], features = { use = "efficientnet_lite0", size = 64 } }'
)


@pytest.mark.federation
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "data", "engine"),
    [
        ("breast_cancer", '{ use = "breast_cancer" }', "sequential"),
        # the paper's table III in small: photographs behind a frozen network, a dense head
        ("frozen_digits", DIGITS, "in_place"),
    ],
)
def test_what_is_shipped_has_the_same_hashes_on_three_nodes(tmp_path, name, data, engine):
    hosts = {"bern": [*range(5)], "ulm": [*range(5, 20, 2)], "wien": [*range(6, 20, 2)]}
    loop = Loopback(tmp_path / "fed", hosts, data)
    there, here = tmp_path / "there", tmp_path / "here"
    short = [name, "--quiet", "--rounds", "3"]
    for setting in ("local.epochs=1", "run.seeds=[0]"):
        short += ["--set", setting]
    nodes = Threads(loop)
    with superlink.running(loop.server), nodes:
        given = ["--federation", str(loop.server.folder), "--results", str(there)]
        assert main(["run", *short, *given, "--set", f"engine.on_nodes.use={engine}"]) == 0
    nodes.join()
    assert main(["run", *short, "--results", str(here), "--set", f"engine.use={engine}"]) == 0
    assert hashes(there) == hashes(here)
    assert len(hashes(there)) == 2  # of the federated arm, and of the central one


# --- processes that are killed, at moments that differ from run to run ---


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Server and nodes as processes, which the tests below kill and start again."""
    with Loopback(tmp_path_factory.mktemp("killed") / "fed", HOSTS).running() as loop:
        yield loop


def seeded(folder: Path, seed: int) -> Path:
    """Return an experiment of its own, so that no test finds the states of another."""
    path = experiment(folder)
    path.write_text(path.read_text().replace("run = {", f"run = {{ seeds = [{seed}],"))
    return path


def in_round(loop: Loopback, number: int) -> None:
    """Return at some moment in a round, or soon after."""
    loop.wait_for("run", f'"round": {number - 1},')
    time.sleep(random.uniform(0, 1.5))


@pytest.mark.federation
@pytest.mark.timeout(600)
def test_nodes_that_are_killed_and_come_back(tmp_path, running):
    file = seeded(tmp_path, 1)
    run = running.run(file, tmp_path / "there", "--json")
    for number, name in ((2, "bern"), (4, "ulm")):
        in_round(running, number)
        running.kill(name)
        running.start(name)
    assert run.wait(400) == 0, running.log("run")
    assert hash_of(tmp_path / "there") == one_process(tmp_path, file)


@pytest.mark.federation
@pytest.mark.timeout(600)
def test_a_run_that_is_killed_goes_on_to_the_same_bits(tmp_path, running):
    file = seeded(tmp_path, 2)
    running.run(file, tmp_path / "there", "--json")
    in_round(running, 4)  # the checkpoint is that of round 2
    running.kill("run")
    assert running.run(file, tmp_path / "there", "--json").wait(400) == 0, running.log("run")
    assert hash_of(tmp_path / "there") == one_process(tmp_path, file)


@pytest.mark.federation
@pytest.mark.timeout(600)
def test_a_superlink_that_is_killed_and_comes_back(tmp_path, running):
    file = seeded(tmp_path, 3)
    run = running.run(file, tmp_path / "there", "--json")
    in_round(running, 3)
    os.kill(superlink_of(running.processes["server"].pid), signal.SIGKILL)
    assert running.processes["server"].wait(60) == 2
    assert "SuperLink has stopped (SIGKILL)" in running.log("server")
    running.serve()
    assert run.wait(400) == 0, running.log("run")
    assert hash_of(tmp_path / "there") == one_process(tmp_path, file)


def superlink_of(server: int) -> int:
    """Return the process of the SuperLink that a `fedqml server` has started."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
    (found,) = (
        int(child)
        for child in children
        if b"fedqml.federation.link" in Path(f"/proc/{child}/cmdline").read_bytes()
    )
    return found
