"""States and the adjoint method by PyTorch's operations, where the kernels do not run.

The calls are those of ``call``. A GPU takes longer to be given an operation than to do a small one:
neighbouring runs of all examples are one product of matrices.
"""

from collections.abc import Sequence
from functools import reduce
from math import gcd

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from fedqml.quantum.native.plan import Observables, Plan, Step, plan
from fedqml.quantum.native.program import Program
from fedqml.quantum.native.quaternions import matrices, product, quaternions

# Larger states are computed again for the gradient: for a quarter more time a quarter less memory.
_KEPT_BYTES = 1 << 28
# Sums of more rows are taken in parts, or most of a GPU would have nothing to do.
_ROWS = 4096

State = Complex[Tensor, "clients _ amplitudes"]
"""Amplitudes in the order of a layout, of one example if they are the same for all."""


def expectations(
    program: Program,
    x: Float[Tensor, "*clients batch inputs"],
    w: Float[Tensor, "*clients weights"],
    keep: bool,
) -> tuple[Float[Tensor, "*clients batch observables"], Tensor]:
    """Return the expectation values of one or many clients' examples, and what can be used again.

    Args:
        program: the compiled circuit; has a tape, and no map but the identity.
        x: its inputs; ([clients], batch, inputs).
        w: its weights; ([clients], weights).
        keep: whether gradients may be asked for.

    Returns:
        Values, ([clients], batch, observables), and what ``gradients`` can take as ``kept``: the
        states, or nothing if these are not wanted or large.
    """
    if w.ndim == 1:
        values, kept = expectations(program, x[None], w[None], keep)
        return values[0], kept
    shape = *x.shape[:-1], len(program.circuit.observables)
    if shape[0] * shape[1] == 0:
        return x.new_empty(shape), x.new_empty(0)
    made = plan(program, x.dtype, x.device)
    state = _evolve(made, [matrices(quaternions(kind, x, w)) for kind in made.kinds])
    small = state.numel() * state.element_size() <= _KEPT_BYTES
    # copied where all examples are the same: users may write to what they get
    values = _measure(made, state).expand(shape).contiguous()
    return values, state if keep and small else x.new_empty(0)


@torch.inference_mode(False)  # there, nothing can be differentiated; this allows it elsewhere, too
def gradients(
    program: Program,
    x: Float[Tensor, "*clients batch inputs"],
    w: Float[Tensor, "*clients weights"],
    cotangents: Float[Tensor, "*clients batch observables"],
    kept: Tensor,
) -> tuple[Float[Tensor, "*clients batch inputs"], Float[Tensor, "*clients weights"]]:
    """Return the gradients Σ_P g_P ∂⟨P⟩ by inputs, and by weights summed over examples.

    Args:
        program: as for ``expectations``.
        x: its inputs; ([clients], batch, inputs).
        w: its weights; ([clients], weights).
        cotangents: the g_P; ([clients], batch, observables).
        kept: from ``expectations`` with the same ``x`` and ``w``, or empty.

    Returns:
        Gradients of the shapes of ``x`` and ``w``.
    """
    if w.ndim == 1:
        by_x, by_w = gradients(program, x[None], w[None], cotangents[None], kept)
        return by_x[0], by_w[0]
    if cotangents.shape[0] * cotangents.shape[1] == 0:
        return torch.zeros_like(x), torch.zeros_like(w)
    made = plan(program, x.dtype, x.device)
    # a tensor of the inference mode stays one until it is copied
    leaves = x.detach().clone().requires_grad_(), w.detach().clone().requires_grad_()
    turns = [quaternions(kind, *leaves) for kind in made.kinds]
    gates = [matrices(turn) for turn in turns]
    halves = _prepared(made, gates)
    constants = [gate.detach() for gate in gates]
    by_halves, by_turns = _revolve(made, constants, kept, cotangents.detach())
    # a turn q becomes (1, δ) q
    along = [product(pad(by, (1, 0)), q.detach()) for by, q in zip(by_turns, turns, strict=True)]
    by_x, by_w = torch.autograd.grad(
        [*halves, *turns], leaves, [*by_halves, *along], materialize_grads=True
    )
    return by_x, by_w


def _evolve(made: Plan, gates: Sequence[Tensor]) -> State:
    """Return the states of the whole circuit."""
    state = _product(_prepared(made, gates))
    for step in made.steps:  # in two lines, as a line's names keep what it started from
        state = _moved(state, step.forth)
        state = _turned(state, _matrix(step, gates))
    return state


def _revolve(
    made: Plan, gates: Sequence[Tensor], kept: Tensor, cotangents: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the gradients by what ``_prepared`` returns, and by all small turns behind runs.

    The latter are left 0 for the runs that prepare a qubit.
    """
    state = kept if kept.numel() else _evolve(made, gates)
    costate = _seed(made, state, cotangents)
    found: list[list[Tensor]] = [[] for _ in gates]
    for step in reversed(made.steps):
        matrix = _matrix(step, gates)
        pairs = _pairs(_rows(state, matrix), _rows(costate, matrix))
        found[step.kind].insert(0, (pairs.flatten(-2) @ step.slopes).real)
        state = _turned(state, matrix.mH)
        state = _moved(state, step.back)
        costate = _turned(costate, matrix.mT)
        costate = _moved(costate, step.back)
    for kind, gate in enumerate(gates):
        none = cotangents.new_zeros(*gate.shape[:2], 3 * made.first.count(kind))
        found[kind].insert(0, none)
    by_turns = [torch.cat(slopes, -1).unflatten(-1, (-1, 3)) for slopes in found]
    return _by_halves(_prepared(made, gates), costate), by_turns


def _pairs(one: Tensor, other: Tensor) -> Tensor:
    """Return Σ ψ_a μ_b over rows, for each matrix."""
    rows = one.shape[2]
    parts = (gcd(rows, 1 << (rows // _ROWS).bit_length()), -1)
    return (one.unflatten(2, parts).mT @ other.unflatten(2, parts)).sum(2)


def _by_halves(halves: list[Tensor], costate: State) -> list[Tensor]:
    """Return the gradients by the factors of a state, as autograd would with more memory."""
    if len(halves) == 1:
        sums = [costate]
    else:
        one, other = halves
        table = costate.unflatten(-1, (one.shape[-1], other.shape[-1]))
        sums = [(table * other[..., None, :]).sum(-1), (table * one[..., :, None]).sum(-2)]
    return [by.sum_to_size(half.shape).conj() for by, half in zip(sums, halves, strict=True)]


def _measure(made: Plan, state: State) -> Tensor:
    """Return the expectation values."""
    values = state.real.new_empty(*state.shape[:2], sum(len(o.numbers) for o in made.observables))
    for some in made.observables:
        overlaps = _moved(state, some.flipped).conj_physical().mul_(state)
        real = overlaps.imag if some.imaginary else overlaps.real
        values.index_copy_(-1, some.numbers, real @ some.signs)
    return values


def _seed(made: Plan, state: State, cotangents: Tensor) -> State:
    """Return the conjugate of the gradient by amplitudes, 2 Σ_P g_P P|state⟩."""
    # examples that are the same have one state
    factors = 2 * cotangents.sum_to_size(*state.shape[:2], cotangents.shape[-1])

    def part(some: Observables) -> Tensor:
        weights = factors.index_select(-1, some.numbers) @ some.signs.mT
        turned = weights * _moved(state, some.flipped)
        return turned * 1j if some.imaginary else turned

    return reduce(Tensor.add_, map(part, made.observables)).conj_physical_()


def _prepared(made: Plan, gates: Sequence[Tensor]) -> list[Tensor]:
    """Return what the first runs make of |0...0⟩, of each half of the qubits if there are two."""
    columns = [iter(gate[..., 0].unbind(2)) for gate in gates]
    qubits = [next(columns[kind]) for kind in made.first]
    half = len(qubits) // 2
    return [_product(some) for some in (qubits[:half], qubits[half:]) if some]


def _product(states: list[Tensor]) -> State:
    if len(states) == 1:
        return states[0]
    half = len(states) // 2
    one, other = _product(states[:half]), _product(states[half:])
    return (one[..., :, None] * other[..., None, :]).flatten(-2)


def _matrix(step: Step, gates: Sequence[Tensor]) -> Tensor:
    """Return the product of the matrices of a step's runs; (clients, examples, m, m)."""

    def join(one: Tensor, other: Tensor) -> Tensor:
        whole = one[..., :, None, :, None] * other[..., None, :, None, :]
        return whole.flatten(-4, -3).flatten(-2)

    return reduce(join, gates[step.kind][:, :, step.first : step.end].unbind(2))


def _moved(state: State, places: Tensor | None) -> State:
    return state if places is None else state.index_select(-1, places)


def _rows(state: State, matrix: Tensor) -> Tensor:
    """Return the amplitudes as rows for each matrix; (clients, matrices, rows, m)."""
    clients, matrices, size, _ = matrix.shape
    if matrices > state.shape[1]:
        state = state.expand(-1, matrices, -1)
    return state.reshape(clients, matrices, -1, size)


def _turned(state: State, matrix: Tensor) -> State:
    rows = _rows(state, matrix) @ matrix.mT
    return rows.reshape(len(state), -1, state.shape[-1])
