"""From inputs and weights to the quaternions of runs by PyTorch's operations.

All runs that depend on weights alone are computed together, and so are the others.
"""

from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from fedqml.quantum.gates import PAULI
from fedqml.quantum.native.tape import Parts

UNITS = np.stack([np.eye(2), *(-1j * PAULI[letter] for letter in "XYZ")])
"""The matrices of 1 and of the three imaginary units; (4, 2, 2)."""

_PRODUCTS = np.einsum("aij,bjk,cik->abc", UNITS, UNITS, UNITS.conj()).real / 2


@dataclass(frozen=True, eq=False)
class Angles:
    """What runs consist of: as many turns for each, some of them by 0.

    Every component of a turn's quaternion is the sine of an angle of its own, a cosine that of one
    larger by π/2.

    Args:
        mixed: whether they differ from example to example; if not, they read weights alone.
        numbers: which of 1, inputs and weights an angle reads; (turns · runs · 4 · terms,).
        scales: their factors, radians; (turns, runs, 4, terms).
    """

    mixed: bool
    numbers: Tensor
    scales: Tensor


def angles(
    parts: Parts, mixed: bool, inputs: int, dtype: torch.dtype, device: torch.device
) -> Angles:
    """Return the tables of all runs that are mixed, or of those that are not.

    Args:
        parts: what the runs consist of.
        mixed: which runs.
        inputs: how many columns read inputs.
        dtype: of the numbers.
        device: of PyTorch's.
    """
    runs = np.flatnonzero(parts.runs["mixed"][:-1] == mixed)
    owned = [range(*parts.runs["parts"][run : run + 2]) for run in runs]
    terms = parts.parts["terms"]
    turns, most = max(1, *map(len, owned)), 1 + max(np.diff(terms), default=0)
    # what is not needed reads 1: something else with the factor 0 might be no number
    numbers = np.zeros((turns, len(runs), 4, most), dtype=np.int64)
    scales = np.zeros(numbers.shape)
    scales[:, :, 0, 0] = np.pi / 2
    for run, own in enumerate(owned):
        for turn, number in enumerate(own):
            part = parts.parts[number]
            if part["axis"] == 3:
                components = np.clip([part[name] for name in "pqrs"], -1, 1)
                scales[turn, run, :, 0] = np.arcsin(components)
                continue
            read = parts.terms[terms[number] : terms[number + 1]]
            for component in (0, 1 + part["axis"]):
                angle = turn, run, component
                numbers[angle][1 : 1 + len(read)] = 1 + read["column"] - (0 if mixed else inputs)
                scales[angle][1 : 1 + len(read)] = read["scale"] / 2
                scales[angle][0] += part["offset"] / 2
    return Angles(
        mixed=mixed,
        numbers=torch.tensor(numbers.flatten(), device=device),
        scales=torch.tensor(scales, dtype=dtype, device=device),
    )


def quaternions(
    angles: Angles, x: Float[Tensor, "clients batch inputs"], w: Float[Tensor, "clients weights"]
) -> Float[Tensor, "clients examples runs 4"]:
    """Return the quaternions of runs.

    Args:
        angles: the runs.
        x: the columns that read inputs.
        w: those that read weights alone.

    Returns:
        The quaternions, for one example if they are the same for all.
    """
    read = w[:, None]
    if angles.mixed:
        read = torch.cat([x, read.expand(-1, x.shape[1], -1)], -1)
    values = pad(read, (1, 0), value=1.0).index_select(-1, angles.numbers)
    half = (values.unflatten(-1, angles.scales.shape) * angles.scales).sum(-1)
    return reduce(lambda before, turn: product(turn, before), half.sin().unbind(2))


def product(
    one: Float[Tensor, "*batch 4"], other: Float[Tensor, "*batch 4"]
) -> Float[Tensor, "*batch 4"]:
    """Return the product of quaternions.

    Example:
        >>> i, j = torch.eye(4)[1:3]
        >>> product(i, j)
        tensor([0., 0., 0., 1.])
    """
    products, _ = _tables(one.dtype, one.device)
    return (one[..., :, None] * other[..., None, :]).flatten(-2) @ products


def matrices(found: Float[Tensor, "*batch 4"]) -> Complex[Tensor, "*batch 2 2"]:
    """Return quaternions as matrices, q0 - i (q1 X + q2 Y + q3 Z).

    Example:
        >>> matrices(torch.eye(4)[3]).imag
        tensor([[-1.,  0.],
                [ 0.,  1.]])
    """
    _, units = _tables(found.dtype, found.device)
    return (found.to(units.dtype) @ units).unflatten(-1, (2, 2))


@cache
def _tables(dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the products of any two units, and the units' matrices."""
    with torch.inference_mode(False):  # made there, they could not be differentiated past
        return (
            torch.tensor(_PRODUCTS.reshape(16, 4), dtype=dtype, device=device),
            torch.tensor(UNITS.reshape(4, 4), dtype=dtype.to_complex(), device=device),
        )
