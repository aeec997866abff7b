"""Joining neighbouring matrices on a qubit."""

from collections.abc import Iterable, Iterator

from torch import Tensor

Step = tuple[tuple[int, ...], Tensor]
"""The wires that a matrix acts on, and the matrix, (m, m) or one for every example."""


def joined(steps: Iterable[Step]) -> Iterator[Step]:
    """Join matrices on the same single wire that no other one separates.

    A product of small matrices is much cheaper than another pass over a state.

    Args:
        steps: in the order of time.

    Returns:
        Fewer steps of the same effect.

    Example:
        >>> import torch
        >>> one, two = torch.eye(2), torch.eye(4)
        >>> steps = [((0,), one), ((1,), one), ((0,), one), ((0, 2), two)]
        >>> [wires for wires, _ in joined(steps)]
        [(0,), (0, 2), (1,)]
    """
    waiting: dict[int, Tensor] = {}
    for wires, matrix in steps:
        if len(wires) == 1:
            before = waiting.pop(wires[0], None)
            waiting[wires[0]] = matrix if before is None else matrix @ before
        else:
            for wire in wires:
                if wire in waiting:
                    yield (wire,), waiting.pop(wire)
            yield wires, matrix
    for wire, matrix in waiting.items():
        yield (wire,), matrix
