"""What a rival's process is asked, and what it answers."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Run:
    """Ask for a step of a problem; it is made at the first one.

    Attributes:
        problem: the task.
        values: whether its results are wanted.
    """

    problem: Any
    values: bool = False


@dataclass(frozen=True)
class Ran:
    """What came of it.

    Attributes:
        seconds: how long a step took; the mean if it was repeated.
        preparation: how long making it and the first call took together; 0 if it existed.
        memory: largest memory of the process so far, less that after importing; bytes.
        values: the results, if they were asked for.
    """

    seconds: float
    preparation: float
    memory: int
    values: tuple[NDArray[Any], ...] | None
