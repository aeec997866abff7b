"""A circuit as a program in OpenQASM 3."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.quantum.angle import Angle, Term
from fedqml.quantum.circuit import Circuit
from fedqml.quantum.maps import MAPS
from fedqml.quantum.pauli import Pauli, measurement_settings

_NAMES = {"phase": "p", "sxdg": "inv @ sx"}
"""The names of gates of stdgates.inc that differ from ours."""

_DEFINITIONS = {
    "rxx": "h a; h b; cx a, b; rz(theta) b; cx a, b; h a; h b;",
    "ryy": "sx a; sx b; cx a, b; rz(theta) b; cx a, b; inv @ sx a; inv @ sx b;",
    "rzz": "cx a, b; rz(theta) b; cx a, b;",
}
"""The gates that stdgates.inc lacks."""

_MAPS = {
    "identity": "{}",
    "arctan": "arctan({})",
    "arctan_square": "arctan({0} * {0})",
}
"""The maps of one number as expressions."""

_FACTORS = {"product": "{}", "complement_product": "(pi - {})"}
"""The factors of maps that multiply."""

_BASES = {"X": ("h",), "Y": ("sdg", "h"), "Z": ()}
"""The gates that turn the eigenvectors of a letter into those of Z."""


def to_openqasm(
    circuit: Circuit,
    x: Float[Tensor, " inputs"] | None = None,
    w: Float[Tensor, " weights"] | None = None,
) -> str:
    """Return a program that runs the circuit once for each setting its observables need.

    Every setting begins anew with qubits in |0...0> and ends with the measurement of all qubits of
    its Pauli words, in the basis of their letters. Comments say how the words' values follow from
    the bits.

    Args:
        circuit: what to run.
        x: the inputs of one example, no unit; (inputs,). None to leave them open, as inputs
            ``x0``, ``x1``, ... of the program.
        w: the weights, radians; (weights,). None to leave them open, as ``w0``, ``w1``, ...

    Returns:
        The text of the program.

    Raises:
        InputError: if ``x`` or ``w`` has another length, or the map of an open value has no form in
            OpenQASM.

    Example:
        >>> from fedqml.quantum.encodings import arctan
        >>> print(to_openqasm(arctan(qubits=1).measure("X0"), w=torch.zeros(0)))
        OPENQASM 3.0;
        include "stdgates.inc";
        input float[64] x0;
        qubit[1] q;
        bit[1] c0;
        <BLANKLINE>
        reset q;
        h q[0];
        ry(arctan(x0)) q[0];
        rz(arctan(x0 * x0)) q[0];
        h q[0];
        c0[0] = measure q[0];
        // X0 = (-1)^(c0[0])
        <BLANKLINE>

    Source:
        Cross et al., OpenQASM 3: a broader and deeper quantum assembly language, arXiv:2104.14722.
    """
    names = _values("x", x, circuit.n_inputs) + _values("w", w, circuit.n_weights)
    settings = measurement_settings(circuit.observables)
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";']
    lines += [f"input float[64] {name};" for name in names if name[0] in "xw"]
    used = {op.gate for op in circuit.ops}
    lines += [f"gate {g}(theta) a, b {{ {text} }}" for g, text in _DEFINITIONS.items() if g in used]
    lines += [f"qubit[{circuit.n_qubits}] q;"]
    lines += [f"bit[{circuit.n_qubits}] c{number};" for number in range(len(settings))]

    body = [
        _apply(
            _NAMES.get(op.gate, op.gate),
            op.wires,
            "" if op.angle is None else f"({_expression(op.angle, names, circuit.n_inputs)})",
        )
        for op in circuit.ops
    ]
    # a circuit that measures nothing is run once
    blocks = [_measure(circuit, group, f"c{k}") for k, group in enumerate(settings)] or [[]]
    for block in blocks:
        lines += ["", "reset q;", *body, *block]
    return "\n".join(lines) + "\n"


def _values(kind: str, values: Tensor | None, count: int) -> list[str]:
    """Return the inputs or weights as expressions: names or numbers."""
    if values is None:
        return [f"{kind}{number}" for number in range(count)]
    require(values.shape == (count,), f"{kind}.shape", tuple(values.shape), f"be ({count},)")
    return [repr(value) for value in values.tolist()]


def _apply(gate: str, wires: Sequence[int], angle: str = "") -> str:
    return f"{gate}{angle} {', '.join(f'q[{wire}]' for wire in wires)};"


def _expression(angle: Angle, names: list[str], n_inputs: int) -> str:
    summands = [_summand(term, names, n_inputs) for term in angle.terms]
    if angle.offset != 0 or not summands:
        summands.append(repr(angle.offset))
    return " + ".join(summands)


def _summand(term: Term, names: list[str], n_inputs: int) -> str:
    chosen = [names[i] for i in term.inputs] + [names[n_inputs + j] for j in term.weights]
    bound = [name for name in chosen if name[0] not in "xw"]
    if len(bound) == len(chosen):
        numbers = torch.tensor([float(name) for name in bound], dtype=torch.float64)
        return repr(term.scale * float(MAPS[term.map].apply(numbers)))
    if term.map in _FACTORS:
        value = " * ".join(_FACTORS[term.map].format(name) for name in chosen)
    else:
        allowed = f"be one of {', '.join([*_MAPS, *_FACTORS])} unless `x` and `w` are given"
        require(term.map in _MAPS, "map", term.map, allowed)
        value = _MAPS[term.map].format(*chosen)
    return value if term.scale == 1 else f"{term.scale!r} * {value}"


def _measure(circuit: Circuit, group: Sequence[int], bits: str) -> list[str]:
    words = [circuit.observables[place] for place in group]
    bases = {q: a for word in words for q, a in zip(word.wires, word.letters, strict=True)}
    lines = [_apply(gate, (q,)) for q, a in sorted(bases.items()) for gate in _BASES[a]]
    lines += [f"{bits}[{qubit}] = measure q[{qubit}];" for qubit in sorted(bases)]
    return lines + [f"// {word} = (-1)^({_sum(word, bits)})" for word in words]


def _sum(word: Pauli, bits: str) -> str:
    return " + ".join(f"{bits}[{qubit}]" for qubit in word.wires)
