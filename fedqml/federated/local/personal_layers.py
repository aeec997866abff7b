"""Layers that stay at home: every client has its own."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from fedqml.core.errors import InputError, require
from fedqml.core.packing import Packing
from fedqml.core.resolve import nearest
from fedqml.core.updates import State
from fedqml.federated.plugins import Optimiser
from fedqml.federated.training import Local, Received, require_rule


def personal_layers(optimiser: Optimiser, layers: list[str]) -> Local:
    """Return local training in which some layers belong to each client and never leave it.

    A client's round starts from the global weights with its own layers in place of the global ones
    (its first with the global ones); all are trained together; the update's entries for the own
    layers are zero, so the global ones keep their first values.

    The history's ``test_`` columns are of the global model, untrained layers included. What the
    clients themselves have is measured in ``test_personal_`` columns: each of the round's clients
    with its own layers on the server's test rows, weighted to its own mix of classes.

    Args:
        optimiser: takes the steps, such as ``sgd``.
        layers: names of the model's tensors, with ``*`` and ``?`` for any letters, such as
            ``"2.*"``.

    Raises:
        InputError: without a pattern; before training, for a pattern that fits no tensor, or
            patterns that leave nothing to share.

    Example:
        >>> from fedqml.federated.local import sgd
        >>> rule = personal_layers(sgd(), ["b"])
        >>> sent = Received(torch.zeros(3), {}, Packing((("a", (2,)), ("b", (1,)))))
        >>> rule.finish(sent, torch.ones(3), {}, torch.tensor(1))
        (tensor([1., 1., 0.]), {'personal': tensor([1.])})

    Source: Arivazhagan et al., arXiv:1912.00818, algorithms 1 and 2 (FedPer).
    """
    require_rule(optimiser)
    require(bool(layers), "layers", layers, "name at least one of the model's tensors")
    patterns = tuple(layers)

    def at_home(received: Received, kept: State) -> Received:
        """Return what was received with the client's own layers in it."""
        own = columns(received.packing, patterns)
        if "personal" not in kept:
            return received
        return replace(received, params=received.params.index_copy(0, own, kept["personal"]))

    def begin(received: Received, kept: State) -> tuple[Tensor, State]:
        rest = {name: value for name, value in kept.items() if name != "personal"}
        return optimiser.start(at_home(received, kept), rest)

    def end(
        received: Received, params: Tensor, state: State, steps: Tensor
    ) -> tuple[Tensor, State]:
        own = columns(received.packing, patterns)
        answer, kept = optimiser.finish(received, params, state, steps)
        shared = answer.index_copy(0, own, received.params[own])
        return shared, {**kept, "personal": answer[own]}

    def personal(received: Received, kept: State) -> Tensor:
        return at_home(received, kept).params

    return replace(optimiser, begin=begin, end=end, personal=personal)


@lru_cache(maxsize=16)
def columns(packing: Packing, patterns: tuple[str, ...]) -> Int[Tensor, " own"]:
    """Return where the tensors that fit a pattern lie in the vector of weights.

    Raises:
        InputError: if a pattern fits none, or together they fit all.

    Example:
        >>> columns(Packing((("a", (2,)), ("b.x", (1,)))), ("b.*",))
        tensor([2])
    """
    chosen: dict[str, slice] = {}
    for pattern in patterns:
        found = {n: s for n, s in packing.slices.items() if fnmatchcase(n, pattern)}
        if not found:
            raise InputError(
                f"Argument `layers` must fit tensors of the model, but {pattern!r} fits none."
                f"{nearest(pattern, packing.slices)} There are: {', '.join(packing.slices)}."
            )
        chosen |= found
    if len(chosen) == len(packing.slices):
        raise InputError(
            f"Argument `layers` must leave a tensor to share, but {_listed(patterns)} fits all: "
            f"{', '.join(packing.slices)}."
        )
    places = [torch.arange(packing.size)[chosen[name]] for name in packing.slices if name in chosen]
    return torch.cat(places)


def _listed(patterns: Sequence[str]) -> str:
    return ", ".join(map(repr, patterns))
