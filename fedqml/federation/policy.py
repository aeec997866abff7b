"""What the owner of a node accepts: a file on the node, which nobody else can change."""

import inspect
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedqml.core.errors import InputError, require
from fedqml.core.resolve import call, catalogue, find, placed, settings
from fedqml.experiments.experiment import signature, uses
from fedqml.experiments.sections import PLUGINS, resolved

TEMPLATE = """\
# What this node accepts. What is left out is not limited, but for own code and devices elsewhere,
# which are then refused, and the data, which must be named. After a change start the node again.

# The data that this node opens, whatever path the experiment names. From the folder of this file.
data = { use = "owner_tables", path = "data" }

# The experiments that are accepted. `fedqml federation signature FILE` prints an experiment's.
# experiments = ["0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"]

# Models and local rules, by name.
# models = ["dense_vqc"]
# local = ["adam", "sgd"]

# Devices, by name. What is not listed here stays on this machine: fedqml's own simulators. With
# "pennylane" features of rows can reach whoever runs the machine that the experiment names.
# devices = ["statevector", "pennylane"]

# Code beside fedqml's that is installed on this node and that experiments may name. Only names are
# compared: what such a function does with data and settings is for you to read.
# own_code = ["package.module:function"]

# With which rules an update must end before it leaves this node; of `clip` the norm is the largest.
# Number of rows, mean loss and number of steps leave exactly as they are; local rules that report
# more, such as `fisher`, are not trained then.
# insist = [{ use = "clip", norm = 1.0 }]

# Local epochs of a round; rounds and epochs of a day (UTC), those that failed included.
most_epochs = 10
most_rounds_a_day = 1000
most_epochs_a_day = 5000

# Clients that train in a round, at all nodes together: what leaves the server is a mean over them.
# With 1, rounds of a single client are trained, too, and all sites get its weights as they are.
least_cohort = 2

# Rows of a client that is trained. Even then a batch of one row can be read off what it changes:
# where there is no noise, accept experiments by their `batch_size`, too.
least_rows = 20

# Weights of the model: one with very many can remember single rows.
most_weights = 1000000
"""
"""A policy to begin with."""

_HEX = frozenset("0123456789abcdef")
_LEAVING = ("pennylane",)  # devices that may be other people's machines
_OWN = ("path",)  # settings of a data source that are the node's alone
_NUMBERS = (
    *("most_epochs", "most_rounds_a_day", "most_epochs_a_day", "most_weights"),
    *("least_cohort", "least_rows"),
)


@dataclass(frozen=True)
class Policy:
    """What a node accepts; ``None`` for what is not limited.

    Attributes:
        file: where this stands; relative paths start from its folder.
        data: the data source that the node opens, with all of its settings.
        experiments: signatures, see ``fedqml.experiments.experiment.signature``.
        models: names of models.
        local: names of local rules.
        devices: names of devices, ``None`` for all of fedqml's that compute on this machine; the
            model's own, where the experiment names none, is one of these.
        own_code: the functions outside fedqml that may be named, ``"package.module:function"``;
            none by default, and never as engine.
        insist: transforms, with all of their settings, that an experiment's ``strategy.client``
            must end with.
        most_epochs: local epochs of a round.
        most_rounds_a_day: rounds of a day.
        most_epochs_a_day: local epochs of a day, over all rounds.
        least_cohort: clients of a round at all nodes together.
        least_rows: of a client that is trained.
        most_weights: weights that are trained.

    Raises:
        InputError: for a policy that cannot be used, or that no experiment can meet.
    """

    file: Path
    data: dict[str, Any]
    experiments: list[str] | None = None
    models: list[str] | None = None
    local: list[str] | None = None
    devices: list[str] | None = None
    own_code: list[str] | None = None
    insist: list[dict[str, Any]] | None = None
    most_epochs: int | None = None
    most_rounds_a_day: int | None = None
    most_epochs_a_day: int | None = None
    least_cohort: int = 1
    least_rows: int = 1
    most_weights: int | None = None

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            require(value is None or value >= 1, name, value, "be at least 1")
        for use in self.own_code or ():
            require(":" in use, "own_code", use, 'hold names such as "package.module:function"')
        for name in ("experiments", "models", "local", "devices"):
            allowed = "name at least one that is accepted, or be left out"
            require(getattr(self, name) != [], name, [], allowed)
        for digits in self.experiments or ():
            right = len(digits) == 64 and _HEX.issuperset(digits)
            require(right, "experiments", digits, "hold signatures, of 64 digits 0-9 and a-f each")
        for section, name, names in (
            ("model", "models", self.models),
            ("local", "local", self.local),
            ("device", "devices", self.devices),
        ):
            for use in names or ():
                self._known(use, section, name)
        object.__setattr__(self, "data", self._resolved("data", self.data, "data"))
        insist = [self._resolved("strategy.client", e, "insist") for e in self.insist or ()]
        for entry in insist:
            factory = find(entry["use"], PLUGINS["strategy.client"], "insist")
            call(factory, {k: v for k, v in entry.items() if k != "use"}, "insist")
        object.__setattr__(self, "insist", insist)

    def opened(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return an experiment's settings with the data that this node opens."""
        return {**config, "data": self.data}

    def require_data(self, hosts: Collection[int | str]) -> None:
        """Open the data once, so that what is wrong with them is said when the node starts.

        Args:
            hosts: the clients that the node trains, by number or by owner's name.

        Raises:
            InputError: if the data cannot be opened, or have no row of an owner that is named.
        """
        factory = find(self.data["use"], PLUGINS["data"], "data")
        values = {key: value for key, value in self.data.items() if key != "use"}
        drawn = {"seed": 0} if "seed" in inspect.signature(factory).parameters else {}
        with placed(str(self.file)):
            owners = set(call(factory, {**values, **drawn}, "data", self.file.parent).owners or ())
            missing = [host for host in hosts if isinstance(host, str) and host not in owners]
            if missing:
                found = f"only of {', '.join(sorted(owners))}" if owners else "none of any owner"
                raise InputError(
                    f"data: this node trains for {missing[0]}, so there must be rows of "
                    f"{missing[0]}, but there are {found}."
                )

    def refusal(self, config: Mapping[str, Any], cohort: int, weights: int) -> str | None:
        """Return why the node does not train for an experiment, or None if it does.

        Args:
            config: the experiment's settings as the server sent them, all defaults included.
            cohort: clients that train in this round, at all nodes together.
            weights: of the model, those that are trained.

        Returns:
            A sentence for the server and the node's log: what was asked, what is allowed, and where
            that can be mended.
        """
        try:
            return next(self._refusals(config, cohort, weights), None)
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as error:
            return f"The experiment's settings cannot be read: {type(error).__name__}: {error}."

    def _refusals(self, config: Mapping[str, Any], cohort: int, weights: int) -> Iterator[str]:
        for use in (use for use in uses(dict(config)) if ":" in use):
            if use not in (self.own_code or ()):
                allowed = ", ".join(["none but fedqml's own code", *(self.own_code or ())])
                yield self._refused(f"The experiment uses `{use}`", allowed, "own_code")
        for section, key, accepted in (
            ("model", "models", self.models),
            ("local", "local", self.local),
        ):
            use = config[section]["use"]
            if accepted is not None and use not in accepted:
                asked = f"The experiment's {section} is `{use}`"
                yield self._refused(asked, ", ".join(accepted), key, f"{section}.use")
        devices = catalogue(PLUGINS["device"])
        local = devices.keys() - _LEAVING
        for use in uses(dict(config)):  # no other kind of thing has a device's name
            if use in devices and use not in (self.devices or local):
                allowed = ", ".join(self.devices or sorted(local))
                yield self._refused(f"The experiment uses the device `{use}`", allowed, "devices")
        yield from self._other_data(config["data"])
        yield from self._missing_rules(config["strategy"]["client"])
        if self.most_epochs is not None:
            epochs = most_epochs(config)
            if not epochs <= self.most_epochs:
                asked = f"The experiment trains {epochs} local epochs a round"
                allowed = f"at most {self.most_epochs}"
                yield self._refused(asked, allowed, "most_epochs", "local.epochs")
        if cohort < self.least_cohort:
            asked = f"{cohort} clients train in this round"
            allowed = f"at least {self.least_cohort}"
            yield self._refused(asked, allowed, "least_cohort", "run.clients_per_round")
        if self.most_weights is not None and weights > self.most_weights:
            asked = f"The model has {weights} weights"
            yield self._refused(asked, f"at most {self.most_weights}", "most_weights", "model")
        if self.experiments is not None and signature(config) not in self.experiments:
            yield self._refused(
                f"The experiment's signature is {signature(config)}",
                "only those that its owner has listed",
                "experiments",
            )

    def _other_data(self, table: Mapping[str, Any]) -> Iterator[str]:
        if table["use"] != self.data["use"]:
            asked = f"The experiment's data are `{table['use']}`"
            yield self._refused(asked, f"`{self.data['use']}`", "data", "data.use")
        for key in sorted(self.data.keys() | table.keys()):
            if key not in _OWN and table[key] != self.data[key]:
                asked = f"The experiment says data.{key} = {table[key]!r}"
                yield self._refused(asked, f"{self.data[key]!r}", "data", f"data.{key}")

    def _missing_rules(self, entries: list[Any]) -> Iterator[str]:
        insist = self.insist or []
        last = entries[len(entries) - len(insist) :] if len(entries) >= len(insist) else []
        if len(last) < len(insist) or not all(map(_as_strict, last, insist)):
            yield self._refused(
                f"The experiment's strategy.client is {entries}",
                f"only one that ends with {insist} (of `clip` the norm may be smaller)",
                "insist",
                "strategy.client",
            )

    def _refused(self, asked: str, allowed: str, key: str, setting: str = "") -> str:
        here = f"`{key}` in {self.file.name} on the node"
        mend = f"Change `{setting}` in the experiment, or {here}." if setting else f"See {here}."
        return f"{asked}, but this node accepts {allowed}. {mend}"

    def _resolved(self, section: str, table: Mapping[str, Any], name: str) -> dict[str, Any]:
        if "use" in table:
            self._known(table["use"], section, name)
        return resolved(section, table, name)

    def _known(self, use: object, section: str, name: str) -> None:
        """Refuse a name that no experiment can use here."""
        if isinstance(use, str) and ":" in use and use not in (self.own_code or ()):
            raise InputError(f"{name} names `{use}`, which is not among own_code.")
        find(use, PLUGINS[section], name)


def most_epochs(config: Mapping[str, Any]) -> int:
    """Return how many local epochs a round has, of the client that makes most.

    Example:
        >>> sgd = {"use": "sgd", "epochs": 2}
        >>> most_epochs({"local": {"use": "fedprox", "optimiser": sgd}, "fleet": [{"epochs": 5}]})
        5
    """
    local = config["local"]
    while "epochs" not in local:  # of the rule that another is built around
        local = local["optimiser"]
    own = [entry["epochs"] for entry in config.get("fleet", ()) if entry.get("epochs")]
    most: int = max([local["epochs"], *own])
    return most


def read_policy(file: Path) -> Policy:
    """Read a policy.

    Raises:
        InputError: if it cannot be read or used, with the nearest right spelling of what is not
            known, or if no experiment can meet it.
    """
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{file} cannot be read as a policy: {error}") from error
    with placed(str(file)):
        checked = settings(Policy, table, "policy", supplied=("file",))
        return Policy(file, **checked)


def _as_strict(entry: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Return whether a transform bounds an update at least as much as the wanted one."""
    if entry["use"] == wanted["use"] == "clip":
        return bool(entry["norm"] <= wanted["norm"])
    return dict(entry) == dict(wanted)
