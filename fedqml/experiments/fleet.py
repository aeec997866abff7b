"""The section ``[[fleet]]``: clients whose hardware or budget is not that of the others."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fedqml.core.errors import InputError, whole
from fedqml.core.resolve import call, placed, settings
from fedqml.experiments.sections import resolved, table_of
from fedqml.federated.budget import Budget

_MOST_CLIENTS = 10**7
_MOST_NAMED = 10**6  # clients of a fleet that are named, each with a number of its own
_FLEET = {"clients", "device", "layers", "qubits", "epochs", "batches"}


def fleet(entries: Any) -> list[dict[str, Any]]:
    """Return which clients have which hardware or budget, the clients as numbers.

    Raises:
        InputError: for an entry that cannot be used, or a client that two name.

    Example:
        >>> fleet([{"clients": "0-2, 5", "layers": 1}])
        [{'clients': [0, 1, 2, 5], 'layers': 1}]
    """
    form = (
        'a list of tables like { clients = "0-9", device = { use = "density" } }, with `layers`, '
        "`qubits`, `epochs` or `batches` besides or instead"
    )
    if not isinstance(entries, list):
        raise InputError(f"fleet must be {form}, but it is {entries!r}.")
    checked = []
    named: list[int] = []
    for entry in entries:
        known = isinstance(entry, dict) and {"clients"} < set(entry) <= _FLEET
        if not known:
            raise InputError(f"fleet must be {form}, but it has the entry {entry!r}.")
        left = _MOST_NAMED - len(named)
        clients = list(itertools.islice(_clients(entry["clients"]), left + 1))
        if len(clients) > left:
            raise InputError(f"fleet.clients may name {_MOST_NAMED} clients in all, but has more.")
        named += clients
        made = {**entry, "clients": clients}
        if "device" in entry:
            made["device"] = resolved("device", table_of(entry, "device"), "fleet.device")
        for key in ("layers", "qubits"):
            if key in entry:
                with placed("fleet"):
                    whole(key, entry[key], least=1)
        budget = {key: entry[key] for key in ("epochs", "batches") if key in entry}
        call(Budget, settings(Budget, budget, "fleet"), "fleet")
        checked.append(made)
    twice = sorted(client for client, count in Counter(named).items() if count > 1)
    if twice:
        raise InputError(f"fleet.clients names these clients twice: {twice}.")
    return checked


def _clients(ranges: Any) -> Iterator[int]:
    """Read clients such as ``"0-9, 15"``, or a list of numbers."""
    parts = ranges.split(",") if isinstance(ranges, str) else ranges
    if not isinstance(parts, list) or not parts:
        raise InputError(f'fleet.clients must be such as "0-9, 15", but it is {ranges!r}.')
    for part in parts:
        found = re.fullmatch(r"(\d+)(?:\s*-\s*(\d+))?", str(part).strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not first <= last < _MOST_CLIENTS:
            raise InputError(f'fleet.clients must be such as "0-9, 15", but it has {part!r}.')
        yield from range(first, last + 1)
