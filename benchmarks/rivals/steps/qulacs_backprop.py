from collections.abc import Callable

from rivals.about import About
from rivals.circuit_problem import Arrays, CircuitProblem
from rivals.qulacs_circuit import qulacs_step

ABOUT = About("Qulacs, backprop", ("qulacs",), "loop")


def qulacs_backprop(problem: CircuitProblem) -> Callable[[], Arrays]:
    """Qulacs' adjoint method, called directly."""
    return qulacs_step(problem, lambda circuit, observable: circuit.backprop(observable))
