"""Being stopped by the system as by Ctrl-C."""

import signal
from typing import NoReturn


def stop_by_signals() -> None:
    """Let SIGTERM and SIGHUP end a command in the way of Ctrl-C, so that it cleans up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)


def _stop(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
