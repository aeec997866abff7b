"""The experiment file: from its text to its runs."""

import copy
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from fedqml.core.errors import InputError
from fedqml.core.resolve import call, nearest, settings
from fedqml.experiments.arms import expanded, parsed, put
from fedqml.experiments.experiment import Experiment, RunSettings
from fedqml.experiments.fleet import fleet
from fedqml.experiments.labels import LABELS, labels
from fedqml.experiments.sections import SECTIONS, resolved, table_of

_FEDERATED = "flower"  # the engine that has others train

_DEFAULTS: dict[str, Any] = {
    "partition": {"use": "central"},
    "strategy": {"client": [], "server": [{"use": "mean"}]},
    "engine": {"use": "vectorised"},
}

_KEYS = ("name", "title", *SECTIONS)


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
    sweep = dict(table_of(table, "sweep"))
    # What is changed about the engine is meant for the one that trains on nodes.
    of_nodes = [o for o in overrides if on_nodes and o.startswith("engine.")]
    for override in overrides:
        if override in of_nodes:
            continue
        key, value = parsed(override)
        if key.partition(".")[0] in ("sweep", "arms"):
            raise InputError(f"{override}: settings can be changed so, but not `sweep` or `arms`.")
        sweep.pop(key, None)
        put(plain, key, value)
    given = {key: plain.pop(key) for key in LABELS if key in plain}
    arms = list(expanded(plain, sweep, table_of(table, "arms")))
    # A label may name an arm of the file that an override has left out.
    named = dict.fromkeys([*(arm for arm, _ in arms), *_arms_without(overrides, table)])
    checked = labels(given, named)
    found: dict[str, Experiment] = {}
    for arm, settled in arms:
        if on_nodes and table_of(settled, "engine").get("use") != _FEDERATED:
            settled["engine"] = {"use": _FEDERATED, "on_nodes": settled["engine"]}
        for override in of_nodes:
            put(settled, *parsed(override))
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
    return [arm for arm, _ in expanded(plain, table_of(table, "sweep"), table_of(table, "arms"))]


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
        config[section] = resolved(section, table_of(table, section, needed=True))
    # Where nothing is said data stay right, the model has its own devices, and no time passes.
    for section in ("poison", "device", "clock"):
        if section in table:
            config[section] = resolved(section, table_of(table, section))
    if table.get("fleet"):
        config["fleet"] = fleet(table["fleet"])
    config["strategy"] = _strategy(table_of(table, "strategy"))
    given = {"seeds": [0], **table_of(table, "run", needed=True)}
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
        side: [resolved(f"strategy.{side}", entry) for entry in whole[side]]
        for side in ("client", "server")
    }
