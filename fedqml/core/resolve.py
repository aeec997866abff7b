"""From a name in an experiment file to the function behind it, checked against its signature.

The file system is the registry: ``use = "krum"`` means the function ``krum`` in the file
``krum.py`` of the folder that holds this kind of thing; ``"package.module:function"`` is the
user's own. The function's signature is the schema of its settings.
"""

import functools
import importlib
import inspect
import math
import pkgutil
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fedqml.core.errors import InputError

Supplied = Mapping[str, Callable[[], Any]]
"""How each parameter that is no setting is worked out, if a factory takes it."""


@dataclass(frozen=True)
class Plugin:
    """Says that a table with ``use`` in a file makes a parameter's value: Annotated[T, Plugin(…)].

    Without ``use`` the table means the parameter's default.

    Attributes:
        package: where the factories live.
        supplied: parameters that are no settings. If there are some, the value is not what the
            factory returns but a function of these that returns it.
        from_run: parameters that come from the run, as those of the factory around it do.
    """

    package: str
    supplied: tuple[str, ...] = ()
    from_run: tuple[str, ...] = ()


def catalogue(packages: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """Return the factories in the given packages, by name: a file each, named as its function.

    Example:
        >>> sorted(catalogue(["fedqml.engines"]))
        ['flower', 'in_place', 'sequential', 'vectorised']
    """
    found: dict[str, Callable[..., Any]] = {}
    for package in packages:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            imported = importlib.import_module(f"{package}.{module.name}")
            factory = getattr(imported, module.name, None)
            if inspect.isfunction(factory):
                found[module.name] = factory
    return found


def find(use: object, packages: Iterable[str], where: str) -> Callable[..., Any]:
    """Return the factory that ``use`` names.

    Args:
        use: a name from the catalogue, or ``"package.module:function"``.
        packages: where this kind of thing lives.
        where: the place in the experiment, for the error.

    Raises:
        InputError: if there is none, with the nearest right name.

    Example:
        >>> find("sequentail", ["fedqml.engines"], "engine")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: engine.use: there is no `sequentail`. Did you mean \
`sequential`? Allowed: flower, in_place, sequential, vectorised, or your own as \
"package.module:function".
    """
    if not isinstance(use, str):
        raise InputError(f"{where}.use must be a name, but it is {use!r}.")
    if ":" in use:
        return _own(use, where)
    known = catalogue(packages)
    if use not in known:
        raise InputError(
            f"{where}.use: there is no `{use}`.{nearest(use, known)} "
            f'Allowed: {", ".join(sorted(known))}, or your own as "package.module:function".'
        )
    return known[use]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean `...`?" for the nearest known word, or nothing."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" Did you mean `{close[0]}`?" if close else ""


def settings(
    factory: Callable[..., Any], given: Mapping[str, Any], where: str, supplied: Iterable[str] = ()
) -> dict[str, Any]:
    """Check settings against a factory's signature and return them whole, defaults included.

    Args:
        factory: the function that they are for.
        given: the settings as read from the experiment.
        where: their place in the experiment, for errors.
        supplied: parameters that the caller fills in; they are no settings.

    Raises:
        InputError: for an unknown key, a missing one, or a value of the wrong type.

    Example:
        >>> def iid(clients: int, fair: bool = True): ...
        >>> settings(iid, {"clients": 3}, "partition")
        {'clients': 3, 'fair': True}
        >>> settings(iid, {"clients": "3"}, "partition")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: partition.clients must be a whole number, but it is '3'.
    """
    hints = _hints(factory)
    parameters = {name: p for name, p in _named(factory, where).items() if name not in supplied}
    for key in given:
        if key not in parameters:
            allowed = ", ".join(parameters) or "no settings"
            raise InputError(
                f"{where}.{key}: unknown key.{nearest(key, parameters)} Allowed: {allowed}."
            )
    whole: dict[str, Any] = {}
    for name, parameter in parameters.items():
        if name in given:
            annotation = hints.get(name, Any)
            value = given[name]
            plugin = _plugin(annotation)
            if plugin and isinstance(value, dict):
                whole[name] = _nested(plugin, parameter.default, value, f"{where}.{name}")
                continue
            if not (_plain(value) and _conforms(value, annotation)):
                raise InputError(
                    f"{where}.{name} must be {_describe(annotation)}, but it is {value!r}."
                )
            whole[name] = _normal(value, annotation)
        elif parameter.default is inspect.Parameter.empty:
            needed = _describe(hints.get(name, Any))
            raise InputError(f"{where}.{name} is missing; it must be {needed}.")
        else:
            default = parameter.default
            plugin = _plugin(hints.get(name, Any))
            if plugin and callable(default):
                whole[name] = _nested(plugin, default, {}, f"{where}.{name}")
                continue
            whole[name] = str(default) if isinstance(default, Path) else default
            if not _plain(whole[name]):
                raise InputError(
                    f"{where}.{name}: its default, {default!r}, cannot be written in an experiment "
                    "file; a default must be a number, a text, true or false, or a list of these."
                )
    return whole


def call(
    factory: Callable[..., Any],
    values: Mapping[str, Any],
    where: str,
    base: Path | None = None,
    supplied: Supplied = MappingProxyType({}),
) -> Any:
    """Call a factory with checked settings, saying where they stand if it refuses them.

    Args:
        factory: the function to call.
        values: its arguments.
        where: their place in the experiment.
        base: the folder that relative paths start from: those of parameters annotated ``Path``, and
            of ``Literal["word"] | Path`` all texts but the words.
        supplied: what is no setting; a factory gets those that it takes, and no others are made.

    Raises:
        InputError: whatever the factory refuses, with ``where`` before it.
    """
    arguments = _arguments(factory, values, where, base, supplied)
    with placed(where):
        return factory(**arguments)


def _arguments(
    factory: Callable[..., Any],
    values: Mapping[str, Any],
    where: str,
    base: Path | None,
    supplied: Supplied,
) -> dict[str, Any]:
    hints = _hints(factory)
    taken = _named(factory, where)
    arguments = {name: make() for name, make in supplied.items() if name in taken}
    for name, value in values.items():
        annotation = hints.get(name, Any)
        plugin = _plugin(annotation)
        if plugin and isinstance(value, dict):
            own = {key: make for key, make in supplied.items() if key in plugin.from_run}
            arguments[name] = _construct(plugin, value, f"{where}.{name}", base, own)
        else:
            relative = isinstance(value, str) and _is_path(value, annotation)
            arguments[name] = (base or Path()) / value if relative else value
    return arguments


def _is_path(value: str, annotation: Any) -> bool:
    """Return whether a text is a path: also where words, ``Literal[...] | Path``, are allowed."""
    if annotation is Path:
        return True
    options = typing.get_args(annotation)
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return union and Path in options and not _conforms(value, _without_path(options))


def _without_path(options: tuple[Any, ...]) -> Any:
    others = tuple(option for option in options if option is not Path)
    return typing.Union[others] if others else Path  # noqa: UP007  # of a number unknown here


def _nested(
    plugin: Plugin, default: object, table: Mapping[str, Any], where: str
) -> dict[str, Any]:
    """Return the checked settings of a table that makes a parameter's value."""
    if "use" in table:
        use = table["use"]
        factory = find(use, [plugin.package], where)
    elif callable(default) and default is not inspect.Parameter.empty:
        factory, use = default, _name(default, plugin.package)
    else:
        raise InputError(f"{where}.use is missing.")
    given = {key: value for key, value in table.items() if key != "use"}
    return {"use": use, **settings(factory, given, where, plugin.supplied + plugin.from_run)}


def _name(factory: Callable[..., Any], package: str) -> str:
    """Return what a file would write to name a factory."""
    name = factory.__name__
    if catalogue([package]).get(name) is factory:
        return name
    return f"{factory.__module__}:{name}"


def _construct(
    plugin: Plugin, table: Mapping[str, Any], where: str, base: Path | None, supplied: Supplied
) -> Any:
    factory = find(table["use"], [plugin.package], where)
    values = {key: value for key, value in table.items() if key != "use"}
    if not plugin.supplied:
        with own_code(table["use"], where):
            return call(factory, values, where, base, supplied)
    return functools.partial(factory, **_arguments(factory, values, where, base, supplied))


def _plugin(annotation: Any) -> Plugin | None:
    """Return the mark of a parameter, also of an optional one."""
    for mark in getattr(annotation, "__metadata__", ()):
        if isinstance(mark, Plugin):
            return mark
    return next(filter(None, map(_plugin, typing.get_args(annotation))), None)


@contextmanager
def placed(where: str) -> Iterator[None]:
    """Put the place in the experiment before whatever is refused inside.

    Example:
        >>> with placed("partition"):
        ...     raise InputError("There are 3 rows for 4 clients.")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: partition: There are 3 rows for 4 clients.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


@contextmanager
def own_code(use: str, where: str) -> Iterator[None]:
    """Say of whatever comes out of a user's own factory which one it is, and where it stands.

    Example:
        >>> with own_code("lab.rules:gentle", "local"):
        ...     {}["lr"]
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: local: `lab.rules:gentle` fails with KeyError: 'lr'
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # the user's code: anything can come
        if ":" not in use:
            raise
        raise InputError(f"{where}: `{use}` fails with {type(error).__name__}: {error}") from error


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(factory, include_extras=True)
    except (NameError, TypeError, AttributeError):
        # A user's annotations may name what exists only for type checkers.
        return {}


def _named(factory: Callable[..., Any], where: str) -> dict[str, inspect.Parameter]:
    """Return the parameters that a file can set by name."""
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}.use: {factory!r} does not tell its parameters.") from error
    collecting = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: p for name, p in parameters.items() if p.kind not in collecting}


def _plain(value: Any) -> bool:
    """Return whether a value can stand in canonical JSON, which the id is made from."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, list | tuple):
        return all(_plain(entry) for entry in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(entry) for key, entry in value.items())
    return value is None or isinstance(value, bool | int | str)


def _own(use: str, where: str) -> Callable[..., Any]:
    module, _, name = use.partition(":")
    try:
        factory = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # importing runs the user's code: anything can come
        raise InputError(
            f"{where}.use: `{use}` cannot be imported ({type(error).__name__}: {error}). It must "
            'be "package.module:function", importable from the folder where fedqml is run.'
        ) from error
    if not callable(factory):
        raise InputError(f"{where}.use: `{use}` is no function.")
    return factory


_WORDS = {
    Any: "a number, a text, true or false, or a list of these",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "a text",
    dict: "a table",
    Path: "a path",
}


def _conforms(value: Any, annotation: Any) -> bool:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return True
    if origin is typing.Annotated:
        return _conforms(value, arguments[0])
    if origin is typing.Literal:
        return value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(_conforms(value, option) for option in arguments)
    if origin is list:
        return isinstance(value, list) and all(_conforms(v, arguments[0]) for v in value)
    if annotation is None or annotation is type(None):
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) <= sys.float_info.max
    if annotation is Path:
        return isinstance(value, str)
    kind = origin or annotation
    return isinstance(value, kind) if isinstance(kind, type) else True


def _normal(value: Any, annotation: Any) -> Any:
    """Return numbers as the annotation has them: 1 and 1.0 must give the same id."""
    options = typing.get_args(annotation)
    if isinstance(value, list) and typing.get_origin(annotation) is list:
        return [_normal(entry, options[0]) for entry in value]
    number = isinstance(value, int) and not isinstance(value, bool)
    wanted = annotation is float or (float in options and int not in options)
    return float(value) if number and wanted else value


def _describe(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if _plugin(annotation):
        return 'a table like { use = "..." }'
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(a) for a in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(a) for a in arguments if a is not type(None))
    if origin is list:
        return f"a list, each entry {_describe(arguments[0])}"
    return _WORDS.get(origin or annotation, getattr(annotation, "__name__", str(annotation)))
