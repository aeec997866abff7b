"""Which of a model's weights are angles of its circuits."""

from collections import Counter

import torch
from torch import nn

from fedqml.core.angles import Angles
from fedqml.core.packing import packing
from fedqml.quantum.layer import QuantumLayer
from fedqml.quantum.periods import periods, rotations


def angles(model: nn.Module) -> Angles:
    """Return which entries of a model's weight vector are angles, and what is known of them.

    They are found from the circuits: see ``fedqml.quantum.periods``. Weights that a circuit shares
    with another layer count as no angles, and frozen ones are not in the vector.

    Args:
        model: any module; its trainable weights lie in the vector as ``core.packing`` has them.

    Returns:
        The angles; there may be none.

    Raises:
        InputError: if nothing can be trained.

    Example:
        >>> from fedqml.quantum import ansatze, encodings
        >>> circuit = QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2, depth=1))
        >>> found = angles(nn.Sequential(nn.Linear(3, 2), circuit))
        >>> found.entries, found.rotations
        (tensor([ 8,  9, 10, 11, 12, 13]), tensor([[ 8,  9, 10],
                [11, 12, 13]]))
    """
    packed = packing(model.named_parameters())
    starts = {
        id(parameter): packed.slices[name].start
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    owners = Counter(id(p) for child in model.modules() for p in child.parameters(recurse=False))
    found: dict[int, float] = {}
    triples: list[tuple[int, int, int]] = []
    for layer in model.modules():
        if not isinstance(layer, QuantumLayer) or owners[id(layer.weights)] > 1:
            continue
        start = starts.get(id(layer.weights))
        if start is not None:
            found |= {start + j: period for j, period in periods(layer.whole).items()}
            triples += [(start + a, start + b, start + c) for a, b, c in rotations(layer.whole)]
    entries = sorted(found)
    return Angles(
        packed.size,
        torch.tensor(entries, dtype=torch.int64),
        torch.tensor([found[entry] for entry in entries], dtype=torch.float64),
        torch.tensor(triples, dtype=torch.int64).reshape(-1, 3),
    )
