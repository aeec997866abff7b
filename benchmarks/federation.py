"""Time rounds of a real federation on loopback: what of a round is Flower's, and what is ours.

    python benchmarks/federation.py [OUTPUT]

The same run is made three times, with the same result: in one process, in as many batches as there
are nodes; with its three nodes in one process, jobs and replies passed on as bytes; and over
Flower, nginx and TLS, each node a process of its own. What the second takes beyond the first is
ours; what the last takes beyond the second is Flower's and the network's. Writes
docs/results/federation.md by default.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from fedqml.core.denormals import denormals_as_zero
from fedqml.core.files import write_atomic
from fedqml.engines.remote.job import Host, Parcel
from fedqml.engines.remote.transport import Answer, Transport
from fedqml.experiments.build import builder
from fedqml.experiments.config import load
from fedqml.experiments.environment import environment
from fedqml.experiments.run import run_experiment
from fedqml.federation import superlink
from fedqml.federation.audit import audit
from fedqml.federation.flower_server import FlowerTransport
from fedqml.federation.folders import Server, init, read_server, read_site
from fedqml.federation.memory import Memory
from fedqml.federation.policy import read_policy
from fedqml.federation.worker import worker

ROUNDS = 10
WARM_UP = 3  # rounds in which nodes build the model and compile kernels
PORT = 19443
SITES: dict[str, list[Host]] = {"bern": [0, 1, 2, 3], "ulm": [4, 5, 6], "wien": [7, 8, 9]}
DATA = '{ use = "csv", path = "points.csv", target = "class" }'
EXPERIMENT = """
data = {data}
partition = {{ use = "iid", clients = 10 }}
model = {{ use = "circuit_only" }}
local = {{ use = "sgd", lr = 0.1, batch_size = 32 }}
engine = {{ use = "vectorised", at_once = 4 }}
run = {{ rounds = {rounds}, clients_per_round = 10 }}
"""


class Direct:
    """Nodes in this process; see ``Transport``."""

    def __init__(self, folders: Mapping[str, Path], stack: ExitStack) -> None:
        self._work, self._hosts = {}, {}
        for name, folder in folders.items():
            site = read_site(folder)
            (folder / "state").mkdir()
            self._hosts[name] = site.hosts
            record = stack.enter_context(audit(folder / "audit.jsonl"))
            memory = Memory(folder / "state")
            self._work[name] = worker(site.hosts, memory, read_policy(site.policy), record)

    def nodes(self) -> Collection[str]:
        return self._work

    def hosts(self) -> Mapping[str, Collection[Host]]:
        return self._hosts

    def exchange(
        self, parcels: Mapping[str, Parcel], limits: Mapping[str, int], seconds: float
    ) -> Iterator[Answer]:
        for node, parcel in parcels.items():
            yield Answer(node, self._work[node](parcel))


def folders(folder: Path, sites: Mapping[str, list[Host]], data: str, file: Path) -> Server:
    """Make a federation's folders on loopback, a copy of the file with the data in each."""
    named = [f"{name}={','.join(map(str, hosts))}" for name, hosts in sites.items()]
    init(folder, [f"127.0.0.1:{PORT}"], named, days=1)
    table = folder / "server" / "server.toml"
    text = table.read_text().replace("0.0.0.0", "127.0.0.1").replace("9442", str(PORT - 1))
    table.write_text(text)
    for name in sites:
        site = folder / "sites" / name
        (site / "policy.toml").write_text(f"data = {data}\n")
        shutil.copy(file, site)
    return read_server(folder / "server")


@contextmanager
def nodes(folder: Path, sites: Iterable[str]) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start a federation's nodes, and stop them on leaving."""
    command = [sys.executable, "-m", "fedqml.cli.main", "node"]
    started = {
        name: subprocess.Popen([*command, str(folder / "sites" / name)], stdout=subprocess.DEVNULL)
        for name in sites
    }
    try:
        yield started
    finally:
        for node in started.values():
            node.terminate()
        for node in started.values():
            node.wait()


def points() -> str:
    """Return 1000 points of two classes with four features, as CSV."""
    rng = np.random.default_rng(0)
    lines = ["a,b,c,d,class"]
    for x in rng.standard_normal((1000, 4)):
        lines.append(",".join(f"{v:.4f}" for v in x) + (",in" if x.sum() > 0 else ",out"))
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Times:
    """Seconds of each round after warming up: by the clock, and of this process's CPUs."""

    clock: list[float]
    cpu: list[float]
    hash: str

    def line(self, what: str) -> str:
        low, _, high = statistics.quantiles(self.clock, n=4)
        middle, cpu = map(statistics.median, (self.clock, self.cpu))
        return f"| {what} | {middle:.3f} | {low:.3f} to {high:.3f} | {cpu:.3f} |"


def run(file: Path, results: Path, transport: Transport | None) -> Times:
    """Run the experiment, here or on nodes."""
    rows: list[dict[str, Any]] = []
    cpu: list[float] = []

    def watch(row: dict[str, Any]) -> None:
        rows.append(row)
        cpu.append(time.process_time())

    (experiment,) = load(str(file), on_nodes=transport is not None)
    with denormals_as_zero():
        outcome = run_experiment(experiment, builder(transport), results, watch)
    clock = [row["seconds"] for row in rows[1 + WARM_UP :]]
    of_cpu = [after - before for before, after in pairwise(cpu[WARM_UP:])]
    return Times(clock, of_cpu, outcome.summary["hash"])


def over_flower(server: Server, file: Path) -> Times:
    """Run the experiment over Flower."""
    folder = server.folder.parent
    with superlink.running(server), nodes(folder, SITES):
        transport = FlowerTransport(server)
        try:
            while len(transport.nodes()) < len(SITES):
                time.sleep(1)
            return run(file, folder, transport)
        finally:
            transport.close(failed=False)


def main(output: Path) -> None:
    about = environment()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        table = folder / "points.csv"
        table.write_text(points())
        file = folder / "points.toml"
        file.write_text(EXPERIMENT.format(data=DATA, rounds=ROUNDS + WARM_UP))
        here = run(file, folder / "here", None)
        folders(folder / "direct", SITES, DATA, table)
        sites = {site: folder / "direct" / "sites" / site for site in SITES}
        direct = run(file, folder / "there", Direct(sites, stack))
        flower = over_flower(folders(folder / "flower", SITES, DATA, table), file)
        assert here.hash == direct.hash == flower.hash
    load_average = os.getloadavg()[1]
    clock = [statistics.median(times.clock) for times in (here, direct, flower)]
    ours = statistics.median(direct.cpu) - statistics.median(here.cpu)
    text = f"""# A round of a real federation

Command: `python benchmarks/federation.py`. Three nodes with ten clients of 80 points each, the
circuit of 24 weights, one local epoch; the server evaluates 200 points. {about["processor"]},
{about["cores"]} cores, on which server, SuperLink, nginx and the nodes all run; load of the last
five minutes {load_average:.1f}. {ROUNDS} rounds after {WARM_UP} of warming up, seconds a round. All
three runs have the same hash.

| the same run | median | middle half | CPU, of this process |
| --- | --: | --: | --: |
{here.line("in one process, in three batches")}
{direct.line("three nodes in one process, by bytes")}
{flower.line("over Flower, nginx and TLS")}

Ours of a round, the second less the first, are {ours:.3f} s of CPU and {clock[1] - clock[0]:.3f} s
by the clock: jobs and replies made and checked, policies, and what nodes write to their disks
before they answer (log, allowance, last answer). Flower's and the network's, the last less the
second, are {clock[2] - clock[1]:.3f} s: a dozen requests of each node one after another, each
through nginx and Flower's checks and database, and the times between looks for new messages (server
0.1 s, node 0.15 s).
"""
    write_atomic(output, text.encode())
    print(text)


if __name__ == "__main__":
    default = Path(__file__).parents[1] / "docs" / "results" / "federation.md"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
