"""Time all rivals in turn, once in every round, so that they share its weather."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from rivals.about import About
from rivals.expected import can_check, deviation
from rivals.messages import Ran, Run
from rivals.process import Failed, Process

# Give up a rival when making a step and its first call take longer (s).
PATIENCE = 120.0
# ... or when the smallest step does.
STEP_LIMIT = 10.0
# A step of this length (s) is not made longer by more examples; the time is scaled.
ENOUGH = 0.25
# A compiled step has no more amplitudes; to find out how long it takes would need compiling, too.
AMPLITUDES = 1 << 19
# Bytes of memory that a rival may have.
MEMORY = 12 << 30
LEAST_ROUNDS, MOST_ROUNDS = 5, 50

_GROWTH = 4


@dataclass(frozen=True)
class Variant:
    """A rival's file, and on how many cores it runs."""

    folder: str
    name: str
    cores: int = 1


@dataclass
class Result:
    """What was found of a rival for a problem.

    Attributes:
        problem: the whole problem.
        variant: which rival.
        about: what it says of itself.
        part: what was measured of the problem; None if nothing.
        failure: why nothing was measured.
        seconds: of the whole problem in each round, scaled from the part's.
        ratios: to the seconds of the first rival in the same rounds.
        preparation: of the process's first step, with that step (s).
        memory: the most that the process took above what importing takes, bytes; not known of
            any but the first problem.
        error: the largest relative deviation from what is expected; None if not checked.
    """

    problem: Any
    variant: Variant
    about: About
    part: Any = None
    failure: str = ""
    seconds: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    preparation: float | None = None
    memory: int | None = None
    error: float | None = None

    @property
    def title(self) -> str:
        """The name in tables."""
        cores = self.variant.cores
        return self.about.title + (f", {cores} threads" if cores > 1 else "")

    @property
    def scaled(self) -> bool:
        """Whether only a part was measured."""
        return self.part is not None and self.part != self.problem


class Rivals:
    """The rivals that are still in the race, and those that were given up.

    Args:
        variants: who takes part; ratios are to the first one.
    """

    def __init__(self, variants: Sequence[Variant]) -> None:
        self._variants = variants
        self._abouts: dict[Variant, About] = {}
        self._given_up: dict[Variant, tuple[int, str]] = {}

    def measure(self, problems: Sequence[Any], size: int, budget: float) -> list[Result]:
        """Measure all of them for similar problems.

        Args:
            problems: the smallest one first; memory and first call are those of that one.
            size: a rival that could not run one of smaller size is not tried.
            budget: seconds for timing, after everything is prepared.

        Returns:
            A result for each problem and rival.
        """
        results: list[Result] = []
        with ExitStack() as stack:
            running: dict[Variant, Process] = {}
            for variant in self._variants:
                limit, reason = self._given_up.get(variant, (size + 1, ""))
                if limit <= size:
                    about = self._abouts[variant]
                    results += [Result(p, variant, about, failure=reason) for p in problems]
                    continue
                process = Process(variant.folder, variant.name, variant.cores, MEMORY)
                running[variant] = stack.enter_context(process)
                try:
                    self._abouts[variant] = process.start(PATIENCE)
                except Failed as error:  # it is not installed, or not for this machine
                    self._abouts[variant] = about = About(variant.name, (), "loop")
                    results += [Result(p, variant, about, failure=str(error)) for p in problems]
                    continue
                results += self._prepare(variant, process, problems, size)
            self._rounds(running, results, budget)
        for result in results:
            print(_line(result), file=sys.stderr, flush=True)
        return results

    def _prepare(
        self, variant: Variant, process: Process, problems: Sequence[Any], size: int
    ) -> list[Result]:
        """Choose what to measure of each problem, and check what comes out."""
        about, known = self._abouts[variant], dict[Any, Ran]()

        def run(problem: Any) -> Ran:
            if problem not in known:
                known[problem] = process.run(Run(problem, values=can_check(problem)), PATIENCE)
            return known[problem]

        results: list[Result] = []
        for problem in problems:
            result = Result(problem, variant, about)
            results.append(result)
            if len(results) > 1 and results[0].failure:
                result.failure = results[0].failure
                continue
            try:
                result.part = _part(about, problem, run)
                found = known[result.part]
                if found.values is not None:
                    result.error = deviation(result.part, found.values)
            except Failed as error:
                result.part, result.failure = None, str(error)
                continue
            if len(results) == 1:
                result.preparation = next(iter(known.values())).preparation
                result.memory = max(ran.memory for ran in known.values())
        if results[0].failure:
            reason = f"{results[0].failure} (at {size})"
            self._given_up[variant] = size, reason
        return results

    def _rounds(
        self, running: dict[Variant, Process], results: list[Result], budget: float
    ) -> None:
        """Run every step once a round, until the time is over."""
        timed = [result for result in results if result.part is not None]
        started = time.perf_counter()
        for number in range(MOST_ROUNDS):
            if number >= LEAST_ROUNDS and time.perf_counter() - started > budget:
                return
            # rivals may share a part: of problems too large to be measured as a whole
            seconds: dict[tuple[Variant, Any], float] = {}
            for result in timed:
                if result.failure:
                    continue
                key = result.variant, result.part
                try:
                    if key not in seconds:
                        ran = running[result.variant].run(Run(result.part), PATIENCE)
                        seconds[key] = ran.seconds
                except Failed as error:
                    result.failure = str(error)
                    continue
                scale = result.problem.rows / result.part.rows
                result.seconds.append(seconds[key] * scale)
            first = {r.problem: r for r in timed if r.variant == self._variants[0]}
            for result in timed:
                if not result.failure and result.problem in first:
                    base = first[result.problem].seconds[-1]
                    result.ratios.append(result.seconds[-1] / base)


def _part(about: About, problem: Any, run: Callable[[Any], Ran]) -> Any:
    """Return as much of a problem as is worth measuring, after a first run of it."""
    if about.way == "jit":
        part = problem.part(max(1, AMPLITUDES >> problem.qubits))
        run(part)
        return part
    rows = 1
    while True:
        part = problem.part(rows)
        seconds = run(part).seconds
        if rows == 1 and seconds > STEP_LIMIT:
            raise Failed(f"> {STEP_LIMIT:.0f} s for an example")
        if part == problem or seconds > ENOUGH:
            return part
        rows *= _GROWTH


def _line(result: Result) -> str:
    """Return what to say while it runs."""
    if result.failure:
        return f"{result.problem}: {result.title}: {result.failure}"
    return f"{result.problem}: {result.title}: {min(result.seconds):.6f} s"
