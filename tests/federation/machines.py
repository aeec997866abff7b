"""Machines on this one: network namespaces joined by a switch, each with a file system view.

Made and removed by root, of Linux's own means; nothing of it can be reached from elsewhere, nor
reaches out.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
COMMANDS = {
    "python": f'exec "{sys.executable}" "$@"',
    "fedqml": f'exec "{sys.executable}" -m fedqml.cli.main "$@"',
    "pip": "exit 0",  # fedqml is there, and there is no network from which to get it again
}
# A machine sees its own folder as /mnt, and no other's.
_VIEW = "mount --bind {root}/{machine} /mnt && mount -t tmpfs none {root} && cd /mnt"


def _possible() -> bool:
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "--net", "--mount", "true"], check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(
    not _possible(), reason="network namespaces need Linux, root, ip and unshare"
)


class Machines:
    """Machines with a folder each.

    Args:
        folder: a new one, for the machines' folders.
        addresses: of each machine, by name.
    """

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        self.root = folder / "machines"
        self._bin, self._logs = folder / "bin", folder
        self._switch = self._namespace("switch")
        self._addresses = addresses
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._bin.mkdir()
        for name, line in COMMANDS.items():
            (self._bin / name).write_text(f"#!/bin/sh\n{line}\n")
            (self._bin / name).chmod(0o755)
        for machine in addresses:
            (self.root / machine).mkdir(parents=True)

    def __enter__(self) -> "Machines":
        _ip("netns", "add", self._switch)
        _ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
        _ip("-n", self._switch, "link", "set", "switch", "up")
        for machine, address in self._addresses.items():
            own = self._namespace(machine)
            _ip("netns", "add", own)
            peer = ["type", "veth", "peer", "name", "eth0", "netns", own]
            _ip("-n", self._switch, "link", "add", machine, *peer)
            _ip("-n", self._switch, "link", "set", machine, "master", "switch", "up")
            _ip("-n", own, "address", "add", f"{address}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                _ip("-n", own, "link", "set", link, "up")
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in (*self._addresses, "switch"):
            subprocess.run(["ip", "netns", "del", self._namespace(name)], check=False)

    def run(self, machine: str, text: str) -> str:
        """Run shell commands on a machine; return what they print."""
        done = subprocess.run(
            self._command(machine, text),
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"On {machine}:\n{text}\n{done.stdout}"
        return done.stdout

    def keep(self, machine: str, text: str, name: str = "") -> subprocess.Popen[bytes]:
        """Start a command that stays; its name is the machine's if none is given."""
        with (self._logs / f"{name or machine}.log").open("ab") as log:
            process = subprocess.Popen(
                self._command(machine, f"exec {text}"),
                env=self._environment(),
                stdout=log,
                stderr=log,
            )
        self._running[name or machine] = process
        return process

    def carry(self, source: str, target: str) -> None:
        """Bring a file or folder, written ``MACHINE:PATH``, to another machine."""
        old, new = (self.root / place.replace(":", "/", 1) for place in (source, target))
        (shutil.copytree if old.is_dir() else shutil.copy)(old, new)

    def log(self, name: str) -> str:
        """Return what a command that stays has printed."""
        return (self._logs / f"{name}.log").read_text(encoding="utf-8")

    def wait_for(self, name: str, sentence: str, seconds: float = 120) -> None:
        """Wait until a command that stays has printed something."""
        end = time.monotonic() + seconds
        while sentence not in self.log(name):
            assert self._running[name].poll() is None, self.log(name)
            assert time.monotonic() < end, self.log(name)
            time.sleep(0.1)

    def plug(self, machine: str, state: str) -> None:
        """Set the switch's side of a machine's cable "up" or "down"."""
        _ip("-n", self._switch, "link", "set", machine, state)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a command that stays."""
        self._running[name].send_signal(number)

    def _command(self, machine: str, text: str) -> Sequence[str]:
        view = _VIEW.format(root=self.root, machine=machine)
        shell = ["unshare", "--mount", "bash", "-euc", f"{view}\n{text}"]
        return ["ip", "netns", "exec", self._namespace(machine), *shell]

    def _environment(self) -> dict[str, str]:
        path = f"{self._bin}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "PYTHONPATH": str(CHECKOUT), "HOME": "/mnt"}

    def _namespace(self, name: str) -> str:
        return f"fedqml-{os.getpid()}-{name}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
