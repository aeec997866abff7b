import math

from hypothesis import given

from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings

from .strategies import circuits, some

PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=1)).measure("Z0", "Z1")


def test_the_papers_circuit():
    assert PAPER.draw().split("\n") == [
        "0: ──H──RY(atan x0)──RZ(atan x0²)─╭●───────╭⊕──RZ(w0)──RY(w1)───RZ(w2)───┤ ⟨Z⟩",
        "1: ──H──RY(atan x1)──RZ(atan x1²)─╰⊕─╭●────│───RZ(w3)──RY(w4)───RZ(w5)───┤ ⟨Z⟩",
        "2: ──H──RY(atan x2)──RZ(atan x2²)────╰⊕─╭●─│───RZ(w6)──RY(w7)───RZ(w8)───┤",
        "3: ──H──RY(atan x3)──RZ(atan x3²)───────╰⊕─╰●──RZ(w9)──RY(w10)──RZ(w11)──┤",
    ]


def test_a_long_circuit_goes_on_below():
    assert PAPER.draw(width=50).split("\n") == [
        "0: ──H──RY(atan x0)──RZ(atan x0²)─╭●───────╭⊕─",
        "1: ──H──RY(atan x1)──RZ(atan x1²)─╰⊕─╭●────│──",
        "2: ──H──RY(atan x2)──RZ(atan x2²)────╰⊕─╭●─│──",
        "3: ──H──RY(atan x3)──RZ(atan x3²)───────╰⊕─╰●─",
        "",
        "0: ──RZ(w0)──RY(w1)───RZ(w2)───┤ ⟨Z⟩",
        "1: ──RZ(w3)──RY(w4)───RZ(w5)───┤ ⟨Z⟩",
        "2: ──RZ(w6)──RY(w7)───RZ(w8)───┤",
        "3: ──RZ(w9)──RY(w10)──RZ(w11)──┤",
    ]


def test_every_kind_of_symbol():
    circuit = Circuit(
        4,
        (
            Op("h", (0,)),
            Op("cx", (3, 0)),
            Op("crx", (0, 2), 0.5 * Angle.weight(1) + 1.0),
            Op("swap", (0, 1)),
            Op("rxx", (1, 3), Angle.constant(-math.pi / 4)),
            Op("sxdg", (2,)),
        ),
    ).measure("X0 Z1 Y3", "Z2", "Z0")
    assert circuit.draw().split("\n") == [
        "0: ──H─╭⊕─╭●────────────╭×──────────────────┤╭⟨X⊗Z⊗Y⟩  ⟨Z⟩",
        "1: ────│──│─────────────╰×─╭RXX(-π/4)───────┤├⟨X⊗Z⊗Y⟩",
        "2: ────│──╰RX(0.5·w1+1)────│───────────√X†──┤│         ⟨Z⟩",
        "3: ────╰●──────────────────╰RXX(-π/4)───────┤╰⟨X⊗Z⊗Y⟩",
    ]


def test_wire_numbers_are_aligned_and_an_empty_circuit_has_wires():
    lines = Circuit(11, ()).draw().split("\n")
    assert lines[0] == " 0: ──"
    assert lines[10] == "10: ──"


@some
@given(circuits())
def test_every_gate_and_observable_is_drawn_once_per_wire(circuit):
    text = circuit.draw(width=10**6)
    lines = text.split("\n")
    assert len(lines) == circuit.n_qubits
    for wire, line in enumerate(lines):
        gates = [
            op.definition.symbols[op.wires.index(wire)] for op in circuit.ops if wire in op.wires
        ]
        wire_part, meter_part = line.split("┤")
        rest = wire_part
        for symbol in gates:  # in the order of time
            rest = rest[rest.index(symbol) + len(symbol) :]
        assert meter_part.count("⟨") == sum(wire in word.wires for word in circuit.observables)


@some
@given(circuits())
def test_blocks_keep_to_the_width(circuit):
    widest = max((len(op.label) for op in circuit.ops), default=0)
    width = max(widest + 20, 40)
    blocks = circuit.draw(width=width).split("\n\n")
    assert all(len(block.split("\n")) == circuit.n_qubits for block in blocks)
    assert all(len(line) <= width for block in blocks for line in block.split("\n"))
