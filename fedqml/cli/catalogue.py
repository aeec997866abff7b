"""``fedqml list``: what has been run, and what can be named in an experiment."""

import argparse
import sys
from pathlib import Path
from typing import Any

from fedqml.cli.show import line
from fedqml.core.errors import InputError
from fedqml.core.resolve import nearest
from fedqml.report.read import read_results, run_folders

_RESULTS = "results"
_KINDS = {
    "sources": ("fedqml.data.sources",),
    "partitions": ("fedqml.data.partitions",),
    "poisons": ("fedqml.data.poisons",),
    "backbones": ("fedqml.data.backbones",),
    "models": ("fedqml.models",),
    "cores": ("fedqml.models.cores",),
    "local": ("fedqml.federated.local",),
    "aggregators": ("fedqml.federated.aggregators",),
    "preaggregators": ("fedqml.federated.preaggregators",),
    "optimisers": ("fedqml.federated.optimisers",),
    "transforms": ("fedqml.federated.transforms",),
    "attacks": ("fedqml.federated.attacks",),
    "collusions": ("fedqml.federated.collusions",),
    "channels": ("fedqml.federated.channels",),
    "compression": ("fedqml.federated.compression",),
    "engines": ("fedqml.engines",),
    "clocks": ("fedqml.federated.clocks",),
    "distributions": ("fedqml.federated.distributions",),
    "decays": ("fedqml.federated.decays",),
    "encodings": ("fedqml.quantum.encodings",),
    "ansatze": ("fedqml.quantum.ansatze",),
    "devices": ("fedqml.quantum.devices",),
}


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "list",
        help="list runs, shipped experiments, or plug-ins",
        description="List the runs in a results folder; or, with a KIND, what there is of it: "
        f"experiments, {', '.join(_KINDS)}.",
    )
    parser.add_argument("kind", nargs="?", default="runs", metavar="KIND")
    parser.add_argument("--results", default=_RESULTS, metavar="DIR", help="default: results")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print a line for each."""
    if options.kind == "runs":
        _runs(Path(options.results))
    elif options.kind == "experiments":
        _experiments()
    elif options.kind in _KINDS:
        _plugins(_KINDS[options.kind])
    else:
        known = ["runs", "experiments", *_KINDS]
        raise InputError(
            f"There is no kind `{options.kind}`.{nearest(options.kind, known)} "
            f"Allowed: {', '.join(known)}."
        )
    return 0


def _experiments() -> None:
    import tomllib

    from fedqml.experiments.config import library

    for name, path in library().items():
        title = tomllib.loads(path.read_text(encoding="utf-8")).get("title", "")
        print(f"{name:20} {title}")


def _plugins(packages: tuple[str, ...]) -> None:
    import inspect

    from fedqml.core.resolve import catalogue

    for name, factory in catalogue(packages).items():
        parameters = inspect.signature(factory).parameters.values()
        first = (inspect.getdoc(factory) or "").partition("\n")[0]
        print(f"{name}({', '.join(map(_parameter, parameters))})\n    {first}")


def _parameter(parameter: Any) -> str:
    """Write a parameter with its default, as a file would have it."""
    if parameter.default is parameter.empty:
        return str(parameter.name)
    default = parameter.default
    return f"{parameter.name}={getattr(default, '__name__', None) or repr(default)}"


def _runs(folder: Path) -> None:
    # before the first run there is no such folder; but one with a name of its own may be mistyped
    unused = folder == Path(_RESULTS) and not folder.exists()
    if unused or not run_folders(folder):
        print(
            f"There are no runs in '{folder}' yet. `fedqml run breast_cancer` makes some; "
            "`fedqml list experiments` shows what else can be run.",
            file=sys.stderr,
        )
        return
    results = read_results(folder)
    for run in sorted(results.runs, key=lambda run: (run.name, run.arm, run.seed)):
        print(line(run))
    for name, reason in results.unreadable:
        print(f"{name}  cannot be read: {reason}")
