"""What functions and objects do, as a hash: their code and the values that they hold.

A run that is saved must not be taken for that of other rules. Settings from a file can be hashed
as they are; a function given from Python has only its code and what it captured.
"""

import copyreg
import hashlib
import sys
import types
import weakref
from collections.abc import Iterable, KeysView, ValuesView
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from fedqml.core.errors import InputError

_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_TORCH = (torch.dtype, torch.device, torch.layout, torch.memory_format)
_VIEWS: tuple[type[Iterable[Any]], ...] = (KeysView, ValuesView, type({}.items()))


def behaviour(*things: Any) -> str:
    """Return the SHA-256 of code and captured values of functions and objects.

    Functions count with bytecode, constants, defaults and closures, and with the functions,
    classes and values of their own module that they name; objects with type and attributes, or
    what ``pickle`` would keep of them; tensors and arrays with their bytes. What code reads from
    files or other modules, and changes inside installed packages, are not seen.

    Args:
        things: functions, classes, data classes, containers, tensors, plain values.

    Raises:
        InputError: if an object shows neither attributes nor anything that could be pickled.

    Example:
        >>> def step(lr):
        ...     return lambda p: p - lr
        >>> behaviour(step(0.1)) == behaviour(step(0.1))
        True
        >>> behaviour(step(0.1)) == behaviour(step(0.2))
        False
    """
    walk = _Walk()
    for thing in things:
        walk.feed(thing)
    return walk.sha.hexdigest()


class _Walk:
    """A walk through everything that is reachable, each object that can change once.

    What cannot change counts anew wherever it is found: whether two places hold the same tuple or
    equal ones makes no difference to what code does.
    """

    def __init__(self, seen: dict[int, int] | None = None) -> None:
        self.sha = hashlib.sha256()
        self._seen = dict(seen or {})
        self._alive: list[Any] = []  # an id is unique only while its object lives

    def feed(self, thing: Any) -> None:
        # NumPy's first, as its float64 is a float, too
        if isinstance(thing, np.generic) and not thing.dtype.hasobject:
            self._note("scalar", str(thing.dtype), thing.tobytes().hex())
            return
        if isinstance(thing, (*_PLAIN, *_TORCH)):
            self._note(type(thing).__name__, repr(thing))
            return
        if not _is_value(thing):
            if id(thing) in self._seen:
                self._note("again", self._seen[id(thing)])
                return
            self._seen[id(thing)] = len(self._seen)
            self._alive.append(thing)
        if isinstance(thing, torch.Tensor):
            array = thing.detach().cpu().contiguous()
            self._note("tensor", str(array.dtype), tuple(array.shape))
            self.sha.update(array.reshape(-1).view(torch.uint8).numpy().tobytes())
        elif isinstance(thing, np.ndarray):
            self._note("array", str(thing.dtype), thing.shape)
            if thing.dtype.hasobject:  # the bytes would be addresses
                self.feed(thing.tolist())
            else:
                self.sha.update(np.ascontiguousarray(thing).tobytes())
        elif isinstance(thing, list | tuple):
            self._note(type(thing).__name__, len(thing))
            for entry in thing:
                self.feed(entry)
        elif isinstance(thing, dict):
            self._note("dict", len(thing))
            for key, value in thing.items():
                self.feed(key)
                self.feed(value)
        elif isinstance(thing, types.MappingProxyType):
            self.feed(dict(thing))
        elif isinstance(thing, _VIEWS):
            self.feed(list(thing))
        elif isinstance(thing, set | frozenset):
            self._note("set", sorted(map(self._apart, thing)))
        elif isinstance(thing, types.FunctionType):
            self._function(thing)
        elif isinstance(thing, types.CodeType):
            self._note("code", thing.co_code.hex(), thing.co_names, thing.co_varnames)
            self.feed(thing.co_consts)
        elif isinstance(thing, types.MethodType):
            self.feed(thing.__func__)
            self.feed(thing.__self__)
        elif isinstance(thing, partial):
            self._note("partial")
            self.feed((thing.func, thing.args, thing.keywords))
        elif isinstance(thing, type):
            self._class(thing)
        elif isinstance(thing, types.BuiltinFunctionType):
            self._note("builtin", thing.__module__, thing.__qualname__)
            self.feed(thing.__self__)
        elif isinstance(thing, types.ModuleType):
            self._note("module", thing.__name__)
        elif isinstance(thing, weakref.ref):
            self._note("weak")
            self.feed(thing())
        else:
            self._object(thing)

    def _note(self, *words: Any) -> None:
        self.sha.update(repr(words).encode(errors="backslashreplace"))

    def _function(self, function: types.FunctionType) -> None:
        wrapped = getattr(function, "__wrapped__", None)
        if isinstance(wrapped, types.FunctionType) and installed(function.__module__):
            function = wrapped  # a tool's wrapper, which checks types or counts lines
        self._note("function", function.__module__, function.__qualname__)
        self.feed(function.__code__)
        self.feed(function.__defaults__)
        self.feed(function.__kwdefaults__)
        for cell in function.__closure__ or ():
            try:
                self.feed(cell.cell_contents)
            except ValueError:
                self._note("empty cell")
        if not installed(function.__module__):
            for name in sorted(global_names(function.__code__)):
                value = function.__globals__.get(name)
                if isinstance(value, _PLAIN) or _belongs(value, function.__module__):
                    self._note("global", name)
                    self.feed(value)

    def _class(self, cls: type) -> None:
        self._note("class", cls.__module__, cls.__qualname__)
        if not installed(cls.__module__):
            for name, value in sorted(vars(cls).items()):
                if isinstance(value, (*_PLAIN, types.FunctionType)) and name != "__doc__":
                    self._note(name)
                    self.feed(value)

    def _object(self, thing: Any) -> None:
        kind = type(thing)
        self.feed(kind)
        attributes = getattr(thing, "__dict__", None)
        if attributes is not None:
            self._attributes(kind, attributes)
        if attributes is None or not _only_attributes(kind):
            self._pickled(thing, kind, attributes)

    def _attributes(self, kind: type, attributes: dict[str, Any]) -> None:
        for name, value in sorted(attributes.items()):
            # what was computed from the rest may be there or not yet
            if not isinstance(getattr(kind, name, None), cached_property):
                self._note(name)
                self.feed(value)

    def _pickled(self, thing: Any, kind: type, attributes: dict[str, Any] | None) -> None:
        """Feed what ``pickle`` would keep of an object, apart from its attributes."""
        reduce = copyreg.dispatch_table.get(kind)
        try:
            parts = reduce(thing) if reduce else thing.__reduce_ex__(2)
        except Exception as error:  # anybody's code: anything can come
            if attributes is not None:
                return
            raise InputError(
                f"What {thing!r} holds cannot be seen, so a run with it cannot be told from others "
                f"when it is saved. Use a function or a dataclass instead. Python says: {error}"
            ) from error
        if isinstance(parts, str):
            self._note("named", parts)
            return
        make, arguments, state, entries, items = (*parts, None, None, None)[:5]
        for part in state if _in_two(state) else (state,):
            known = isinstance(part, dict) and part.keys() <= (attributes or {}).keys()
            self.feed(None if known else part)
        self.feed((make, arguments, list(entries or ()), list(items or ())))

    def _apart(self, thing: Any) -> str:
        walk = _Walk(self._seen)
        walk.feed(thing)
        return walk.sha.hexdigest()


def _is_value(thing: Any) -> bool:
    """Return whether a thing cannot change, and equals others by what it holds."""
    settings = getattr(type(thing), "__dataclass_params__", None)
    return isinstance(thing, tuple) or (settings is not None and settings.frozen and settings.eq)


def _only_attributes(kind: type) -> bool:
    """Return whether all that an object holds is in its ``__dict__``."""
    special = {"__reduce_ex__", "__reduce__"}
    return not any(
        vars(base).get("__slots__") or not special.isdisjoint(vars(base))
        for base in kind.__mro__
        if base is not object
    )


def _in_two(state: Any) -> bool:
    """Return whether a state is Python's own pair of attributes and slots."""
    two = isinstance(state, tuple) and len(state) == 2
    return two and isinstance(state[0], dict | None) and isinstance(state[1], dict)


def global_names(code: types.CodeType) -> set[str]:
    """Return the global names that code, or code inside it, may read."""
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return set(code.co_names).union(*map(global_names, inner))


def _belongs(value: Any, module: str | None) -> bool:
    if isinstance(value, torch.Tensor | np.ndarray | list | tuple | dict):
        return True
    code = isinstance(value, types.FunctionType | type)
    return code and value.__module__ == module


def installed(module: str | None) -> bool:
    """Return whether a module is Python's own, fedqml's or of another installed package."""
    root = (module or "").partition(".")[0]
    if root in sys.stdlib_module_names and root != "__main__":
        return True
    file = getattr(sys.modules.get(root), "__file__", None) or ""
    return root == "fedqml" or "site-packages" in file or "dist-packages" in file
