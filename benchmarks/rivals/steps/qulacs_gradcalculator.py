from collections.abc import Callable

import qulacs

from rivals.about import About
from rivals.circuit_problem import Arrays, CircuitProblem
from rivals.qulacs_circuit import qulacs_step

ABOUT = About("Qulacs, GradCalculator", ("qulacs",), "loop")


def qulacs_gradcalculator(problem: CircuitProblem) -> Callable[[], Arrays]:
    """Qulacs' shifts of every angle, in C++."""
    return qulacs_step(problem, qulacs.GradCalculator().calculate_grad)
