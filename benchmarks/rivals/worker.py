"""A process that makes one rival's steps and times them: `python -m rivals.worker FOLDER NAME`.

Requests and replies are pickled through its standard input and output. What libraries print goes
to the standard error.
"""

import gc
import importlib
import os
import pickle
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rivals.about import About
from rivals.messages import Ran, Run

# A turn takes so long (s) or a single step, whatever is longer. In a training loop a step follows
# its like; the first one after others had their turn finds its code and data out of fast memory.
_TURN = 0.05


def serve(about: About, factory: Callable[[Any], Callable[[], Any]]) -> None:
    """Say what the rival is, then answer requests until there are no more."""
    with os.fdopen(os.dup(1), "wb") as replies:
        os.dup2(2, 1)
        base, steps = memory("VmRSS"), {}
        pickle.dump(about, replies)
        replies.flush()
        while True:
            try:
                request: Run = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the parent
            except EOFError:
                return
            try:
                reply: Any = run(factory, steps, request, base)
            except Exception as error:  # the rival's code: anything can come
                traceback.print_exc()
                reply = f"{type(error).__name__}: {error}"
            pickle.dump(reply, replies)
            replies.flush()


def run(
    factory: Callable[[Any], Callable[[], Any]],
    steps: dict[Any, Callable[[], Any]],
    request: Run,
    base: int,
) -> Ran:
    """Run a turn of steps, and return what one took in the mean."""
    preparation = 0.0
    started = time.perf_counter()
    if request.problem not in steps:
        steps[request.problem] = factory(request.problem)
        steps[request.problem]()
        preparation = time.perf_counter() - started
    step, values, count, spent = steps[request.problem], None, 0, 0.0
    gc.collect()
    started = time.perf_counter()
    while spent < _TURN:
        values = step()
        count += 1
        spent = time.perf_counter() - started
    used = memory("VmHWM") - base
    return Ran(spent / count, preparation, used, values if request.values else None)


def memory(what: str) -> int:
    """Return the memory in use (``VmRSS``) or its maximum (``VmHWM``), bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:  # not Linux: only the maximum is known, in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.splitlines() if line.startswith(what))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    folder, name = sys.argv[1:]
    rival = importlib.import_module(f"rivals.{folder}.{name}")
    serve(rival.ABOUT, getattr(rival, name))
