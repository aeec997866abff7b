"""A program's tables for PyTorch's operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedqml.quantum.device import check_memory
from fedqml.quantum.native.layouts import groups, odd, places
from fedqml.quantum.native.program import Program
from fedqml.quantum.native.quaternions import UNITS, Angles, angles
from fedqml.quantum.native.runs import Word, runs
from fedqml.quantum.native.tape import span

# How many runs are one product of matrices: with more, these would take longer than moving
# amplitudes. Matrices that every example has of its own are no larger than its state.
_WIDTH = 4


@dataclass(frozen=True, eq=False)
class Step:
    """A move from one layout to the next, and the runs there.

    Args:
        kind: of the runs, a number among ``Plan.kinds``.
        first: the number of the first one among those of its kind.
        end: the one after the last.
        forth: the old place for every new one; None if they are the same.
        back: the new place for every old one; None if they are the same.
        slopes: from Σ ψ_a μ_b to Σ μ (-iσ) ψ for each run and σ = X, Y, Z; (4^runs, 3 runs).
    """

    kind: int
    first: int
    end: int
    forth: Tensor | None
    back: Tensor | None
    slopes: Tensor


@dataclass(frozen=True, eq=False)
class Observables:
    """Those that flip the same bits: ±Re or ±Im of ψ_i conj(ψ_j), summed over places i.

    Args:
        numbers: which observables.
        flipped: the place j for every i; None if they are the same.
        imaginary: whether they have an odd number of Y, so that the imaginary part counts.
        signs: (amplitudes, observables).
    """

    numbers: Tensor
    flipped: Tensor | None
    imaginary: bool
    signs: Tensor


@dataclass(frozen=True, eq=False)
class Plan:
    """The tables.

    Args:
        kinds: all runs, those that are the same for all examples apart from those that are not.
        first: the kind of the run that prepares each qubit; those of a kind are its first ones.
        steps: the other runs.
        observables: what is measured.
    """

    kinds: tuple[Angles, ...]
    first: tuple[int, ...]
    steps: tuple[Step, ...]
    observables: tuple[Observables, ...]


@lru_cache(maxsize=8)  # large circuits have large tables
def plan(program: Program, dtype: torch.dtype, device: torch.device) -> Plan:
    """Return the tables of a program.

    Args:
        program: all its columns are the identity; it has a tape.
        dtype: of real numbers.
        device: of PyTorch's.

    Raises:
        InputError: if there are too many qubits for a state vector.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> from fedqml.quantum.native.program import compile
        >>> paper = compile(rot_cnot(qubits=4, depth=3).measure("Z0", "Z1"))
        >>> len(plan(paper, torch.float32, torch.device("cpu")).steps)
        2
    """
    assert program.tape is not None, "a circuit of runs"
    check_memory(program.circuit)
    found, parts, n = runs(program.circuit), program.tape.parts, program.circuit.n_qubits
    mixed = parts.runs["mixed"][:-1].astype(bool).tolist()
    present, inputs = sorted(set(mixed)), len(program.of_inputs)
    kinds = [present.index(own) for own in mixed]
    widths = [max(1, min(_WIDTH, n // 2)) if own else _WIDTH for own in present]
    joined = groups(found, kinds[n:], widths)
    layouts = [tuple(1 << bit for bit in range(n)), *(group.directions for group in joined)]
    # tables made in that mode could not be differentiated past
    with torch.inference_mode(False):

        def table(values: object, kind: torch.dtype) -> Tensor:
            return torch.tensor(values, dtype=kind, device=device)

        @cache  # layers that repeat share tables
        def moved(images: tuple[int, ...]) -> Tensor | None:
            return None if images == layouts[0] else table(span(images), torch.int32)

        @cache
        def slopes(count: int) -> Tensor:
            return table(_slopes(count), dtype.to_complex())

        steps = []
        for group, (old, new) in zip(joined, pairwise(layouts), strict=True):
            first = kinds[: n + group.first].count(kind := kinds[n + group.first])
            forth, back = moved(places(old, new)), moved(places(new, old))
            last = first + group.length
            steps.append(Step(kind, first, last, forth, back, slopes(group.length)))
        alike: dict[tuple[int, bool], list[int]] = {}
        for number, word in enumerate(found.words):
            (flip,) = places(layouts[-1], [word.flip])
            alike.setdefault((flip, word.phase % 2 == 1), []).append(number)
        observables = tuple(
            Observables(
                numbers=table(numbers, torch.int64),
                flipped=table(np.arange(1 << n) ^ flip, torch.int32) if flip else None,
                imaginary=imaginary,
                signs=table(_signs([found.words[k] for k in numbers], layouts[-1]), dtype),
            )
            for (flip, imaginary), numbers in alike.items()
        )
        return Plan(
            kinds=tuple(angles(parts, own, inputs, dtype, device) for own in present),
            first=tuple(kinds[:n]),
            steps=tuple(steps),
            observables=observables,
        )


def _slopes(count: int) -> NDArray[np.complex128]:
    ones = [UNITS[0]] * count
    found = [
        reduce(np.kron, [*ones[:run], unit, *ones[run + 1 :]]).T.flatten()
        for run in range(count)
        for unit in UNITS[1:]
    ]
    return np.stack(found, axis=-1)


def _signs(words: Sequence[Word], directions: Sequence[int]) -> NDArray[np.int64]:
    """Return the signs, see ``Observables``; (amplitudes, observables)."""
    negative = [
        span([odd(direction & word.read) for direction in directions])
        ^ odd(word.flip & word.read)
        ^ (word.phase in (2, 3))
        for word in words
    ]
    return 1 - 2 * np.stack(negative, axis=-1)
