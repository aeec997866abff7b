"""The exact simulation of state vectors by compiled code, or by PyTorch's operations."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.choices import require_choice
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.device import Device
from fedqml.quantum.native.functions import expectations, is_forward, plain
from fedqml.quantum.native.operators import compiled
from fedqml.quantum.native.program import compile


def statevector(gradient: Literal["adjoint", "backprop"] = "adjoint") -> Device:
    """Return the device for exact expectation values, the default.

    Circuits are compiled at first use: gates without influence on the observables are left out (the
    gradients of their angles are exactly 0), neighbouring gates on a qubit become one, and
    controlled NOTs cost nothing. On a CPU, with llvmlite installed, compiled kernels evaluate all
    examples, and all clients mapped by ``torch.vmap``, in one call, and their gradients by the
    adjoint method: memory for a few states of as many examples as fit in a vector register,
    whatever the depth. Where that is quicker, as for most circuits of low depth, they do without
    states, and then more than 26 qubits are allowed. The same numbers result whatever the number of
    threads, and for an example or a client alone as among others; only maps that PyTorch computes
    may differ in their last bits.

    On GPUs and without llvmlite, PyTorch's own operations do the same for all examples of all
    clients at once, in memory for less than five states of each whatever the depth, or less than
    four where a call's states take more than 256 MiB, and tables that all share: some numbers an
    amplitude for each layer that differs and each observable. The numbers are the same up to
    rounding.
    Forward derivatives and those of higher order are PyTorch's, gate by gate, with all states in
    memory. Leave TF32 off on GPUs, as it is by default (``torch.backends.cuda.matmul.allow_tf32``):
    products of matrices keep three digits with it.

    Args:
        gradient: ``"adjoint"`` as above, or ``"backprop"`` for PyTorch's own derivatives always:
            the same numbers up to rounding, with the states after all gates kept in memory.

    Returns:
        The device, a function that can be pickled.

    Raises:
        InputError: if there is no such way to a gradient.

    Example:
        >>> import torch
        >>> from fedqml.quantum.encodings import arctan
        >>> circuit = arctan(qubits=2, hadamard=False).measure("Z0", "Z1", "Z0 Z1")
        >>> x = torch.tensor([[0.0, 1.0]])  # ⟨Z⟩ = cos arctan x = 1/√(1 + x²)
        >>> statevector()(circuit, x, torch.zeros(0))
        tensor([[1.0000, 0.7071, 0.7071]])

    Source:
        Jones and Gacon, Efficient calculation of gradients in classical simulations of
        variational quantum algorithms, arXiv:2009.02823, algorithm 1 (adjoint method).
        Markov and Shi, Simulating quantum computation by contracting tensor networks,
        arXiv:quant-ph/0511069, section 3 (without states).
    """
    require_choice("gradient", gradient, ("adjoint", "backprop"))
    return Device(evaluate if gradient == "adjoint" else _evaluate_plainly)


def or_statevector(device: object) -> Device:
    """Return the device that an optional argument means.

    Args:
        device: a device; None for ``statevector``.

    Returns:
        The device.

    Raises:
        InputError: if it is something else.

    Example:
        >>> or_statevector(None) == statevector()
        True
    """
    if device is None:
        return statevector()
    allowed = "be a device, such as fedqml.devices.density()"
    require(isinstance(device, Device), "device", device, allowed)
    assert isinstance(device, Device), "just checked"
    return device


def evaluate(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Float[Tensor, "*batch observables"]:
    """Return what ``simulate`` of the reference does, with the same arguments and shapes.

    Raises:
        InputError: if there are more than 26 qubits with influence, and states are needed.
    """
    program = compile(circuit)
    if program.tape is None or is_forward(x, w):
        return plain(program, x, w)
    if program.columns is None if compiled(x) else not program.linear:
        # PyTorch computes the maps, and the rest has only the identity
        return evaluate(program.circuit, *program.read(x, w))
    if x.ndim == 2:
        return expectations(program, x, w)
    batch = x.shape[:-1]
    values = expectations(program, x.reshape(batch.numel(), x.shape[-1]), w)
    return values.reshape(*batch, values.shape[-1])


def _evaluate_plainly(
    circuit: Circuit, x: Float[Tensor, "*batch inputs"], w: Float[Tensor, " weights"]
) -> Float[Tensor, "*batch observables"]:
    return plain(compile(circuit), x, w)
