"""The experiment file: read, expanded into runs, and every setting checked and made explicit."""

import copy
import hashlib
import itertools
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from fedqml.core.errors import InputError, require, whole
from fedqml.core.resolve import call, find, nearest, placed, settings
from fedqml.experiments.labels import LABELS, labels
from fedqml.federated.budget import Budget

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

_MOST_CLIENTS = 10**7
_MOST_NAMED = 10**6  # clients of a fleet that are named, each with a number of its own
_FEDERATED = "flower"  # the engine that has others train

_FLEET = {"clients", "device", "layers", "qubits", "epochs", "batches"}

_DEFAULTS: dict[str, Any] = {
    "partition": {"use": "central"},
    "strategy": {"client": [], "server": [{"use": "mean"}]},
    "engine": {"use": "vectorised"},
}
SECTIONS = (
    *("data", "partition", "poison", "model", "device", "fleet", "local", "strategy", "engine"),
    *("clock", "run"),
)
"""What a run's settings consist of; the rest of a file names, makes or labels runs."""

_KEYS = ("name", "title", *SECTIONS)


@dataclass(frozen=True)
class RunSettings:
    """The section ``[run]``.

    Attributes:
        rounds: rounds of training.
        clients_per_round: clients drawn each round.
        seeds: one run for each.
        checkpoint_every: rounds between checkpoints.
        dtype: of weights and data.
        threads: PyTorch's threads; more may change the order of sums, hence the last bits.
    """

    rounds: int
    clients_per_round: int
    seeds: list[int]
    checkpoint_every: int = 10
    dtype: Literal["float32", "float64"] = "float32"
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("rounds", "clients_per_round", "checkpoint_every", "threads"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "be at least 1")
        require(self.threads <= 256, "threads", self.threads, "be at most 256")
        distinct = len(set(self.seeds)) == len(self.seeds) > 0
        require(distinct and min(self.seeds) >= 0, "seeds", self.seeds, "be distinct and not < 0")


@dataclass(frozen=True)
class Experiment:
    """One run: one arm of an experiment with one seed.

    Attributes:
        name: of the experiment.
        title: for people.
        arm: what tells this arm from its neighbours.
        seed: the seed.
        config: every setting that the results depend on, defaults included.
        run: the section ``[run]``.
        base: the folder that relative paths start from.
        labels: what the file says for the report only; see ``fedqml.experiments.labels``.
    """

    name: str
    title: str
    arm: str
    seed: int
    config: Mapping[str, Any]
    run: RunSettings
    base: Path
    labels: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """16 hexadecimal digits of the SHA-256 of ``config`` and ``seed`` in canonical JSON."""
        return identifier({**self.config, "seed": self.seed})


def identifier(value: Any) -> str:
    """Return the first 16 digits of the SHA-256 of a value's canonical JSON.

    Example:
        >>> identifier({"a": 1, "b": 2}) == identifier({"b": 2, "a": 1.0})
        True
    """
    return _digest(value)[:16]


def signature(config: Mapping[str, Any]) -> str:
    """Return what the owner of data accepts an experiment by: the SHA-256 of its settings.

    All of ``config`` but the engine, which only says where the clients are trained; the seed is
    not in it either. 64 hexadecimal digits.

    Raises:
        ValueError: for settings that cannot be written as JSON.

    Example:
        >>> signature({"local": {"epochs": 1}, "engine": {"use": "sequential"}})[:8]
        '974bafe7'
    """
    return _digest({key: value for key, value in config.items() if key != "engine"})


def uses(config: Any) -> Iterator[str]:
    """Return every function that a configuration names, however deep; also by a key ``a.b.use``."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key.rpartition(".")[2] == "use" and isinstance(value, str):
                yield value
        config = list(config.values())
    if isinstance(config, list):
        for value in config:
            yield from uses(value)


def _digest(value: Any) -> str:
    canonical = _canonical(value)
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: Any) -> Any:
    """Return the value with 1 for 1.0: deep inside tables nobody tells which of them is meant."""
    if isinstance(value, Mapping):
        return {key: _canonical(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def library() -> dict[str, Path]:
    """Return the experiments that come with the package, by name."""
    folder = Path(str(files("fedqml.experiments"))) / "library"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def locate(file_or_name: str) -> Path:
    """Return the experiment file that a user means.

    Raises:
        InputError: if there is no such file, nor a shipped experiment of that name.
    """
    path = Path(file_or_name)
    try:
        if path.is_file():
            return path
    except (OSError, ValueError) as error:
        raise InputError(f"There is no experiment file {file_or_name}: {error}") from error
    shipped = library()
    if file_or_name in shipped:
        return shipped[file_or_name]
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise InputError(f"There is no experiment file {path}.")
    raise InputError(
        f"There is no experiment `{file_or_name}`.{nearest(file_or_name, shipped)} "
        f"Shipped: {', '.join(shipped)}; or give the path of a .toml file."
    )


def load(
    file_or_name: str, overrides: Sequence[str] = (), on_nodes: bool = False
) -> list[Experiment]:
    """Read an experiment file and return its runs: every arm with every seed.

    Relative paths in it start from its folder, those in a shipped one from the current folder.

    Args:
        file_or_name: a path, or the name of a shipped experiment.
        overrides: settings ``"section.key=value"``, the value written as in TOML.
        on_nodes: let the file's engine train on the nodes of a federation, and take overrides of
            ``engine`` as those of the engine that has them train.

    Raises:
        InputError: for anything in the file that cannot be used, named by its place.
    """
    path = locate(file_or_name)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read as an experiment file: {error}") from error
    # A shipped experiment's data lie where it is run, not in the package.
    base = Path() if path in library().values() else path.parent
    try:
        return experiments(table, path.stem, base, overrides, on_nodes)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def experiments(
    table: Mapping[str, Any],
    name: str,
    base: Path,
    overrides: Sequence[str] = (),
    on_nodes: bool = False,
) -> list[Experiment]:
    """Return the runs of an experiment given as a table; see ``load``."""
    whole = copy.deepcopy({**_DEFAULTS, **table})
    plain = {key: value for key, value in whole.items() if key not in ("sweep", "arms")}
    sweep = dict(_table(table, "sweep"))
    # What is changed about the engine is meant for the one that trains on nodes.
    of_nodes = [o for o in overrides if on_nodes and o.startswith("engine.")]
    for override in overrides:
        if override in of_nodes:
            continue
        key, value = _parse(override)
        if key.partition(".")[0] in ("sweep", "arms"):
            raise InputError(f"{override}: settings can be changed so, but not `sweep` or `arms`.")
        sweep.pop(key, None)
        _put(plain, key, value)
    given = {key: plain.pop(key) for key in LABELS if key in plain}
    arms = list(_arms(plain, sweep, _table(table, "arms")))
    # A label may name an arm of the file that an override has left out.
    named = dict.fromkeys([*(arm for arm, _ in arms), *_arms_without(overrides, table)])
    checked = labels(given, named)
    found: dict[str, Experiment] = {}
    for arm, settled in arms:
        if on_nodes and _table(settled, "engine").get("use") != _FEDERATED:
            settled["engine"] = {"use": _FEDERATED, "on_nodes": settled["engine"]}
        for override in of_nodes:
            _put(settled, *_parse(override))
        for run in _runs(settled, arm, name, base, checked):
            if run.id in found:
                raise InputError(
                    f"the arms `{found[run.id].arm}` and `{run.arm}` have the same settings."
                )
            found[run.id] = run
    return list(found.values())


def _arms_without(overrides: Sequence[str], table: Mapping[str, Any]) -> list[str]:
    """Return the labels of the file's own arms, where overrides may have changed them."""
    if not overrides:
        return []
    plain = {key: value for key, value in table.items() if key not in ("sweep", "arms")}
    return [arm for arm, _ in _arms(plain, _table(table, "sweep"), _table(table, "arms"))]


def _arms(
    plain: Mapping[str, Any], sweep: Mapping[str, Any], arms: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, values in sweep.items():
        if not isinstance(values, list) or not values:
            raise InputError(f"sweep.{key} must be a list of values, but it is {values!r}.")
    for values in itertools.product(*sweep.values()):
        table = copy.deepcopy(dict(plain))
        pairs = list(zip(sweep, values, strict=True))
        for key, value in pairs:
            _put(table, key, value)
        yield ", ".join(f"{key} = {_label(value)}" for key, value in pairs) or "federated", table
    for arm, changes in arms.items():
        if not isinstance(changes, dict):
            raise InputError(f"arms.{arm} must be a table of settings, but it is {changes!r}.")
        table = copy.deepcopy(dict(plain))
        for key, value in _leaves(changes):
            _put(table, key, value)
        yield arm, table


def _runs(
    table: Mapping[str, Any], arm: str, name: str, base: Path, labels: Mapping[str, Any]
) -> Iterator[Experiment]:
    for key in table:
        if key not in _KEYS:
            known = (*_KEYS, *LABELS, "sweep", "arms")
            raise InputError(
                f"{key}: unknown section.{nearest(key, known)} Allowed: {', '.join(known)}."
            )
    for key in ("name", "title"):
        if not isinstance(table.get(key, ""), str):
            raise InputError(f"{key} must be a text, but it is {table[key]!r}.")
    config: dict[str, Any] = {}
    for section in ("data", "partition", "model", "local", "engine"):
        config[section] = _resolve(section, _table(table, section, needed=True))
    # Where nothing is said data stay right, the model has its own devices, and no time passes.
    for section in ("poison", "device", "clock"):
        if section in table:
            config[section] = _resolve(section, _table(table, section))
    if table.get("fleet"):
        config["fleet"] = _fleet(table["fleet"])
    config["strategy"] = _strategy(_table(table, "strategy"))
    given = {"seeds": [0], **_table(table, "run", needed=True)}
    checked = settings(RunSettings, given, "run")
    run = call(RunSettings, checked, "run")
    # What the numbers do not depend on stays out, so that changing it starts nothing anew.
    config["run"] = {k: v for k, v in asdict(run).items() if k not in ("seeds", "checkpoint_every")}
    label = table.get("name", name)
    for seed in run.seeds:
        yield Experiment(label, table.get("title", label), arm, seed, config, run, base, labels)


def _strategy(table: Mapping[str, Any]) -> dict[str, Any]:
    whole = {**_DEFAULTS["strategy"], **table}
    for side, entries in whole.items():
        if side not in ("client", "server"):
            raise InputError(f"strategy.{side}: unknown key. Allowed: client, server.")
        if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
            raise InputError(
                f"strategy.{side} must be a list of tables like {{ use = "
                f'"mean" }}, but it is {entries!r}.'
            )
    return {
        side: [_resolve(f"strategy.{side}", entry) for entry in whole[side]]
        for side in ("client", "server")
    }


def _fleet(entries: Any) -> list[dict[str, Any]]:
    """Return which clients have which hardware or budget, the clients as numbers."""
    form = (
        'a list of tables like { clients = "0-9", device = { use = "density" } }, with `layers`, '
        "`qubits`, `epochs` or `batches` besides or instead"
    )
    if not isinstance(entries, list):
        raise InputError(f"fleet must be {form}, but it is {entries!r}.")
    fleet = []
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
            made["device"] = _resolve("device", _table(entry, "device"), "fleet.device")
        for key in ("layers", "qubits"):
            if key in entry:
                with placed("fleet"):
                    whole(key, entry[key], least=1)
        budget = {key: entry[key] for key in ("epochs", "batches") if key in entry}
        call(Budget, settings(Budget, budget, "fleet"), "fleet")
        fleet.append(made)
    twice = sorted(client for client, count in Counter(named).items() if count > 1)
    if twice:
        raise InputError(f"fleet.clients names these clients twice: {twice}.")
    return fleet


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


def _resolve(section: str, table: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    where = where or section
    if "use" not in table:
        raise InputError(f"{where}.use is missing.")
    factory = find(table["use"], PLUGINS[section], where)
    given = {key: value for key, value in table.items() if key != "use"}
    checked = settings(factory, given, where, SUPPLIED.get(section, ()))
    return {"use": table["use"], **checked}


def _table(whole: Mapping[str, Any], key: str, needed: bool = False) -> Mapping[str, Any]:
    if needed and key not in whole:
        raise InputError(f"the section [{key}] is missing.")
    value = whole.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{key} must be a table, but it is {value!r}.")
    return value


def _parse(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise InputError(f"`{override}` must have the form section.key=value.")
    try:
        return key.strip(), tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        # A bare word is meant as a text: --set model.entangler=chain
        return key.strip(), text.strip()


def _put(table: dict[str, Any], key: str, value: Any) -> None:
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
