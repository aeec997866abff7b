"""The circuits of an experiment's arms, each different one once."""

from dataclasses import dataclass

from fedqml.report.arms import Experiment
from fedqml.report.formats import listing


@dataclass(frozen=True)
class CircuitDrawing:
    """One circuit, drawn and in characters; either may be missing; ``owner`` says whose it is."""

    owner: str
    svg: bytes | None
    text: str | None


def circuits(experiment: Experiment) -> tuple[CircuitDrawing, ...]:
    """Return the different circuits with the arms that use each.

    Args:
        experiment: its arms; unfinished ones stand in where none has finished.

    Returns:
        The drawings in the order of the arms; none for models without a circuit.
    """
    arms = experiment.arms or experiment.begun
    users: dict[tuple[bytes | None, str | None], list[str]] = {}
    for arm in arms:
        run = arm.runs[0]
        if run.circuit_svg is not None or run.circuit_text is not None:
            users.setdefault((run.circuit_svg, run.circuit_text), []).append(arm.label)
    return tuple(
        CircuitDrawing("all arms" if len(labels) == len(arms) > 1 else listing(labels), *drawing)
        for drawing, labels in users.items()
    )
