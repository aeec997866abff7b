"""Features of images, computed once and then mapped into memory from the disk.

A folder for each key, the SHA-256 of all that features depend on, holds ``key.json``, the features
row by row (``features.part`` while there are more to come, then ``features.f32``) and
``batches.jsonl``, which has a line with a checksum for every batch that is safely on the disk. What
has no such line, or does not fit it, does not count and is computed again.
"""

import hashlib
import json
import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from filelock import FileLock, Timeout
from jaxtyping import Float32
from torch import Tensor, nn

from fedqml.core.cache_folder import cache_folder
from fedqml.core.errors import InputError
from fedqml.core.files import TEMPORARY, fsync, write_atomic, write_json
from fedqml.core.threads import cores, threads
from fedqml.data.backbone import Backbone
from fedqml.data.pictures import Pictures, Unreadable
from fedqml.data.progress import Progress

# To be raised by whoever changes what features of the same images and settings are.
_VERSION = 1
_BYTES = 4
# Batches that are decoded while the network computes another.
_AHEAD = 2
# A kill loses so many seconds of work; waiting for the disk after every batch would be slower.
_SYNC_EVERY = 1.0


@dataclass(frozen=True)
class Features:
    """Features of those images that could be read.

    Attributes:
        rows: ``(images, *shape)``, mapped from the disk: read when used, and never written back.
        left_out: index of each image that could not be read, and why.
    """

    rows: Float32[Tensor, "images *shape"]
    left_out: dict[int, str]


@dataclass(frozen=True)
class _Batch:
    """A line of the journal."""

    rows: int
    left_out: dict[int, str]
    sha256: str

    def line(self) -> str:
        left_out = [[index, reason] for index, reason in self.left_out.items()]
        return json.dumps({"rows": self.rows, "left_out": left_out, "sha256": self.sha256}) + "\n"


def cached_features(pictures: Pictures, backbone: Backbone) -> Features:
    """Return the features of all images; what an earlier call computed is not computed again.

    All cores work, while another thread reads images. A call that is killed at any moment is
    continued by the next one. Of several processes that need the same features, one computes
    and the others wait. Images go through the network in the same batches always. The last bits
    were the same with one thread and with two, which ``benchmarks/features.py`` looks at; nobody
    promises that, and another processor or version of PyTorch may round otherwise.

    They are kept in ``fedqml.core.cache_folder.cache_folder()``.

    Args:
        pictures: the images; ``read`` is called from one thread at a time.
        backbone: the network.

    Raises:
        InputError: if no image can be read, features are not finite, or the cache cannot be
            used: no space, not writable, or made for something else.
    """
    key = {
        "version": _VERSION,
        "pictures": pictures.digest,
        "images": len(pictures.names),
        "title": backbone.title,
        "shape": list(backbone.shape),
        "batch": backbone.batch,
        "settings": dict(backbone.settings),
    }
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    folder = cache_folder() / "features" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            return _Store(folder, key, pictures, backbone).features()
    except (OSError, NotImplementedError) as error:
        raise InputError(
            f"The cache of features, {folder}, must be readable and writable, but it is not: "
            f"{error}. The environment variable FEDQML_CACHE names another place."
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    # Not the kind of lock that a killed process leaves behind.
    lock = FileLock(folder / ".lock", fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(
            f"Another process is at work on the same features, in {folder}; waiting for it.",
            file=sys.stderr,
            flush=True,
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class _Store:
    """A folder of the cache, of which this process has the lock."""

    def __init__(
        self, folder: Path, key: dict[str, Any], pictures: Pictures, backbone: Backbone
    ) -> None:
        self._pictures, self._backbone = pictures, backbone
        self._folder, self._journal = folder, folder / "batches.jsonl"
        self._whole, self._part = folder / "features.f32", folder / "features.part"
        self._row = _BYTES * math.prod(backbone.shape)
        images = range(len(pictures.names))
        self._batches = [images[i : i + backbone.batch] for i in images[:: backbone.batch]]
        for left in folder.glob(f".*{TEMPORARY}"):
            left.unlink()
        self._require_key(key)

    def features(self) -> Features:
        """Return the features; compute what is missing."""
        if self._whole.is_file():
            done = self._good(self._whole)
            if len(done) == len(self._batches):
                return self._mapped(done)
            print(
                f"The features in {self._folder} are damaged from batch {len(done)} on; "
                "computed again.",
                file=sys.stderr,
                flush=True,
            )
            # A copy: other processes may have mapped the file.
            shutil.copyfile(self._whole, self._part)
            fsync(self._part)
            self._whole.unlink()
        done = self._good(self._part) if self._part.is_file() else []
        write_atomic(self._journal, "".join(batch.line() for batch in done).encode())
        with self._part.open("ab") as file:
            file.truncate(self._row * sum(batch.rows for batch in done))
        if len(done) < len(self._batches):
            self._require_space(len(done))
            done += self._extract(len(done))
        fsync(self._part)
        self._part.replace(self._whole)
        fsync(self._folder)
        return self._mapped(done)

    def _require_key(self, key: dict[str, Any]) -> None:
        path = self._folder / "key.json"
        if not path.exists():
            for stray in (self._journal, self._whole, self._part):
                stray.unlink(missing_ok=True)
            write_json(path, key)
            return
        try:
            same = json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(key))
        except ValueError:
            same = False
        if not same:
            raise InputError(
                f"The cache folder {self._folder} must hold features of these images, this network "
                "and these settings, but its key.json says otherwise; delete the folder."
            )

    def _require_space(self, done: int) -> None:
        needed = self._row * sum(len(batch) for batch in self._batches[done:])
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise InputError(
                f"The cache of features, {self._folder}, must have space for {needed / 1e9:.2f} "
                f"GB more, but there are {free / 1e9:.2f} GB. The environment variable "
                "FEDQML_CACHE names another place."
            )

    def _good(self, path: Path) -> list[_Batch]:
        """Return the batches that are whole, up to the first that is not."""
        try:
            lines = self._journal.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        good: list[_Batch] = []
        with path.open("rb") as file:
            for line, images in zip(lines, self._batches, strict=False):
                batch = _parsed(line)
                if batch is None or batch.rows + len(batch.left_out) != len(images):
                    break
                values = file.read(self._row * batch.rows)
                if _digest(batch.left_out, values) != batch.sha256:
                    break
                good.append(batch)
            # More than there should be is damage of the last batch, as far as anybody can know.
            beyond = len(lines) > len(self._batches) or file.read(1)
            if len(good) == len(self._batches) and beyond:
                good.pop()
        return good

    def _mapped(self, done: list[_Batch]) -> Features:
        left_out = {i: reason for batch in done for i, reason in batch.left_out.items()}
        rows = sum(batch.rows for batch in done)
        if rows == 0:
            index, reason = next(iter(left_out.items()))
            raise InputError(
                f"At least one image of {self._pictures.about.title} must be readable, but none "
                f"is; {self._pictures.names[index]}: {reason}"
            )
        # "c": whoever writes into it changes the memory, not the file.
        mapped = np.memmap(
            self._whole, dtype=np.float32, mode="c", shape=(rows, *self._backbone.shape)
        )
        return Features(torch.from_numpy(mapped), left_out)

    def _extract(self, first: int) -> list[_Batch]:
        network = self._backbone.network()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # PyTorch's gap
        found: list[_Batch] = []
        images = len(self._pictures.names)
        before = sum(len(batch) for batch in self._batches[:first])
        title = f"{self._backbone.title} on {self._pictures.about.title}"
        with (
            threads(cores()),
            torch.inference_mode(),
            self._part.open("ab") as data,
            self._journal.open("ab") as journal,
            Progress(title, images, unit="images", done=before) as shown,
        ):
            synced, pending = time.monotonic(), b""
            for pixels, left_out in self._read_ahead(first):
                values = self._values(network, pixels)
                data.write(values)
                batch = _Batch(len(pixels), left_out, _digest(left_out, values))
                found.append(batch)
                pending += batch.line().encode()
                if time.monotonic() - synced >= _SYNC_EVERY:
                    _sync(data, journal, pending)
                    synced, pending = time.monotonic(), b""
                shown.advance(len(pixels) + len(left_out))
            _sync(data, journal, pending)
        return found

    def _values(self, network: nn.Module, pixels: list[np.ndarray]) -> bytes:
        if not pixels:
            return b""
        batch = torch.from_numpy(np.stack(pixels))
        rows = network(batch.to(torch.float32, memory_format=torch.channels_last))
        shape = (len(pixels), *self._backbone.shape)
        if tuple(rows.shape) != shape or rows.dtype != torch.float32:
            raise InputError(
                f"Network {self._backbone.title} must return float32 features of shape {shape}, "
                f"but it returns {rows.dtype} of shape {tuple(rows.shape)}."
            )
        if not bool(rows.isfinite().all()):
            raise InputError(
                f"The features of {self._backbone.title} must be finite, but some are NaN or "
                "infinite; the weights do not fit the network or its preprocessing."
            )
        return rows.contiguous().numpy().tobytes()

    def _read_ahead(self, first: int) -> Iterator[tuple[list[np.ndarray], dict[int, str]]]:
        """Yield each batch's pixels and the images that are left out."""
        waiting = iter(self._batches[first:])
        queue: deque[Future[tuple[list[np.ndarray], dict[int, str]]]] = deque()
        # One thread, as a source need not be readable from several; it is faster than the network.
        reader = ThreadPoolExecutor(1, thread_name_prefix="images")
        try:
            for batch in waiting:
                queue.append(reader.submit(self._pixels, batch))
                if len(queue) > _AHEAD:
                    yield queue.popleft().result()
            while queue:
                yield queue.popleft().result()
        finally:
            reader.shutdown(cancel_futures=True)

    def _pixels(self, batch: range) -> tuple[list[np.ndarray], dict[int, str]]:
        pixels: list[np.ndarray] = []
        left_out: dict[int, str] = {}
        for index in batch:
            try:
                pixels.append(self._backbone.prepare(self._pictures.read(index)))
            except Unreadable as error:
                left_out[index] = str(error)
            except OSError as error:  # of the source, not of the cache: tell them apart
                raise InputError(
                    f"Image {self._pictures.names[index]} of {self._pictures.about.title} must be "
                    f"readable, but the system says: {error}."
                ) from error
        return pixels, left_out


def _sync(data: BinaryIO, journal: BinaryIO, lines: bytes) -> None:
    # In this order: a line must never be on the disk before what it vouches for.
    for file, content in ((data, b""), (journal, lines)):
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _digest(left_out: dict[int, str], values: bytes) -> str:
    sha = hashlib.sha256(json.dumps(list(left_out.items())).encode() + b"\n")
    sha.update(values)
    return sha.hexdigest()


def _parsed(line: bytes) -> _Batch | None:
    try:
        found = json.loads(line)
        left_out = {int(index): str(reason) for index, reason in found["left_out"]}
        return _Batch(int(found["rows"]), left_out, str(found["sha256"]))
    except (ValueError, KeyError, TypeError):
        return None
