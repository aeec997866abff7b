"""How far a circuit's state moves when a weight does."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from fedqml.quantum.circuit import Circuit
from fedqml.quantum.devices.reference import apply, state_vectors, states
from fedqml.quantum.gates import Rotation
from fedqml.quantum.operation import Op


def fubini_study_diagonal(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Float[Tensor, "*batch weights"]:
    """Return the diagonal of the Fubini-Study metric, a quarter of the quantum Fisher information.

    ``g_j = <d_j psi|d_j psi> - |<psi|d_j psi>|^2`` of the state before any measurement. It is exact
    and without noise. For a weight that turns one gate, ``exp(-i s w_j G)``, it is s^2 times the
    variance of G behind the gate, and one pass through the circuit serves all of them; others take
    a derivative of the state vector each.

    Args:
        circuit: its gates are meant; it need not measure anything.
        x: the inputs, one row an example, no unit; (*batch, inputs).
        w: the weights, radians; (weights,).

    Returns:
        (*batch, weights), at least 0; 1/4 for a weight that alone turns a qubit about an axis on
        whose equator its state lies.

    Raises:
        InputError: if there are more than 26 qubits.

    Example:
        >>> from fedqml.quantum.operation import Op
        >>> from fedqml.quantum.angle import Angle
        >>> ops = (Op("ry", (0,), Angle.weight(0)), Op("rz", (0,), Angle.weight(1)))
        >>> none = torch.zeros(0)
        >>> fubini_study_diagonal(Circuit(1, ops), none, torch.tensor([torch.pi / 6, 0.0]))
        tensor([0.2500, 0.0625])

    Source:
        Stokes, Izaac, Killoran and Carleo, Quantum natural gradient, arXiv:1909.02108, section 2.
    """
    turns = _turns(circuit)
    others = sorted({j for op in circuit.ops if op.angle for j in op.angle.weights} - set(turns))
    metric = [w.new_zeros(x.shape[:-1])] * len(w)
    behind = iter(states(circuit, x, w))
    next(behind)  # before the first gate
    turned = {number for number, _ in turns.values()}
    variances = {
        number: _variance(op, state, circuit.n_qubits).expand(x.shape[:-1])
        for number, (op, state) in enumerate(zip(circuit.ops, behind, strict=True))
        if number in turned
    }
    for weight, (number, rate) in turns.items():
        metric[weight] = rate**2 * variances[number]
    if others:
        for weight, found in zip(others, _of_derivatives(circuit, others, x, w), strict=True):
            metric[weight] = found
    return torch.stack(metric, -1).clamp(min=0)


def _turns(circuit: Circuit) -> dict[int, tuple[int, float]]:
    """Return those weights that turn one gate at a constant rate: the gate's number, and the rate.

    Gates behind it are unitary: they change neither the length of the state's derivative nor its
    product with the state.
    """
    found: dict[int, list[tuple[int, float | None]]] = {}
    for number, op in enumerate(circuit.ops):
        for term in op.angle.terms if op.angle else ():
            linear = term.map == "identity" and not term.inputs
            for weight in term.weights:
                found.setdefault(weight, []).append((number, term.scale if linear else None))
    return {
        weight: (own[0][0], own[0][1])
        for weight, own in found.items()
        if len(own) == 1 and own[0][1] is not None
    }


def _variance(op: Op, state: Complex[Tensor, "..."], n: int) -> Float[Tensor, "*batch"]:
    """Return <G^2> - <G>^2 of a gate's generator."""
    assert isinstance(op.definition, Rotation), "only rotations have angles"
    generator = torch.tensor(op.definition.generator, dtype=state.dtype, device=state.device)
    moved = apply(generator, op.wires, state, n)
    mean = (state.conj() * moved).real.flatten(-n).sum(-1)
    return moved.abs().square().flatten(-n).sum(-1) - mean.square()


def _of_derivatives(circuit: Circuit, weights: list[int], x: Tensor, w: Tensor) -> Tensor:
    """Return the same of weights that move the state in several places, or unevenly.

    Returns:
        (weights, *batch).
    """
    chosen = torch.tensor(weights, device=w.device)

    def parts(some: Tensor) -> Tensor:
        return torch.view_as_real(state_vectors(circuit, x, w.index_copy(0, chosen, some)))

    state = state_vectors(circuit, x, w)
    slopes = torch.func.jacfwd(parts)(w.index_select(0, chosen)).movedim(-1, 0).contiguous()
    moved = torch.view_as_complex(slopes)
    along = (state.conj() * moved).sum(-1)
    return moved.abs().square().sum(-1) - along.abs().square()
