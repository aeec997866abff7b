"""``fedqml run``: run every arm and seed of an experiment."""

import argparse
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedqml.cli.display import Display, display

if TYPE_CHECKING:
    from fedqml.experiments.build import Build
    from fedqml.experiments.config import Experiment


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "run",
        help="run an experiment",
        description="Run every arm and seed of an experiment. What is finished is skipped, what "
        "was interrupted goes on where it stopped: the same command again is always safe.",
    )
    parser.add_argument("experiment", metavar="FILE|NAME", help="a .toml file, or a shipped name")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a setting, e.g. --set local.lr=0.1 (a swept key is then fixed)",
    )
    parser.add_argument("--engine", metavar="NAME", help="the same as --set engine.use=NAME")
    parser.add_argument("--rounds", metavar="N", help="the same as --set run.rounds=N")
    parser.add_argument("--results", default="results", metavar="DIR", help="default: results")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything and list the runs; train nothing"
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--quiet", action="store_true", help="print errors and warnings only")
    output.add_argument("--json", action="store_true", help="print a JSON object a line")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Run the experiment; see the module ``main`` for the exit codes."""
    # Imported here, so that `fedqml --help` and `fedqml report` need not wait for PyTorch.
    from fedqml.experiments.build import builder
    from fedqml.experiments.config import load, locate

    # A user's own code is found where the command is typed and beside the experiment.
    sys.path[:0] = [str(Path.cwd()), str(locate(options.experiment).parent.resolve())]
    overrides = list(options.set)
    if options.engine is not None:
        overrides.append(f"engine.use={options.engine}")
    if options.rounds is not None:
        overrides.append(f"run.rounds={options.rounds}")
    experiments = load(options.experiment, overrides)
    build = builder()
    shown = display(options.quiet, options.json)
    results = Path(options.results)
    if options.dry_run:
        return _list(experiments, build, shown, results)
    for experiment in experiments:
        build(experiment)  # a mistake in the last arm must not cost the training of the first
    # A scheduler's "terminate" saves the rounds done, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return _run(experiments, build, shown, results)


def _run(experiments: "list[Experiment]", build: "Build", shown: Display, results: Path) -> int:
    from fedqml.experiments.run import run_experiment
    from fedqml.experiments.store import Busy

    busy = 0
    try:
        with shown.running(experiments, results):
            for experiment in experiments:
                try:
                    outcome = run_experiment(experiment, build, results, shown.watch(experiment))
                except Busy:
                    busy += 1
                    shown.busy(experiment)
                else:
                    shown.ended(experiment, outcome)
    except KeyboardInterrupt:
        shown.stopped()
        return 130
    return 3 if busy else 0


def _list(experiments: "list[Experiment]", build: "Build", shown: Display, results: Path) -> int:
    from fedqml.experiments.store import Store

    for experiment in experiments:
        federation = build(experiment)
        done = Store(results / experiment.id).read("summary") is not None
        shown.planned(experiment, federation, done)
    return 0
