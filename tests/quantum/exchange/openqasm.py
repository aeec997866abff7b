"""OpenQASM 3 run by what its specification says: its parser's tree, stdgates.inc as matrices."""

import cmath
import math
import re

import numpy as np
import openqasm3
from openqasm3 import ast


def u(theta, phi, lam):
    """The built-in gate U."""
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    lower = [cmath.exp(1j * phi) * sin, cmath.exp(1j * (phi + lam)) * cos]
    return np.array([[cos, -cmath.exp(1j * lam) * sin], lower])


def control(matrix):
    full = np.eye(4, dtype=complex)
    full[2:, 2:] = matrix
    return full


def rz(angle):
    return cmath.exp(-0.5j * angle) * u(0, 0, angle)


def rx(angle):
    return u(angle, -math.pi / 2, math.pi / 2)


def ry(angle):
    return u(angle, 0, 0)


def p(angle):
    return u(0, 0, angle)


X = np.array([[0, 1], [1, 0]])
Y = np.array([[0, -1j], [1j, 0]])
STDGATES = {
    "p": p,
    "rx": rx,
    "ry": ry,
    "rz": rz,
    "crx": lambda angle: control(rx(angle)),
    "cry": lambda angle: control(ry(angle)),
    "crz": lambda angle: control(rz(angle)),
    "x": lambda: X,
    "y": lambda: Y,
    "z": lambda: p(math.pi),
    "h": lambda: np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "s": lambda: p(math.pi / 2),
    "sdg": lambda: p(-math.pi / 2),
    "t": lambda: p(math.pi / 4),
    "tdg": lambda: p(-math.pi / 4),
    "sx": lambda: np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2,
    "cx": lambda: control(X),
    "cy": lambda: control(Y),
    "cz": lambda: control(p(math.pi)),
    "swap": lambda: np.eye(4)[[0, 2, 1, 3]],
}
OPERATORS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


class Machine:
    """Runs the program; keeps the state at each measurement."""

    def __init__(self, text, inputs):
        self.numbers, self.gates, self.measured = dict(inputs), {}, {}
        for statement in openqasm3.parse(text).statements:
            self.do(statement)
        comments = re.findall(r"// (.+) = \(-1\)\^\((.+)\)", text)
        self.values = {word: self.mean(bits) for word, bits in comments}

    def do(self, statement):
        match statement:
            case ast.Include():
                assert statement.filename == "stdgates.inc"
            case ast.IODeclaration():
                assert statement.identifier.name in self.numbers
            case ast.QuantumGateDefinition():
                self.gates[statement.name.name] = statement
            case ast.QubitDeclaration():
                self.n = statement.size.value
            case ast.ClassicalDeclaration():
                assert statement.type.size.value == self.n
            case ast.QuantumReset():
                assert statement.qubits.name == "q"
                self.state = np.zeros((2,) * self.n, dtype=complex)
                self.state[(0,) * self.n] = 1
            case ast.QuantumGate():
                self.gate(statement, self.numbers, lambda qubit: self.index(qubit))
            case ast.QuantumMeasurementStatement():
                target = f"{statement.target.name.name}[{self.index(statement.target)}]"
                self.measured[target] = self.index(statement.measure.qubit), self.state
            case _:
                raise AssertionError(statement)

    def gate(self, call, numbers, place):
        angles = [self.number(argument, numbers) for argument in call.arguments]
        wires = [place(qubit) for qubit in call.qubits]
        if call.name.name in self.gates:
            definition = self.gates[call.name.name]
            inner = dict(zip((a.name for a in definition.arguments), angles, strict=True))
            names = dict(zip((q.name for q in definition.qubits), wires, strict=True))
            for part in definition.body:
                self.gate(part, inner, lambda qubit: names[qubit.name])
            return
        matrix = STDGATES[call.name.name](*angles)
        for modifier in call.modifiers:
            assert modifier.modifier == ast.GateModifierName.inv
            matrix = matrix.conj().T
        count = len(wires)
        matrix = matrix.reshape((2,) * (2 * count))
        state = np.tensordot(matrix, self.state, (range(count, 2 * count), wires))
        self.state = np.moveaxis(state, range(count), wires)

    def number(self, expression, numbers):
        match expression:
            case ast.Identifier(name="pi"):
                return math.pi
            case ast.Identifier():
                return numbers[expression.name]
            case ast.FloatLiteral() | ast.IntegerLiteral():
                return expression.value
            case ast.UnaryExpression():
                assert expression.op.name == "-"
                return -self.number(expression.expression, numbers)
            case ast.BinaryExpression():
                sides = (self.number(e, numbers) for e in (expression.lhs, expression.rhs))
                return OPERATORS[expression.op.name](*sides)
            case ast.FunctionCall():
                assert expression.name.name == "arctan"
                return math.atan(self.number(expression.arguments[0], numbers))
        raise AssertionError(expression)

    def index(self, qubit):
        return qubit.indices[0][0].value

    def mean(self, bits):
        """(-1)^(sum of the bits), averaged over the outcomes."""
        qubits, states = zip(*(self.measured[bit] for bit in bits.split(" + ")), strict=True)
        assert all(np.array_equal(state, states[0]) for state in states)
        outcomes = np.abs(states[0]) ** 2
        for qubit in qubits:
            signs = np.array([1.0, -1.0]).reshape([-1 if q == qubit else 1 for q in range(self.n)])
            outcomes = outcomes * signs
        return outcomes.sum()
