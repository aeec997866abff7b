"""Whether a file holds the weights of a network that fedqml can use."""

import json
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import torch

from fedqml.core.errors import InputError
from fedqml.data import known_files
from fedqml.data.archives.extent import opened
from fedqml.data.recognise import Recognised, known_by

_OLD_PTH = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # PyTorch before 1.6
_HEADER = 8
_LONGEST = 1 << 24  # bytes of a list of tensors
_NEEDED = ("features.0.weight", "features.28.weight")  # VGG16's first and last convolution


def holds_weights(path: Path) -> bool:
    """Return whether a file looks like safetensors or what ``torch.save`` writes.

    Args:
        path: a file.
    """
    content = opened(path)
    start = content.at(0, 16)
    if start.startswith(_OLD_PTH):
        return True
    if start.startswith(b"PK"):
        try:
            with content.stream() as stream, ZipFile(stream) as archive:
                return any(name.endswith("/data.pkl") for name in archive.namelist())
        except (BadZipFile, OSError, ValueError, NotImplementedError):
            return False
    length = int.from_bytes(start[:_HEADER], "little")
    return start[_HEADER : _HEADER + 1] == b"{" and length <= min(content.size, _LONGEST)


def recognise_weights(path: Path) -> Recognised:
    """Recognise weights by their SHA-256, or else by the names of their tensors.

    Args:
        path: a file of which ``holds_weights`` is true.

    Raises:
        InputError: if it is not the file that its name says, or holds another network's weights.
    """
    digest = opened(path).digest("sha256")
    known = known_by(digest, known_files.WEIGHTS)
    if known:
        checks = (f"SHA-256 {digest}, that of {known.name}",)
        return Recognised(known.title, checks, {}, (), known.setting)
    named = next((file for file in known_files.WEIGHTS if file.name == path.name), None)
    if named:
        raise InputError(
            f"{path} must have the SHA-256 {named.sha256}{'...' * (len(named.sha256) < 64)}, but "
            f"it has {digest}: it is damaged or another file. It is offered at "
            f"{named.url or named.page}."
        )
    names = _names(path)
    if not all(name in names for name in _NEEDED):
        raise InputError(
            f"{path} must hold the weights of VGG16, with tensors named features.0.weight to "
            f"features.28.bias, but it holds {', '.join(sorted(names)[:3]) or 'none'} ..."
        )
    checks = (f"SHA-256 {digest}, of no file known here: `preprocessing` has to be given",)
    setting = known_files.VGG16.setting.replace(" }", ', preprocessing = "..." }', 1)
    return Recognised("weights named as VGG16's are", checks, {}, (), setting)


def _names(path: Path) -> set[str]:
    content = opened(path)
    try:
        if content.at(_HEADER, 1) == b"{":
            length = int.from_bytes(content.at(0, _HEADER), "little")
            return set(json.loads(content.at(_HEADER, length)))
        return set(torch.load(path, map_location="meta", weights_only=True))
    except Exception as error:  # a damaged file makes readers stumble over almost anything
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"{path} must hold named tensors and nothing else, but it cannot be read so "
            f"({type(error).__name__}: {reason})."
        ) from error
