"""Weights of a frozen network, read from a file that nobody has to trust."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from fedqml.core.errors import InputError


def weights_file(path: Path) -> Path:
    """Return ``path`` if it is a file.

    Raises:
        InputError: if it is not.

    Example:
        >>> weights_file(Path("no/such.pth"))
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: Argument `weights` must be a file, but there is no \
no/such.pth.
    """
    if os.path.isfile(path):
        return Path(path)
    what = f"{path} is none" if os.path.exists(path) else f"there is no {path}"
    raise InputError(f"Argument `weights` must be a file, but {what}.")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in 64 digits.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"File {path} must be readable, but it is not: {error}.") from error


def read_weights(
    path: Path, title: str, shapes: Mapping[str, tuple[int, ...]], beside: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Return a network's tensors from a file, all checked, in float32.

    Args:
        path: safetensors, or what ``torch.save`` writes of a dict of tensors. Of the latter,
            nothing but tensors is read (``weights_only``), so no code in it can run.
        title: the network's name, for errors.
        shapes: every tensor that there must be.
        beside: how the names of further tensors may begin, which are left alone.

    Raises:
        InputError: naming the file and what it must hold, if it cannot be read, a tensor is
            missing, too many, of another shape or type, or holds NaN or infinities.
    """
    tensors = _tensors(path, title)
    for name, shape in shapes.items():
        if name not in tensors:
            raise InputError(
                f"File {path} must hold the weights of {title}, but its tensor `{name}` of shape "
                f"{shape} is missing."
            )
        tensor = tensors[name]
        if tuple(tensor.shape) != shape or not tensor.is_floating_point():
            raise InputError(
                f"File {path} must hold the weights of {title}, with `{name}` of real numbers in "
                f"shape {shape}, but there it has {tensor.dtype} in shape {tuple(tensor.shape)}."
            )
    for name in tensors:
        if name not in shapes and not name.startswith(beside):
            raise InputError(
                f"File {path} must hold the weights of {title}, but it has a tensor `{name}`, "
                "which that network has not: it is another network's."
            )
    found = {name: tensors[name].to(torch.float32, copy=True) for name in shapes}
    for name, tensor in found.items():
        if not bool(tensor.isfinite().all()):
            raise InputError(
                f"File {path} must hold finite weights, but `{name}` has NaN or infinite ones."
            )
    return found


def _tensors(path: Path, title: str) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            tensors = load_file(path)
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
    # A damaged file makes PyTorch's readers stumble over almost anything.
    except (Exception, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"File {path} must hold the weights of {title} as .safetensors or as a .pth of tensors "
            f"alone, but it cannot be read as that ({type(error).__name__}: {reason})."
        ) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in tensors.items()
    ):
        raise InputError(f"File {path} must hold a dict of named tensors, but it does not.")
    return tensors
