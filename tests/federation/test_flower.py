"""Rounds over real Flower: TLS, certificates and keys of nodes, nginx before the SuperLink."""

import json
import threading
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


def hash_of(results: Path) -> str:
    (summary,) = results.glob("*/summary.json")
    return json.loads(summary.read_text())["hash"]


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
            for name in HOSTS
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


@pytest.fixture
def loop(tmp_path):
    return Loopback(tmp_path / "fed", HOSTS)


def wait_for_round(loop, number):
    loop.wait_for("run", f'"round": {number},', seconds=200)


@pytest.mark.federation
@pytest.mark.timeout(600)
def test_nodes_that_are_killed_and_come_back(tmp_path, loop):
    file = experiment(tmp_path, rounds=6)
    with superlink.running(loop.server), loop.nodes("bern", "ulm"):
        run = loop.run(file, tmp_path / "there", "--json")
        for number, name in ((2, "bern"), (4, "ulm")):
            wait_for_round(loop, number)
            loop.kill(name)
            loop.start(name)
        assert run.wait(300) == 0, loop.log("run")
    assert hash_of(tmp_path / "there") == one_process(tmp_path, file)


@pytest.mark.federation
@pytest.mark.timeout(600)
def test_a_run_that_is_killed_goes_on_to_the_same_bits(tmp_path, loop):
    file = experiment(tmp_path, rounds=6)
    with superlink.running(loop.server), loop.nodes("bern", "ulm"):
        loop.run(file, tmp_path / "there", "--json")
        wait_for_round(loop, 3)  # the checkpoint is that of round 2
        loop.kill("run")
        assert loop.run(file, tmp_path / "there", "--json").wait(300) == 0, loop.log("run")
    assert hash_of(tmp_path / "there") == one_process(tmp_path, file)


@pytest.mark.federation
@pytest.mark.timeout(600)
def test_a_superlink_that_is_killed_and_comes_back(tmp_path, loop):
    file = experiment(tmp_path, rounds=6)
    with superlink.running(loop.server) as processes, loop.nodes("bern", "ulm"):
        run = loop.run(file, tmp_path / "there", "--json")
        wait_for_round(loop, 3)
        processes["SuperLink"].kill()
        processes["SuperLink"].wait()
        processes["nginx"].terminate()
        processes["nginx"].wait()
        with superlink.running(loop.server):
            assert run.wait(300) == 0, loop.log("run")
    assert hash_of(tmp_path / "there") == one_process(tmp_path, file)
