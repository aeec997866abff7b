"""A run's folder: one writer at a time, and nothing in it ever half-written.

A checkpoint is a file of tensors and, written after it, a JSON file that holds the history and
the checksums of both: without the second the first does not count.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from fedqml.core.errors import InputError
from fedqml.core.files import TEMPORARY, fsync, replacing, write_atomic, write_json
from fedqml.core.packing import Packing
from fedqml.core.transform import prefixed, select
from fedqml.experiments.rounds import Progress, Row

_KEPT = 2
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError)


class Busy(Exception):
    """Another process is at work in this run's folder."""


class Damaged(Exception):
    """A file in this run's folder is not what was written."""


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
            # Not the kind of lock that a killed process leaves behind.
            lock = FileLock(self.folder / ".lock", timeout=0, fallback_to_soft=False)
            lock.acquire()
        except Timeout as error:
            raise Busy(str(self.folder)) from error
        except (OSError, NotImplementedError) as error:
            raise InputError(
                f"The results folder {self.folder} cannot be written or locked: {error}"
            ) from error
        try:
            for path in (self.folder, self.folder.parent):
                fsync(path)  # or a power cut could take the folder and the checkpoints in it
            for left in (
                *self.folder.glob(f".*{TEMPORARY}"),
                *self._checkpoints.glob(f".*{TEMPORARY}"),
            ):
                left.unlink()
            yield
        finally:
            lock.release()

    def describe(self, name: str, description: dict[str, Any]) -> None:
        """Make ``<name>.json`` hold this; a file that does is left alone."""
        try:
            if self.read(name) == description:
                return
        except Damaged:
            pass
        write_json(self.folder / f"{name}.json", description)

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what ``<name>.json`` holds, or None if there is no such file.

        Raises:
            Damaged: if it cannot be read.
        """
        path = self.folder / f"{name}.json"
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except _UNREADABLE as error:
            raise Damaged(f"{path.name}: {error}") from error
        if not isinstance(value, dict):
            raise Damaged(f"{path.name} holds no object")
        return value

    def rewrite_history(self, rows: tuple[Row, ...]) -> None:
        """Make the history file hold exactly these rows."""
        write_atomic(self._history, "".join(_line(row) for row in rows).encode())

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
        _save_tensors(weights, tensors)
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
            except _UNREADABLE as error:
                warnings.append(f"The checkpoint {path} is damaged ({error}); using an older one.")
                # Out of the way of its successors, which are counted, but not lost.
                path.replace(path.with_suffix(".json.damaged"))
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
                f"{self.folder} holds a run with the same settings but other data, another model "
                "or other first weights (or the code of your own functions, or PyTorch, has "
                "changed). Keep it and use another results folder, or delete it."
            )

    def finish(
        self,
        progress: Progress,
        model: dict[str, torch.Tensor],
        predictions: bytes | None,
        summary: dict[str, Any],
    ) -> None:
        """Write model, predictions and the summary, which makes the run finished; drop checkpoints.

        Args:
            progress: the run after its last round.
            model: every tensor of the model.
            predictions: the content of ``predictions.csv``, if the model has classes.
            summary: what the run came to.
        """
        _save_tensors(self._model, model)
        self.rewrite_history(progress.rows)
        self.finish_predictions(predictions, summary)
        shutil.rmtree(self._checkpoints)

    def finish_predictions(self, predictions: bytes | None, summary: dict[str, Any]) -> None:
        """Write the predictions, and after them the summary with their checksum."""
        if predictions is None:
            self._predictions.unlink(missing_ok=True)
        else:
            write_atomic(self._predictions, predictions)
        self.describe("summary", summary)

    def has_predictions(self, checksum: str | None) -> bool:
        """Return whether ``predictions.csv`` has this SHA-256; without any, there must be none."""
        try:
            return _sha256(self._predictions) == checksum
        except FileNotFoundError:
            return checksum is None
        except OSError:
            return False

    def finished(self, packing: Packing) -> Progress:
        """Return a finished run, without what was remembered between rounds.

        Raises:
            Damaged: if model or history cannot be read.
        """
        try:
            lines = self._history.read_text(encoding="utf-8").splitlines()
            rows = tuple(json.loads(line) for line in lines)
            params = packing.pack(load_file(self._model))[None]
            return Progress(rows[-1]["round"], params, {}, {}, rows)
        except (*_UNREADABLE, IndexError) as error:
            raise Damaged(str(error)) from error

    @property
    def _history(self) -> Path:
        return self.folder / "history.jsonl"

    @property
    def _predictions(self) -> Path:
        return self.folder / "predictions.csv"

    @property
    def _model(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"


def _save_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    whole = {name: _whole(tensor.detach().cpu()) for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        try:
            save_file(whole, temporary)
        except SafetensorError as error:
            raise OSError(str(error)) from error  # a full disk, as it says


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor that has its memory to itself, as safetensors demands; copied if needed."""
    alone = tensor.untyped_storage().nbytes() == tensor.nbytes and tensor.is_contiguous()
    return tensor if alone else tensor.clone(memory_format=torch.contiguous_format)


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
    if not isinstance(body, dict):
        raise ValueError("it holds no object")
    digest = body.pop("digest")
    if _digest(body) != digest:
        raise ValueError("its checksum differs")
    weights = path.with_suffix(".safetensors")
    if _sha256(weights) != body["weights"]:
        raise ValueError(f"the checksum of {weights.name} differs")
    return body
