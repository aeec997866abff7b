"""What ``fedqml run`` does: check all runs first, then make them one after another."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from fedqml.cli.display import Display, display
from fedqml.cli.own_code import find_own_code
from fedqml.core.denormals import denormals_as_zero
from fedqml.core.errors import InputError
from fedqml.core.optional import require_library
from fedqml.engines.remote.transport import Transport
from fedqml.experiments.build import Build, builder
from fedqml.experiments.config import load
from fedqml.experiments.experiment import Experiment
from fedqml.experiments.run import check, run_experiment
from fedqml.experiments.store import Busy, Store


def run(options: argparse.Namespace) -> int:
    """Run, or list for a dry run, what the options ask for; return the exit code."""
    with denormals_as_zero():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    find_own_code(options.experiment)
    overrides = list(options.set)
    on_nodes = options.engine == "flower" or options.federation is not None
    if options.engine is not None and not on_nodes:
        overrides.append(f"engine.use={options.engine}")
    if options.rounds is not None:
        overrides.append(f"run.rounds={options.rounds}")
    experiments = load(options.experiment, overrides, on_nodes)
    with _nodes(options.federation) as transport:
        return _check_and_train(options, experiments, builder(transport))


@contextmanager
def _nodes(folder: str | None) -> Iterator[Transport | None]:
    """Give the way to the nodes of a federation, and end what was begun there."""
    if folder is None:
        yield None
        return
    require_library("flwr", "flower")
    from fedqml.federation.flower_server import FlowerTransport
    from fedqml.federation.folders import read_server

    transport = FlowerTransport(read_server(Path(folder)))
    failed = True
    try:
        yield transport
        failed = False
    finally:
        transport.close(failed)


def _check_and_train(
    options: argparse.Namespace, experiments: list[Experiment], build: Build
) -> int:
    shown = display(options.quiet, options.json)
    results = Path(options.results)
    # All of them: a mistake in the last arm must not cost the training of the first.
    for experiment in experiments:
        federation = build(experiment)
        done = check(Store(results / experiment.id), federation)
        if options.dry_run:
            shown.planned(experiment, federation, done)
        del federation  # a large model's weights would stay in memory through all runs
    if options.dry_run:
        return 0
    # A scheduler's "terminate" saves the rounds done, as Ctrl-C does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    return _train(experiments, build, shown, results)


def _train(experiments: list[Experiment], build: Build, shown: Display, results: Path) -> int:
    busy = failed = 0
    with shown.running(experiments, results):
        for experiment in experiments:
            try:
                watch = shown.watch(experiment)
                outcome = run_experiment(experiment, build, results, watch)
            except Busy:
                busy += 1
                shown.busy(experiment)
            except InputError as error:
                # One arm that diverges must not keep the others from being trained.
                failed += 1
                shown.failed(experiment, error)
            else:
                shown.ended(experiment, outcome)
    return 2 if failed else 3 if busy else 0


def _stop(number: int, frame: Any) -> NoReturn:
    # From here on nothing may cut the saving short.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt("The rounds done are saved; the same command goes on.")
