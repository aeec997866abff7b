"""Arithmetic with the numbers of a kernel, as Python and NumPy do it, but without checks.

Integers have 64 bits, and sums and differences of theirs must not leave them. A sum of an integer
and a float, or of two floats of different precision, is a float64. Vectors go with vectors of the
same kind only.
"""

import ast
import operator
from typing import Any

from llvmlite import ir

from fedqml.quantum.native.compiler.values import DOUBLE, INTEGER, SINGLE, TRUTH, number

# A product and a sum of vectors may be rounded once instead of twice; nothing is ever reordered.
_FUSED = ("contract",)
_SCALARS = {TRUTH, INTEGER, SINGLE, DOUBLE}
_STATIC: dict[type[ast.AST], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_OF_INTEGERS = {
    ast.Add: "add",
    ast.Sub: "sub",
    ast.Mult: "mul",
    ast.LShift: "shl",
    ast.RShift: "ashr",
    ast.BitAnd: "and_",
    ast.BitOr: "or_",
    ast.BitXor: "xor",
}
_OF_FLOATS = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_COMPARED = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def convert(builder: Any, value: Any, kind: Any) -> Any:
    """Return a number as one of another kind; a truth is 0 or 1."""
    value = number(value)
    if value.type == kind:
        return value
    assert {value.type, kind} <= _SCALARS, f"{value.type} cannot become {kind}"
    if kind == TRUTH:
        return compare(builder, ast.NotEq(), value, 0)
    if value.type == TRUTH:
        return convert(builder, builder.zext(value, INTEGER), kind)
    if value.type == INTEGER:
        return builder.sitofp(value, kind)
    if kind == INTEGER:
        return builder.fptosi(value, kind)
    return builder.fpext(value, kind) if kind == DOUBLE else builder.fptrunc(value, kind)


def binary(builder: Any, operation: ast.operator, left: Any, right: Any) -> Any:
    """Return what an operation makes of two numbers."""
    which = type(operation)
    if not isinstance(left, ir.Value) and not isinstance(right, ir.Value):
        return _STATIC[which](left, right)
    left, right = number(left), number(right)
    if isinstance(left.type, ir.VectorType):
        assert left.type == right.type, "vectors go with vectors of their kind"
        return getattr(builder, _OF_FLOATS[which])(left, right, flags=_FUSED)
    left, right = _alike(builder, left, right, least=DOUBLE if which is ast.Div else INTEGER)
    if left.type != INTEGER:
        return getattr(builder, _OF_FLOATS[which])(left, right)
    if which is ast.FloorDiv:
        return _divide(builder, left, right)
    if which is ast.Mod:
        return _remainder(builder, left, right)
    # no wrapping of sums: LLVM then knows more of addresses
    flags = ("nsw",) if which in (ast.Add, ast.Sub) else ()
    return getattr(builder, _OF_INTEGERS[which])(left, right, flags=flags)


def compare(builder: Any, operation: ast.cmpop, left: Any, right: Any) -> Any:
    """Return whether two numbers compare as stated."""
    which = type(operation)
    if not isinstance(left, ir.Value) and not isinstance(right, ir.Value):
        return _STATIC[which](left, right)
    left, right = _alike(builder, number(left), number(right), least=TRUTH)
    sign = _COMPARED[which]
    if left.type in (INTEGER, TRUTH):
        return builder.icmp_signed(sign, left, right)
    # what is no number is unequal to all, and else compares as nothing
    ways = builder.fcmp_unordered if which is ast.NotEq else builder.fcmp_ordered
    return ways(sign, left, right)


def negative(builder: Any, value: Any) -> Any:
    """Return -a."""
    if not isinstance(value, ir.Value):
        return -value
    if isinstance(value.type, ir.VectorType) or value.type in (SINGLE, DOUBLE):
        return builder.fneg(value)
    return builder.neg(convert(builder, value, INTEGER))


def least(builder: Any, left: Any, right: Any) -> Any:
    """Return the smaller of two numbers."""
    if not isinstance(left, ir.Value) and not isinstance(right, ir.Value):
        return min(left, right)
    left, right = _alike(builder, number(left), number(right), least=INTEGER)
    return builder.select(compare(builder, ast.Lt(), right, left), right, left)


def common(one: Any, other: Any) -> Any:
    """Return the simplest kind that has the numbers of both."""
    if one == other:
        return one
    kinds = {one, other}
    assert kinds <= _SCALARS, f"{one} and {other} have nothing in common"
    if DOUBLE in kinds or kinds == {SINGLE, INTEGER}:
        return DOUBLE
    return SINGLE if SINGLE in kinds else INTEGER


def _alike(builder: Any, left: Any, right: Any, least: Any) -> tuple[Any, Any]:
    """Return both as numbers of one kind, and of no simpler one than asked."""
    kind = common(left.type, right.type)
    kind = kind if kind in (SINGLE, DOUBLE) else common(kind, least)
    return convert(builder, left, kind), convert(builder, right, kind)


def _power(value: Any) -> int | None:
    """Return of which power of two a constant is, if it is."""
    known = value.constant if isinstance(value, ir.Constant) else 0
    return known.bit_length() - 1 if known > 0 and known & (known - 1) == 0 else None


def _divide(builder: Any, left: Any, right: Any) -> Any:
    power = _power(right)
    if power is not None:
        return builder.ashr(left, INTEGER(power))
    down = builder.zext(_other_side(builder, builder.srem(left, right), right), INTEGER)
    return builder.sub(builder.sdiv(left, right), down)


def _remainder(builder: Any, left: Any, right: Any) -> Any:
    power = _power(right)
    if power is not None:
        return builder.and_(left, INTEGER((1 << power) - 1))
    rest = builder.srem(left, right)
    other = builder.select(_other_side(builder, rest, right), right, INTEGER(0))
    return builder.add(rest, other)


def _other_side(builder: Any, rest: Any, right: Any) -> Any:
    """Return whether LLVM's remainder, which has the sign of the left, is not Python's."""
    signs = builder.icmp_signed("<", builder.xor(rest, right), INTEGER(0))
    return builder.and_(signs, builder.icmp_signed("!=", rest, INTEGER(0)))
