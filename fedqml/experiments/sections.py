"""What the sections of an experiment file may name, and their settings made explicit."""

from collections.abc import Mapping
from typing import Any

from fedqml.core.errors import InputError
from fedqml.core.resolve import find, settings

PLUGINS = {
    "data": ("fedqml.data.sources",),
    "partition": ("fedqml.data.partitions",),
    "poison": ("fedqml.data.poisons",),
    "model": ("fedqml.models",),
    "local": ("fedqml.federated.local",),
    "engine": ("fedqml.engines",),
    "device": ("fedqml.quantum.devices",),
    "clock": ("fedqml.federated.clocks",),
    "strategy.client": (
        "fedqml.federated.transforms",
        "fedqml.federated.attacks",
        "fedqml.federated.compression",
    ),
    "strategy.server": (
        "fedqml.federated.aggregators",
        "fedqml.federated.preaggregators",
        "fedqml.federated.optimisers",
        "fedqml.federated.collusions",
        "fedqml.federated.channels",
        "fedqml.federated.transforms",
    ),
}
"""Where the factories that a section may name live."""

SUPPLIED = {
    "data": ("seed",),
    "model": ("shape", "classes"),
    "engine": ("transport", "assignment"),
    "local": ("metric",),
    "strategy.server": ("angles", "calibration"),
}
"""Parameters that come from the run, its data or its task instead of the file."""

SECTIONS = (
    *("data", "partition", "poison", "model", "device", "fleet", "local", "strategy", "engine"),
    *("clock", "run"),
)
"""What a run's settings consist of; the rest of a file names, makes or labels runs."""


def resolved(section: str, table: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return a section's table whole, defaults included.

    Args:
        section: says where the factory that ``use`` names lives.
        table: from the file.
        where: its place there, for errors; the section if left out.

    Raises:
        InputError: for an unknown factory, or settings that do not fit it.

    Example:
        >>> resolved("partition", {"use": "iid", "clients": 3})
        {'use': 'iid', 'clients': 3}
    """
    where = where or section
    if "use" not in table:
        raise InputError(f"{where}.use is missing.")
    factory = find(table["use"], PLUGINS[section], where)
    given = {key: value for key, value in table.items() if key != "use"}
    checked = settings(factory, given, where, SUPPLIED.get(section, ()))
    return {"use": table["use"], **checked}


def table_of(whole: Mapping[str, Any], key: str, needed: bool = False) -> Mapping[str, Any]:
    """Return the table of this key, an empty one if there is none and none is needed.

    Raises:
        InputError: if it is needed and missing, or no table.
    """
    if needed and key not in whole:
        raise InputError(f"the section [{key}] is missing.")
    value = whole.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{key} must be a table, but it is {value!r}.")
    return value
