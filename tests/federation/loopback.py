"""A federation on this machine as people run one: nodes and runs in processes of their own."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tests.federation.real import make

DATA = '{ use = "breast_cancer" }'


class Loopback:
    """The folders of a federation, and the processes that a test starts in them."""

    def __init__(self, folder: Path, hosts: dict[str, list[int]], data: str = DATA) -> None:
        self.folder, self.hosts = folder, hosts
        sites = [f"{name}={','.join(map(str, clients))}" for name, clients in hosts.items()]
        self.server = make(folder, *sites)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in hosts:
            site = folder / "sites" / name
            (site / "policy.toml").write_text(f"data = {data}\n")

    @contextmanager
    def running(self):
        """Run server and nodes; wait until they are connected."""
        try:
            self.serve()
            for name in self.hosts:
                self.start(name)
            for name in self.hosts:
                self.wait_for(name, "Connected")
            yield self
        finally:
            for process in self.processes.values():
                process.terminate()
            for process in self.processes.values():
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def serve(self) -> None:
        """Start `fedqml server`, and wait until it is open."""
        self._start("server", ["server", str(self.server.folder)], anew=True)
        self.wait_for("server", "Open to sites")

    def start(self, name: str) -> None:
        """Start a site's node."""
        self._start(name, ["node", str(self.folder / "sites" / name)])

    def run(self, experiment: Path, results: Path, *options: str) -> subprocess.Popen[bytes]:
        """Start a run on the nodes."""
        given = [str(experiment), "--federation", str(self.server.folder)]
        return self._start("run", ["run", *given, "--results", str(results), *options], anew=True)

    def kill(self, name: str) -> None:
        """Kill a process as a crash does."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def wait_for(self, name: str, sentence: str, seconds: float = 200) -> None:
        """Wait until a process says something."""
        end = time.monotonic() + seconds
        while sentence not in self.log(name):
            assert self.processes[name].poll() is None, self.log(name)
            assert time.monotonic() < end, self.log(name)
            time.sleep(0.1)

    def log(self, name: str) -> str:
        """Return what processes of this name have said."""
        return (self.folder / f"{name}.log").read_text()

    def _start(
        self, name: str, arguments: list[str], anew: bool = False
    ) -> subprocess.Popen[bytes]:
        here = Path(__file__).parents[2]
        environment = {**os.environ, "PYTHONPATH": str(here)}
        command = [sys.executable, "-m", "fedqml.cli.main", *arguments]
        with (self.folder / f"{name}.log").open("wb" if anew else "ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, env=environment
            )
        self.processes[name] = process
        return process
