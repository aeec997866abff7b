"""The part of a circuit that smaller hardware can execute."""

from dataclasses import replace

from fedqml.core.errors import InputError, require, whole
from fedqml.quantum.circuit import Circuit


def cut(circuit: Circuit, layers: int | None = None, qubits: int | None = None) -> Circuit:
    """Return a circuit without its later layers and without its last qubits.

    Gates of later layers, and those on a qubit that is left out, are left out. What remains reads
    the same inputs and weights as before.

    Args:
        circuit: one whose gates say which layers they belong to, as those of an ansatz do.
        layers: how many layers remain; None for all.
        qubits: how many qubits remain; None for all.

    Returns:
        A circuit with the same observables.

    Raises:
        InputError: if there are fewer layers or qubits, or none, if the circuit has no layers, or
            something is measured on a qubit that would be left out.

    Example:
        >>> from fedqml.quantum.ansatze import rot_cnot
        >>> print(cut(rot_cnot(qubits=3, depth=2), layers=1, qubits=2).draw())
        0: ─╭●──RZ(w0)──RY(w1)──RZ(w2)──
        1: ─╰⊕──RZ(w3)──RY(w4)──RZ(w5)──
    """
    ops, n_qubits = circuit.ops, circuit.n_qubits
    if layers is not None:
        layers = whole("layers", layers, least=1)
        if not circuit.n_layers:
            raise InputError(
                "Argument `layers` needs a circuit whose gates say which layer they belong to, as "
                "those of every ansatz do, but no gate of this one says so: Op(..., layer=0)."
            )
        allowed = f"be at most {circuit.n_layers}, the layers of the circuit"
        require(layers <= circuit.n_layers, "layers", layers, allowed)
        ops = tuple(op for op in ops if op.layer is None or op.layer < layers)
    if qubits is not None:
        n_qubits = whole("qubits", qubits, least=1)
        allowed = f"be at most {circuit.n_qubits}, the qubits of the circuit"
        require(n_qubits <= circuit.n_qubits, "qubits", qubits, allowed)
        last = max((observable.wires[-1] for observable in circuit.observables), default=0)
        measured = ", ".join(map(str, circuit.observables))
        allowed = f"be at least {last + 1}, as the circuit measures {measured}"
        require(last < n_qubits, "qubits", qubits, allowed)
        ops = tuple(op for op in ops if max(op.wires) < n_qubits)
    return replace(circuit, n_qubits=n_qubits, ops=ops)
