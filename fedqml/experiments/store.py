"""A run's folder: one writer at a time, and nothing in it ever half-written.

A checkpoint is a file of tensors and, written after it, a JSON file that holds the history and
the checksums of both: without the second the first does not count.
"""

import hashlib
import json
import os
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
_MALFORMED = (ValueError, LookupError, TypeError, RecursionError, SafetensorError)
_ASIDE = ".json.damaged"


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
            self.folder.mkdir(parents=True, exist_ok=True)
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
            self._tidy()
            yield
        finally:
            lock.release()

    def _tidy(self) -> None:
        """Make the folder last, and remove what a process that died was writing or removing."""
        try:
            for path in (self.folder, self.folder.parent):
                fsync(path)  # or a power cut could take the folder and what is in it
            for left in (
                *self.folder.glob(f".*{TEMPORARY}"),
                *self._checkpoints.glob(f".*{TEMPORARY}"),
            ):
                left.unlink()
            names = self._saved()
            for name in names:
                number, _, kind = name.partition(".")
                if kind == "safetensors" and not {number + ".json", number + _ASIDE} & set(names):
                    (self._checkpoints / name).unlink()
        except OSError as error:
            raise InputError(
                f"The results folder {self.folder} cannot be written: {error}"
            ) from error

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
            Damaged: if it holds something else.
            InputError: if the system cannot read it.
        """
        path = self.folder / f"{name}.json"
        with _reading(path):
            try:
                text = path.read_text(encoding="utf-8")
            except (FileNotFoundError, NotADirectoryError):
                return None
            value = json.loads(text)
            if not isinstance(value, dict):
                raise ValueError("it holds no object")
            return value

    def prepare(self) -> None:
        """Make the folder for checkpoints, which a finished run does without."""
        self._checkpoints.mkdir(exist_ok=True)
        fsync(self.folder)  # or a power cut could take the checkpoints

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
        tensors |= prefixed(progress.past, "past/")
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
            InputError: if the run was begun with other data or another model, or the system
                cannot read a checkpoint: that may pass, so none is given up for it.
        """
        warnings = []
        for name in reversed(self._saved()):
            path = self._checkpoints / name
            if path.suffix != ".json":
                continue
            try:
                with _reading(path):
                    body = _checked(path)
                weights = path.with_suffix(".safetensors")
                with _reading(weights):
                    if _sha256(weights) != body["weights"]:
                        raise ValueError("its checksum differs")
                    tensors = _load_tensors(weights)
            except Damaged as error:
                warnings.append(f"The checkpoint {path} is damaged ({error}); using an older one.")
                # Out of the way of its successors, which are counted, but not lost.
                path.replace(path.with_suffix(_ASIDE))
                continue
            self.same(body["signature"], signature)
            progress = Progress(
                body["round"],
                tensors["params"],
                select(tensors, "server/"),
                select(tensors, "clients/"),
                tuple(body["rows"]),
                select(tensors, "past/"),
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
        self.drop_checkpoints()

    def drop_checkpoints(self) -> None:
        """Remove what a finished run needs no more; it may be there yet if a process died."""
        if self._checkpoints.exists():
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
            Damaged: if model or history are missing or hold something else.
            InputError: if the system cannot read them.
        """
        with _reading(self._history):
            lines = self._history.read_text(encoding="utf-8").splitlines()
            rows = tuple(json.loads(line) for line in lines)
            round = rows[-1]["round"]
        with _reading(self._model):
            params = packing.pack(_load_tensors(self._model))[None]
        return Progress(round, params, {}, {}, rows)

    def _saved(self) -> list[str]:
        """Return the names in the folder of checkpoints, ascending.

        Raises:
            InputError: if the system cannot tell them, where a glob would find none.
        """
        try:
            return sorted(os.listdir(self._checkpoints))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{self._checkpoints} cannot be read: {error}") from error

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


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tell damage, which lasts, from a system that cannot read just now.

    Raises:
        Damaged: if there is no such file, or what it holds is not what was written.
        InputError: if the system refuses: too many open files, a disk that fails, no right.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise Damaged(str(error)) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except _MALFORMED as error:
        raise Damaged(f"{path.name}: {error}") from error


def _load_tensors(path: Path) -> dict[str, torch.Tensor]:
    with path.open("rb"):  # says itself why it cannot be opened
        try:
            return load_file(path)
        except (FileNotFoundError, RuntimeError) as error:
            # What safetensors and PyTorch make of too many open files or too little memory.
            raise OSError(f"it is there, but not to be opened ({error})") from error


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
    """Return a checkpoint's JSON if its checksum holds."""
    body = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(body, dict):
        raise ValueError("it holds no object")
    digest = body.pop("digest")
    if _digest(body) != digest:
        raise ValueError("its checksum differs")
    return body
