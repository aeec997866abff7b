"""How far a long piece of work is, for the person who waits."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID, TimeRemainingColumn

# On no terminal lines pile up: in a log, one now and then is enough.
_EVERY = 30.0


class Progress:
    """A bar on standard error; on no terminal, nothing at first and a line every half minute."""

    def __init__(self, title: str, total: int | None, unit: str, done: int = 0) -> None:
        """Begin.

        Args:
            title: what is being done.
            total: how much there is to do; None if nobody knows.
            unit: what is counted, for the lines.
            done: how much of it was done before.
        """
        self._title, self._total, self._unit = title, total, unit
        self._first = self._done = done
        self._began = self._shown = time.monotonic()
        self._stream = sys.stderr
        self._bar: Bar | None = None
        self._task = TaskID(0)
        if sys.stderr.isatty():
            columns = (*Bar.get_default_columns()[:-1], TimeRemainingColumn(compact=True))
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(title, total=total, completed=done)

    def __enter__(self) -> "Progress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def advance(self, count: int) -> None:
        """Say that so much more is done."""
        self._done += count
        if self._bar:
            self._bar.advance(self._task, count)
            return
        now = time.monotonic()
        if now - self._shown >= _EVERY:
            self._shown = now
            print(self._line(now - self._began), file=self._stream, flush=True)

    def _line(self, seconds: float) -> str:
        line = f"{self._title}: {self._done:,}"
        if self._total is None:
            return f"{line} {self._unit}"
        left = (self._total - self._done) * seconds / max(1, self._done - self._first)
        return f"{line} of {self._total:,} {self._unit}, {left / 60:.0f} min left"
