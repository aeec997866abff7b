"""docs/three_hospitals.md as it is written, on four machines: the bits of one with all tables."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest

pytest.importorskip("flwr", reason="Flower is not installed (pip install fedqml[flower])")

from fedqml.cli.main import main
from tests.federation.machines import Machines, needs_namespaces
from tests.federation.real import needs_nginx
from tests.guide import SITES, blocks, carried

pytestmark = [
    pytest.mark.federation,
    pytest.mark.timeout(1200),
    needs_nginx,
    needs_namespaces,
]
ADDRESSES = {"server": "10.0.0.1", "bern": "10.0.0.2", "genf": "10.0.0.3", "ulm": "10.0.0.4"}
FILE = "three_hospitals.toml"
RUN = f"fedqml run {FILE} --engine flower --federation federation/server --json"


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    """The machines when all was done that the guide says; its commands still run."""
    with Machines(tmp_path_factory.mktemp("guide"), ADDRESSES) as machines:
        said = {}
        for what, machine, text in blocks():
            if what == "on":
                said[machine, text.split("\n")[0]] = machines.run(machine, text)
            elif what == "keep":
                machines.keep(machine, text)
                machines.wait_for(machine, "Open to sites" if machine == "server" else "Connected")
            for source, target in carried(text) if what == "carry" else ():
                machines.carry(source, target)
        yield machines, said


@pytest.fixture(scope="module")
def on_one_machine(guide, tmp_path_factory):
    """The hash of the guide's experiment, run where all tables are."""
    machines, _ = guide
    laptop = tmp_path_factory.mktemp("laptop")
    shutil.copytree(machines.root / "server" / "hospitals", laptop / "hospitals")
    for site in SITES:
        shutil.copy(machines.root / site / site / "data" / f"{site}.csv", laptop / "hospitals")
    file = shutil.copy(machines.root / "server" / FILE, laptop)
    assert main(["run", str(file), "--results", str(laptop / "results"), "--quiet"]) == 0
    return summary(laptop / "results")["hash"]


def summary(results: Path):
    (file,) = results.glob("*/summary.json")
    return json.loads(file.read_text())


def test_as_it_is_written_to_the_report(guide, on_one_machine):
    machines, said = guide
    server = machines.root / "server"
    assert summary(server / "results")["hash"] == on_one_machine
    assert "Tumours, three hospitals" in (server / "report" / "index.html").read_text()
    status = said["server", "fedqml federation status federation"]
    assert all(f"{site} " in status for site in SITES)
    audit = said["bern", "fedqml federation audit bern/audit.jsonl"]
    assert audit.count("train: trained") == 10


def test_a_machine_reaches_the_sites_door_of_the_server_alone(guide):
    machines, _ = guide
    knock = "timeout 5 bash -c '</dev/tcp/{}' 2>/dev/null && echo open || echo closed"
    assert machines.run("bern", knock.format("10.0.0.1/9443")) == "open\n"
    for door in ("10.0.0.1/9442", "10.0.0.3/9443"):
        assert machines.run("bern", knock.format(door)) == "closed\n"
    assert machines.run("bern", "ls /mnt").split() == [
        "bern",
        "make_table.py",
        "three_hospitals.toml",
    ]
    assert machines.run("bern", f"ls {machines.root}") == ""


def test_a_partition_that_heals_and_a_slow_node(guide, on_one_machine):
    machines, _ = guide
    run = machines.keep("server", f"{RUN} --results again", name="run")
    machines.wait_for("run", '"round": 2,')
    machines.plug("genf", "down")
    time.sleep(3)
    machines.signal("ulm", signal.SIGSTOP)
    time.sleep(22)  # longer than the SuperLink takes a silent node for one that is there
    machines.plug("genf", "up")
    time.sleep(3)
    machines.signal("ulm", signal.SIGCONT)
    assert '"round": 10,' not in machines.log("run")
    assert run.wait(600) == 0, machines.log("run")
    assert summary(machines.root / "server" / "again")["hash"] == on_one_machine
