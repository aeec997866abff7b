"""What ``fedqml run`` does: check all runs first, then make them one after another."""

import argparse
import signal
import sys
from pathlib import Path

from fedqml.cli.display import Display, display
from fedqml.experiments.build import Build, builder
from fedqml.experiments.config import Experiment, load, locate
from fedqml.experiments.run import run_experiment
from fedqml.experiments.store import Busy, Store


def run(options: argparse.Namespace) -> int:
    """Run, or list for a dry run, what the options ask for; return the exit code."""
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
        for experiment in experiments:
            done = Store(results / experiment.id).read("summary") is not None
            shown.planned(experiment, build(experiment), done)
        return 0
    for experiment in experiments:
        build(experiment)  # a mistake in the last arm must not cost the training of the first
    # A scheduler's "terminate" saves the rounds done, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return _run(experiments, build, shown, results)


def _run(experiments: list[Experiment], build: Build, shown: Display, results: Path) -> int:
    busy = 0
    try:
        with shown.running(experiments, results):
            for experiment in experiments:
                try:
                    watch = shown.watch(experiment)
                    outcome = run_experiment(experiment, build, results, watch)
                except Busy:
                    busy += 1
                    shown.busy(experiment)
                else:
                    shown.ended(experiment, outcome)
    except KeyboardInterrupt:
        shown.stopped()
        return 130
    return 3 if busy else 0
