"""The node's own log: what was asked of it, what it decided, and what left it.

A line is a JSON object and holds, as ``chain``, the SHA-256 of the line before it and of itself: a
line that was changed, removed or put in no longer fits. Lines that were cut off at the end are
noticed only by who knows the last ``chain`` from elsewhere.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fedqml.core.errors import InputError
from fedqml.core.files import write_atomic

_LONGEST = 2000  # letters of a reason, which may repeat what a server sent


@dataclass(frozen=True)
class Entry:
    """Something that happened on a node.

    Attributes:
        kind: what was asked: ``"hello"``, ``"train"``; or ``"mended"``, of the log itself.
        decision: what came of it, such as ``"trained"`` or ``"refused"``.
        reason: why, in a sentence.
        experiment: its signature.
        round: the round.
        clients: the clients of this node that it was about.
        bytes_in: size of what was received.
        bytes_out: size of what was sent.
    """

    kind: str
    decision: str
    reason: str = ""
    experiment: str = ""
    round: int | None = None
    clients: tuple[int, ...] = ()
    bytes_in: int = 0
    bytes_out: int = 0


Record = Callable[[Entry], None]
"""Writes an entry to the log; it is on the disk when this returns."""


@dataclass(frozen=True)
class Log:
    """A log that fits together.

    Attributes:
        lines: what each line says, ``time`` and ``chain`` included.
        chain: that of the last line, ``""`` if there is none.
        half: bytes of a last line that was not finished, as after a kill.
    """

    lines: tuple[dict[str, Any], ...]
    chain: str
    half: int


@contextmanager
def audit(file: Path) -> Iterator[Record]:
    """Open a node's log, to write to it; a half-written last line is left out, and the log says so.

    Args:
        file: the log; made if there is none.

    Raises:
        InputError: if it cannot be written, another process writes to it, or a line was changed or
            removed.
    """
    lock = FileLock(file.with_name(f"{file.name}.lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(f"{file} is written by another node already.") from error
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error}") from error
    try:
        if not file.exists():
            write_atomic(file, b"")
        log = read_log(file)
        chain = log.chain
        if log.half:
            whole = file.read_bytes()[: -log.half]
            reason = f"The last line was half-written ({log.half} bytes) and is left out."
            line, chain = _line(Entry("mended", "mended", reason), chain)
            write_atomic(file, whole + line)

        def record(entry: Entry) -> None:
            nonlocal chain
            line, following = _line(entry, chain)
            with file.open("ab", buffering=0) as stream:
                stream.write(line)
                os.fsync(stream.fileno())
            chain = following

        yield record
    finally:
        lock.release()


def read_log(file: Path) -> Log:
    """Read a log and check that every line fits the one before it.

    Raises:
        InputError: if it cannot be read, or the first line that does not fit, by its number.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InputError(f"The log {file} cannot be read: {error.strerror}.") from error
    *whole, half = content.split(b"\n")
    lines, chain = [], ""
    for number, text in enumerate(whole, 1):
        try:
            line = json.loads(text)
            fits = line["chain"] == _chain(chain, {k: v for k, v in line.items() if k != "chain"})
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            fits = False
        if not fits:
            raise InputError(
                f"{file}, line {number} does not fit the line before it: it was changed, or "
                "lines were removed or put in there. Move the file aside and find out why; then "
                "the node begins a new one."
            )
        chain = line["chain"]
        lines.append(line)
    return Log(tuple(lines), chain, len(half))


def _line(entry: Entry, before: str) -> tuple[bytes, str]:
    body = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **asdict(entry)}
    body |= {"clients": list(entry.clients), "reason": entry.reason[:_LONGEST]}
    chain = _chain(before, body)
    return json.dumps({**body, "chain": chain}).encode() + b"\n", chain


def _chain(before: str, body: dict[str, Any]) -> str:
    return hashlib.sha256(f"{before}{json.dumps(body, sort_keys=True)}".encode()).hexdigest()
