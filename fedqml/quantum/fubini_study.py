"""How far a circuit's state moves when a weight does."""

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.quantum.circuit import Circuit
from fedqml.quantum.devices.reference import state_vectors


def fubini_study_diagonal(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Float[Tensor, "*batch weights"]:
    """Return the diagonal of the Fubini-Study metric, a quarter of the quantum Fisher information.

    ``g_j = <d_j psi|d_j psi> - |<psi|d_j psi>|^2`` of the state before any measurement. It is exact
    and without noise, from a derivative of the state vector for every weight.

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

    def parts(w: Tensor) -> Tensor:
        return torch.view_as_real(state_vectors(circuit, x, w))

    state = state_vectors(circuit, x, w)
    moved = torch.view_as_complex(torch.func.jacfwd(parts)(w).movedim(-1, 0).contiguous())
    along = (state.conj() * moved).sum(-1)
    squared = moved.abs().square().sum(-1) - along.abs().square()
    return squared.clamp(min=0).movedim(0, -1)
