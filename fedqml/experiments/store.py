"""A run's folder: one writer at a time, and nothing in it ever half-written.

A checkpoint is a file of tensors and, written after it, a JSON file that holds the history and
the checksums of both: without the second the first does not count.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fedqml.core.errors import InputError
from fedqml.core.files import replacing, write_atomic, write_json
from fedqml.core.transform import prefixed, select
from fedqml.experiments.rounds import Progress, Row

_KEPT = 2


class Busy(Exception):
    """Another process is at work in this run's folder."""


@dataclass(frozen=True)
class Store:
    """A run's folder on disk.

    Attributes:
        folder: ``results/<id>``.
    """

    folder: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the system frees it if the process dies.

        Raises:
            Busy: if another process holds it.
            InputError: if the folder cannot be made or written.
        """
        try:
            self._checkpoints.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise Busy(str(self.folder)) from error
        except OSError as error:
            raise InputError(
                f"The results folder {self.folder} cannot be written: {error}"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def describe(self, name: str, description: dict[str, Any]) -> None:
        """Write ``<name>.json``."""
        write_json(self.folder / f"{name}.json", description)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what ``<name>.json`` holds, or None if there is no such readable file."""
        try:
            value = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def rewrite_history(self, rows: tuple[Row, ...]) -> None:
        """Make the history file hold exactly these rows."""
        write_atomic(self._history, "".join(_line(row) for row in rows).encode())

    def history(self) -> tuple[Row, ...]:
        """Return the rows of a finished run."""
        lines = self._history.read_text(encoding="utf-8").splitlines()
        return tuple(json.loads(line) for line in lines)

    def append_history(self, row: Row) -> None:
        """Add a round to the history file; a torn last line is mended on resuming."""
        with self._history.open("a", encoding="utf-8") as stream:
            stream.write(_line(row))

    def save(self, progress: Progress, signature: str) -> None:
        """Write a checkpoint, then remove all but the newest two."""
        weights = self._checkpoints / f"{progress.round:06d}.safetensors"
        tensors = {"params": progress.params}
        tensors |= prefixed(progress.server, "server/")
        tensors |= prefixed(progress.clients, "clients/")
        with replacing(weights) as temporary:
            # Cloned: states may be views of one stack, which safetensors refuses.
            save_file({n: t.detach().cpu().clone() for n, t in tensors.items()}, temporary)
        body = {
            "round": progress.round,
            "signature": signature,
            "weights": _sha256(weights),
            "rows": list(progress.rows),
        }
        write_json(weights.with_suffix(".json"), {**body, "digest": _digest(body)})
        for old in sorted(self._checkpoints.glob("*.json"))[:-_KEPT]:
            old.unlink()
            old.with_suffix(".safetensors").unlink(missing_ok=True)

    def latest(self, signature: str) -> tuple[Progress | None, list[str]]:
        """Return the newest good checkpoint, and a sentence on each damaged one.

        Raises:
            InputError: if the run was begun with other data or another model.
        """
        warnings = []
        for path in sorted(self._checkpoints.glob("*.json"), reverse=True):
            try:
                body = _checked(path)
                tensors = load_file(path.with_suffix(".safetensors"))
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                warnings.append(f"The checkpoint {path} is damaged ({error}); using an older one.")
                continue
            self.same(body["signature"], signature)
            progress = Progress(
                body["round"],
                tensors["params"],
                select(tensors, "server/"),
                select(tensors, "clients/"),
                tuple(body["rows"]),
            )
            return progress, warnings
        return None, warnings

    def same(self, saved: object, signature: str) -> None:
        """Refuse to go on with, or to count as done, a run of other data or another model.

        Raises:
            InputError: if the signatures differ.
        """
        if saved != signature:
            raise InputError(
                f"{self.folder} holds a run with the same settings but other data, or another "
                "model or other first weights (the code or PyTorch may have changed). Keep it and "
                "use another results folder, or delete it."
            )

    def finish(self, progress: Progress, tensors: dict[str, Any], summary: dict[str, Any]) -> None:
        """Write the model and the summary, which makes the run finished; drop checkpoints."""
        with replacing(self.folder / "model.safetensors") as temporary:
            save_file({n: t.detach().cpu().clone() for n, t in tensors.items()}, temporary)
        self.rewrite_history(progress.rows)
        self.describe("summary", summary)
        for path in self._checkpoints.iterdir():
            path.unlink()

    @property
    def _history(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"


def _line(row: Row) -> str:
    return json.dumps(row, allow_nan=False) + "\n"


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checked(path: Path) -> dict[str, Any]:
    """Return a checkpoint's JSON if its own and its tensors' checksums hold."""
    body = json.loads(path.read_text(encoding="utf-8"))
    digest = body.pop("digest")
    if _digest(body) != digest:
        raise ValueError("its checksum differs")
    weights = path.with_suffix(".safetensors")
    if _sha256(weights) != body["weights"]:
        raise ValueError(f"the checksum of {weights.name} differs")
    return body
