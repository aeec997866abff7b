"""Independent random streams, each a pure function of what it is for."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float64, Int, UInt64


def stream(seed: int, name: str, *indices: int) -> np.random.Generator:
    """Return the random stream for one purpose of one run.

    The key of a counter-based Philox generator is the first 128 bits of
    ``SHA-256(seed, name, indices)``: streams of different purposes, rounds or clients are
    independent, no stream depends on how much of another was drawn, and nothing has to be
    saved to resume one. (PyTorch's CPU generator keeps only 32 bits of its seed, too few for
    a stream per client and round.)

    Args:
        seed: the run's seed.
        name: what the stream is for, for example ``"cohort"``.
        indices: whatever tells streams of one purpose apart, for example round and client.

    Returns:
        A NumPy generator of its own.

    Example:
        >>> int(stream(0, "cohort", 3).integers(100)) == int(stream(0, "cohort", 3).integers(100))
        True

    Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox).
    """
    return np.random.Generator(np.random.Philox(key=derive(seed, name, *indices)))


def streams(
    seed: int, name: str, *indices: int, last: Iterable[int]
) -> Iterator[np.random.Generator]:
    """Yield ``stream(seed, name, *indices, k)`` for each ``k`` of the last index.

    Only the latest may be drawn from, as all are the same generator under another key: NumPy takes
    far longer to make one than to draw a client's batches.

    Args:
        seed: as for ``stream``.
        name: likewise.
        indices: likewise, all but the last one.
        last: the last indices.

    Example:
        >>> [int(rng.integers(100)) for rng in streams(0, "cohort", last=[3, 4])] == [
        ...     int(stream(0, "cohort", k).integers(100)) for k in (3, 4)]
        True
    """
    philox: Any = np.random.Philox(_NO_SEED)
    rng = np.random.Generator(philox)
    first = _words(seed, name, *indices).removesuffix(")")
    for index in last:
        key = _hash(f"{first}, {int(index)})")
        own = {"counter": (0, 0, 0, 0), "key": (key & _WORD, key >> 64)}
        philox.state = {**_FRESH, "state": own}
        yield rng


_WORD = (1 << 64) - 1
# Tuples do as well as arrays, and are quicker to make and to read.
_FRESH: Any = {
    "bit_generator": "Philox",
    "buffer": (0, 0, 0, 0),
    "buffer_pos": 4,
    "has_uint32": 0,
    "uinteger": 0,
}


class _NoSeed(np.random.bit_generator.ISeedSequence):
    """For a generator whose key comes later: without one, NumPy asks the operating system."""

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> Any:
        return np.zeros(n_words, dtype)


_NO_SEED: Any = _NoSeed()


def shuffled(n: int, rng: np.random.Generator) -> Int[np.ndarray, " n"]:
    """Return the numbers from 0 to ``n - 1`` in random order.

    The order sorts 64 raw random bits for each number, see ``order``. NumPy promises the raw bits
    of a Philox generator for ever, but not what ``Generator.permutation`` makes of them: with it,
    cohorts, batches and splits would depend on NumPy's version.

    Args:
        n: how many numbers.
        rng: the random stream.

    Example:
        >>> shuffled(5, stream(0, "example"))
        array([2, 3, 1, 0, 4])
    """
    return order(rng.bit_generator.random_raw(n))


def order(bits: UInt64[np.ndarray, "*rows n"]) -> Int[np.ndarray, "*rows n"]:
    """Return the places of random bits in rising order.

    Numbers that agree in all but their last ``log2 n`` bits stand in the order of their places:
    these bits make room for the place, as sorting is many times quicker than ``argsort``.

    Args:
        bits: 64 random bits each; every row is sorted by itself.

    Example:
        >>> order(np.array([3 << 60, 1 << 60, 2 << 60], dtype=np.uint64))
        array([1, 2, 0])
    """
    n = bits.shape[-1]
    low = np.uint64((1 << (n - 1).bit_length()) - 1)
    marked = bits & ~low
    marked |= np.arange(n, dtype=np.uint64)
    marked.sort()
    marked &= low
    return marked.view(np.int64)


def uniform(n: int, rng: np.random.Generator) -> Float64[np.ndarray, " n"]:
    """Return numbers uniform in the open interval (0, 1), from raw bits as ``shuffled``.

    Args:
        n: how many numbers.
        rng: the random stream.

    Example:
        >>> uniform(2, stream(0, "example")).round(3)
        array([0.336, 0.335])
    """
    bits = rng.bit_generator.random_raw(n) >> np.uint64(12)
    return (bits + 0.5) * 2.0**-52


def derive(seed: int, name: str, *indices: int) -> int:
    """Return 128 bits that belong to ``(seed, name, indices)`` alone.

    Example:
        >>> derive(0, "dropout", 1) != derive(0, "dropout", 2)
        True
    """
    return _hash(_words(seed, name, *indices))


def _words(seed: int, name: str, *indices: int) -> str:
    # repr keeps the fields apart: ("a", 11) and ("a1", 1) must not meet.
    return repr((int(seed), str(name), *map(int, indices)))


def _hash(words: str) -> int:
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:16], "little")
