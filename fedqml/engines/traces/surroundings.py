"""What code reads and changes outside its arguments: attributes, captured values, generators.

A trace keeps what it found there, and taking and trying one calls the user's code more often than
training does. So these values are noted, compared and put back.
"""

import random
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import chain
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fedqml.core.behaviour import global_names, installed

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_LEAVES = (*_PLAIN, Tensor, types.ModuleType, types.BuiltinFunctionType)
# The word of the generator's state that comes out as 32 ones.
_ALL_ONES = 0x12DD9BB3
_MUTABLE = (dict, list, set, deque, np.ndarray)


class Surroundings:
    """The values that some objects hold now, directly or through others.

    These are attributes, entries of containers and arrays, and what functions capture or name of
    their own module. A tensor counts by identity, as a trace reads its values anew.

    Args:
        things: modules, functions, containers.

    Example:
        >>> seen = [1, {"a": 2}]
        >>> now = Surroundings(seen)
        >>> seen[1]["a"] = 3
        >>> now.changed()
        True
        >>> now.restore()
        >>> seen, now.changed()
        ([1, {'a': 2}], False)
    """

    def __init__(self, *things: Any) -> None:
        self._containers: list[tuple[Any, Any]] = []  # and a copy of each
        # how to read and write a value, and what it was
        self._values: list[tuple[Callable[[], Any], Callable[[Any], Any], Any]] = []
        alive: dict[int, Any] = {}  # an id is unique only while its object lives
        waiting = list(things)
        while waiting:
            thing = waiting.pop()
            if not isinstance(thing, _LEAVES) and id(thing) not in alive:
                alive[id(thing)] = thing
                waiting.extend(self._note(thing))

    def changed(self) -> bool:
        """Return whether anything differs from what it was."""
        return not (
            (
                self._untouched
                or all(_as_before(place, before) for place, before in self._containers)
            )
            and all(_same(read(), before) for read, _, before in self._values)
        )

    @cached_property
    def _before(self) -> tuple[list[Any], list[int], list[Any]]:
        """All containers but arrays, how long each was, and all that they held."""
        pairs = [(p, b) for p, b in self._containers if not isinstance(p, np.ndarray)]
        befores = [before for _, before in pairs]
        return [place for place, _ in pairs], list(map(len, befores)), list(_held(befores))

    @property
    def _untouched(self) -> bool:
        """Whether all containers hold the very same objects, which almost always is so.

        To ask each of them, as ``_as_before`` does, takes ten times as long.
        """
        places, lengths, held = self._before
        arrays = (
            _as_before(p, before) for p, before in self._containers if isinstance(p, np.ndarray)
        )
        same = list(map(len, places)) == lengths and all(map(is_, _held(places), held))
        return same and all(arrays)

    def restore(self) -> None:
        """Put everything back, in place."""
        for read, write, before in self._values:
            if not _same(read(), before):
                write(before)
        for place, before in self._containers:
            if _as_before(place, before):
                continue
            if isinstance(place, np.ndarray):
                place[...] = before
                continue
            place.clear()
            (place.update if isinstance(place, dict | set) else place.extend)(before)

    def _note(self, thing: Any) -> list[Any]:
        """Note what can change of an object; return what it holds."""
        if isinstance(thing, _MUTABLE):
            self._containers.append((thing, thing.copy()))
        if isinstance(thing, np.ndarray):
            return []
        if isinstance(thing, dict):
            return list(thing.values())
        if isinstance(thing, list | tuple | set | frozenset | deque):
            return list(thing)
        if isinstance(thing, types.MethodType):
            return [thing.__func__, thing.__self__]
        if isinstance(thing, partial):
            return [thing.func, *thing.args, *thing.keywords.values()]
        if isinstance(thing, types.FunctionType):
            return self._of_function(thing)
        return self._of_class(thing) if isinstance(thing, type) else self._of_object(thing)

    def _of_function(self, function: types.FunctionType) -> list[Any]:
        held = list(function.__defaults__ or ())
        for cell in function.__closure__ or ():
            read, write = partial(getattr, cell, "cell_contents", None), partial(setattr, cell)
            held.append(self._value(read, partial(write, "cell_contents")))
        if not installed(function.__module__):
            known = function.__globals__
            for name in global_names(function.__code__) & known.keys():
                value = partial(known.get, name), partial(known.__setitem__, name)
                held.append(self._value(*value))
        return held

    def _of_class(self, kind: type) -> list[Any]:
        if installed(kind.__module__):
            return []
        own = vars(kind)
        names = [name for name in own if not name.startswith("__") or callable(own[name])]
        held = [self._value(partial(own.get, n), partial(setattr, kind, n)) for n in names]
        return [*held, *kind.__bases__]

    def _of_object(self, thing: Any) -> list[Any]:
        kind = type(thing)
        held: list[Any] = [kind]
        for base in kind.__mro__:
            slots = vars(base).get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if not name.startswith("__"):
                    read = partial(getattr, thing, name, None)
                    held.append(self._value(read, partial(object.__setattr__, thing, name)))
        attributes = getattr(thing, "__dict__", None)
        # those of a frozen object stay; what is computed once from the rest may come later
        if isinstance(attributes, dict):
            once = {n for n in dir(kind) if isinstance(getattr(kind, n, None), cached_property)}
            settings = getattr(kind, "__dataclass_params__", None)
            if not once and not (settings and settings.frozen):
                return [*held, attributes]
            held += [value for name, value in attributes.items() if name not in once]
        return held

    def _value(self, read: Callable[[], Any], write: Callable[[Any], Any]) -> Any:
        value = read()
        self._values.append((read, write, value))
        return value


def _held(containers: list[Any]) -> Iterator[Any]:
    """Return the entries of containers, one after the other, and the values of dictionaries."""
    filled = list(filter(None, containers))  # a module's are empty for the most part
    values = (place.values() for place in filled if isinstance(place, dict))
    return chain(chain.from_iterable(filled), chain.from_iterable(values))


def _as_before(place: Any, before: Any) -> bool:
    if isinstance(place, np.ndarray):
        return place.tobytes() == before.tobytes()
    if len(place) != len(before):
        return False
    if isinstance(place, set):
        return bool(place == before)
    if isinstance(place, dict):
        return _entries(place.keys(), before.keys()) and _entries(place.values(), before.values())
    return _entries(place, before)


def _entries(now: Any, before: Any) -> bool:
    # almost always the same objects, which is quicker to see
    return all(map(is_, now, before)) or all(map(_same, now, before))


def _same(now: Any, before: Any) -> bool:
    if now is before:
        return True
    if type(now) is not type(before):
        return False
    if isinstance(now, tuple):
        return len(now) == len(before) and all(map(_same, now, before))
    return isinstance(now, _PLAIN) and bool(now == before)


@contextmanager
def untouched(*things: Any) -> Iterator[None]:
    """Undo what happens inside to the objects' values and to the global generators.

    Args:
        things: see ``Surroundings``.
    """
    before = Surroundings(*things)
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        before.restore()
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def draw_extremes(high: bool) -> None:
    """Let Python's global generator give its lowest or its highest numbers for some draws.

    Code that depends on a draw gives two results then. Whether anything was drawn cannot be told:
    type checkers such as beartype draw from the same generator to choose what they check.

    Example:
        >>> state = random.getstate()
        >>> draw_extremes(high=False)
        >>> random.random()
        0.0
        >>> draw_extremes(high=True)
        >>> random.random() > 0.9999
        True
        >>> random.setstate(state)
    """
    version, (*words, _), _ = random.Random(0).getstate()
    half = len(words) // 2
    # Half of the words stay: what draws until it can accept a number must end.
    extreme = [_ALL_ONES if high else 0] * (len(words) - half)
    random.setstate((version, (*words[:half], *extreme, half), None))
