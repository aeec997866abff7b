"""Values and gradients by the kernels, or without them by PyTorch's operations.

Either is one operation of PyTorch for traces; see ``fedqml.core.operators``.
"""

from threading import Lock

from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from fedqml.core.operators import operator
from fedqml.quantum.native import adjoint, call
from fedqml.quantum.native.program import Program

# An operation's arguments are tensors and numbers: a program goes by its number. A traced program
# is never forgotten, as traces hold its number.
_programs: list[Program] = []
_numbers: dict[Program, int] = {}
_lock = Lock()


def compiled(x: Tensor) -> bool:
    """Return whether the kernels evaluate circuits for these inputs; else PyTorch's operations."""
    return x.is_cpu and call.available()


def expectations(
    program: Program, x: Tensor, w: Tensor, keep: bool = True
) -> tuple[Tensor, Tensor]:
    """Return ``call.expectations`` or the like, as one operation where a trace is taken."""
    if isinstance(x, FakeTensor):
        values, states = _traced_expectations(x, w, _number(program))
        return values, states
    return (call if compiled(x) else adjoint).expectations(program, x, w, keep)


def gradients(
    program: Program, x: Tensor, w: Tensor, cotangents: Tensor, kept: Tensor
) -> tuple[Tensor, Tensor]:
    """Return ``call.gradients`` or the like, as one operation where a trace is taken."""
    if isinstance(x, FakeTensor):
        by_x, by_w = _traced_gradients(x, w, cotangents, kept, _number(program))
        return by_x, by_w
    return (call if compiled(x) else adjoint).gradients(program, x, w, cotangents, kept)


def _number(program: Program) -> int:
    with _lock:
        if program not in _numbers:
            _numbers[program] = len(_programs)
            _programs.append(program)
    return _numbers[program]


def _run_expectations(x: Tensor, w: Tensor, program: int) -> tuple[Tensor, Tensor]:
    return expectations(_programs[program], x, w)


def _run_gradients(
    x: Tensor, w: Tensor, cotangents: Tensor, kept: Tensor, program: int
) -> tuple[Tensor, Tensor]:
    return gradients(_programs[program], x, w, cotangents, kept)


def _shapes_of_expectations(x: Tensor, w: Tensor, program: int) -> tuple[Tensor, Tensor]:
    observables = len(_programs[program].circuit.observables)
    # The size of what is kept does not matter, as long as it is some: it is only handed on.
    return x.new_empty((*x.shape[:-1], observables)), x.new_empty(1)


def _shapes_of_gradients(
    x: Tensor, w: Tensor, cotangents: Tensor, kept: Tensor, program: int
) -> tuple[Tensor, Tensor]:
    return x.new_empty(x.shape), w.new_empty(w.shape)


_traced_expectations = operator(
    "expectations(Tensor x, Tensor w, int program) -> (Tensor, Tensor)",
    _run_expectations,
    _shapes_of_expectations,
)
_traced_gradients = operator(
    "gradients(Tensor x, Tensor w, Tensor cotangents, Tensor kept, int program)"
    " -> (Tensor, Tensor)",
    _run_gradients,
    _shapes_of_gradients,
)
