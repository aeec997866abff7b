"""A rival's process, seen from the outside."""

import os
import pickle
import select
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from rivals.about import About
from rivals.messages import Ran, Run

_ROOT = Path(__file__).parents[1]


class Failed(Exception):
    """The rival could not run a step; says why."""


class Process:
    """A rival's worker on so many cores; a context manager that ends it.

    Args:
        folder: ``steps`` or ``rounds``.
        name: the rival's file.
        cores: how many cores, and threads, it may use.
        limit: bytes of memory it may have.
    """

    def __init__(self, folder: str, name: str, cores: int, limit: int) -> None:
        self._cache = tempfile.TemporaryDirectory()
        threads = ("OMP", "MKL", "OPENBLAS")
        settings = {f"{library}_NUM_THREADS": str(cores) for library in threads} | {
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join([str(_ROOT.parent), str(_ROOT)]),
            # an empty cache, so that fedqml compiles, too
            "FEDQML_CACHE": self._cache.name,
        }
        self._log = Path(self._cache.name, "log").open("w+b")  # noqa: SIM115 - see close
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "rivals.worker", folder, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=os.environ | settings,
            preexec_fn=lambda: _confine(cores, limit),
        )

    def __enter__(self) -> "Process":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def start(self, seconds: float) -> About:
        """Wait until the rival's libraries are imported, and return what it says of itself.

        Raises:
            Failed: if they cannot be.
        """
        return self._receive(seconds)

    def run(self, request: Run, seconds: float) -> Ran:
        """Run a step.

        Args:
            request: which.
            seconds: after how long to give up; the process is then gone.

        Raises:
            Failed: if it takes longer, or does not work.
        """
        assert self._process.stdin is not None
        try:
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
        except OSError as error:
            raise Failed("its process has ended") from error
        reply = self._receive(seconds)
        if not isinstance(reply, Ran):
            raise Failed(str(reply))
        return reply

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._log):
            assert file is not None
            with suppress(OSError):  # what a process that has died did not read
                file.close()
        self._cache.cleanup()

    def _receive(self, seconds: float) -> Any:
        assert self._process.stdout is not None
        # A reply follows a request, so nothing waits in the file object's own buffer.
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        if not ready:
            self._process.kill()
            raise Failed(f"no answer within {seconds:.0f} s")
        try:
            return pickle.load(self._process.stdout)  # noqa: S301 - from the child
        except EOFError as error:
            raise Failed(f"its process has ended: {self._last_words()}") from error

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self._process.wait()}"


def _confine(cores: int, limit: int) -> None:
    """In the new process: leave it the last cores, and so much memory."""
    import resource

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
