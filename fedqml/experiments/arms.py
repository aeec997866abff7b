"""From sweeps, arms and overrides to whole tables of settings."""

import copy
import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from fedqml.core.errors import InputError


def expanded(
    plain: Mapping[str, Any], sweep: Mapping[str, Any], arms: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each arm's label and settings: all combinations of the sweep, then the arms beside it.

    Args:
        plain: the settings that arms change.
        sweep: lists of values, by ``section.key``.
        arms: changes, by label.

    Raises:
        InputError: for a sweep that is no list, or an arm that is no table.

    Example:
        >>> list(expanded({"local": {"lr": 1}}, {"local.lr": [1, 2]}, {}))
        [('local.lr = 1', {'local': {'lr': 1}}), ('local.lr = 2', {'local': {'lr': 2}})]
    """
    for key, values in sweep.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"sweep.{key} must be a list of values, but it is {values!r}.")
    for values in itertools.product(*sweep.values()):
        table = copy.deepcopy(dict(plain))
        pairs = list(zip(sweep, values, strict=True))
        for key, value in pairs:
            put(table, key, value)
        yield ", ".join(f"{key} = {_label(value)}" for key, value in pairs) or "federated", table
    for arm, changes in arms.items():
        if not isinstance(changes, dict):
            raise InputError(f"arms.{arm} must be a table of settings, but it is {changes!r}.")
        table = copy.deepcopy(dict(plain))
        for key, value in _leaves(changes):
            put(table, key, value)
        yield arm, table


def parsed(override: str) -> tuple[str, Any]:
    """Return the key and the value of ``section.key=value``.

    Raises:
        InputError: if it has not this form.

    Example:
        >>> parsed("local.lr=0.1"), parsed("engine.use=sequential")
        (('local.lr', 0.1), ('engine.use', 'sequential'))
    """
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f"`{override}` must have the form section.key=value.")
    try:
        return key.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is meant as a text: --set model.entangler=chain
        return key.strip(), text.strip()


def put(table: dict[str, Any], key: str, value: Any) -> None:
    """Set ``a.b.c`` in nested tables; a table as value replaces what was there."""
    *path, last = key.split(".")
    for part in path:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise InputError(f"{key}: `{part}` is no table.")
    table[last] = value


def _leaves(changes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Return an arm's changes one by one; a table with ``use`` replaces the whole section."""
    for key, value in changes.items():
        if isinstance(value, dict) and "use" not in value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _label(value: Any) -> str:
    if isinstance(value, dict):
        rest = ", ".join(f"{k} = {_label(v)}" for k, v in value.items() if k != "use")
        return f"{value.get('use', '')}" + (f" ({rest})" if rest else "")
    if isinstance(value, list):
        return "[" + ", ".join(_label(v) for v in value) + "]"
    return value if isinstance(value, str) else json.dumps(value)
