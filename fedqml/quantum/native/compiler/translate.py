"""From the source of a kernel to LLVM's language.

Kernels are written in the part of Python that has only numbers and arrays: assignments, loops over
``range`` and while a condition holds, conditions, and calls. What a kernel calls becomes part of
it: other functions of this kind, and primitives, which write LLVM's instructions themselves.
There are no checks at run time: an index must lie in its array, and must not be negative.
"""

import ast
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial, reduce
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir

from fedqml.quantum.native.compiler import arithmetic
from fedqml.quantum.native.compiler.source import Source, source
from fedqml.quantum.native.compiler.values import (
    BYTE,
    DOUBLE,
    INTEGER,
    POINTER,
    SINGLE,
    TRUTH,
    Array,
    Record,
    address,
    in_memory,
    leaves,
    number,
    rebuild,
)


def primitive(emit: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function one that kernels can call: it gets LLVM's builder and the arguments."""
    emit.primitive = True  # type: ignore[attr-defined]
    return emit


def translate(function: FunctionType, like: Any, name: str) -> str:
    """Return a kernel in LLVM's language.

    Args:
        function: returns nothing; its first argument is an array of the type of number that it is
            compiled for, the others are integers when it runs: numbers and addresses.
        like: that array.
        name: what the result is to be called, a function of the address of these integers.
    """
    module = ir.Module()
    compiled = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER]), name)
    compiled.attributes.add("nounwind")
    memory = ir.IRBuilder(compiled.append_basic_block())
    builder = ir.IRBuilder(compiled.append_basic_block())
    first = builder.block
    count = len(source(function).parameters) - 1
    given = Array(compiled.args[0], (count,), np.dtype(np.int64))
    places = (address(builder, given, number) for number in range(count))
    arguments = [builder.load(place, typ=INTEGER) for place in places]
    _Translation(builder, memory).call(function, [like, *arguments])
    builder.ret_void()
    memory.branch(first)
    return str(module)


@dataclass
class _Frame:
    """What a function's names stand for while its body is translated.

    Args:
        source: the function.
        known: names that stand for one thing only.
        slots: those that are variables: memory for each of its values, and something like it.
        result: likewise for what it returns, once it did.
        end: where it goes when it returns.
        following: where each of the loops around goes when it continues.
    """

    source: Source
    known: dict[str, Any] = field(default_factory=dict)
    slots: dict[str, tuple[list[Any], Any]] = field(default_factory=dict)
    result: tuple[list[Any], Any] | None = None
    end: Any = None
    following: list[Any] = field(default_factory=list)


class _Translation:
    """The translation of a kernel, of one function after the other."""

    def __init__(self, builder: Any, memory: Any) -> None:
        self.builder, self.memory = builder, memory
        self.frame = _Frame(Source([], [], frozenset(), {}, False))

    # functions

    def call(self, function: Any, arguments: list[Any]) -> Any:
        """Translate a call, and return what it returns."""
        if hasattr(function, "primitive"):
            return function(self.builder, *arguments)
        if function in _KNOWN:
            return _KNOWN[function](self.builder, *arguments)
        if not isinstance(function, FunctionType):
            return function(*arguments)  # of Python: a tuple with names
        own, around = source(function), self.frame
        assert len(arguments) == len(own.parameters), f"{function.__name__} takes others"
        self.frame = frame = _Frame(own)
        for name, argument in zip(own.parameters, arguments, strict=True):
            self._bind(name, argument)
        if own.early:
            frame.end = self.builder.append_basic_block()
        found = self._run(own.body)
        if own.early:
            self._go(frame.end)
            self.builder.position_at_start(frame.end)
            found = self._read(*frame.result) if frame.result else None
        self.frame = around
        return found

    def _run(self, statements: Iterable[ast.stmt]) -> Any:
        found = None
        for statement in statements:
            found = _STATEMENTS[type(statement)](self, statement)
            if self.builder.block.is_terminated:
                break
        return found

    def _go(self, block: Any) -> None:
        if not self.builder.block.is_terminated:
            self.builder.branch(block)

    # names

    def _bind(self, name: str, value: Any) -> None:
        frame = self.frame
        if name in frame.source.once:
            frame.known[name] = value
            return
        if name not in frame.slots:
            frame.slots[name] = self._slots(value)
        self._write(frame.slots[name], value)

    def _slots(self, value: Any) -> tuple[list[Any], Any]:
        return [self.memory.alloca(leaf.type) for leaf in leaves(value)], value

    def _write(self, slots: tuple[list[Any], Any], value: Any) -> None:
        for slot, leaf in zip(slots[0], leaves(value), strict=True):
            self.builder.store(arithmetic.convert(self.builder, leaf, slot.allocated_type), slot)

    def _read(self, slots: list[Any], alike: Any) -> Any:
        values = (self.builder.load(slot, typ=slot.allocated_type) for slot in slots)
        return rebuild(alike, values)

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._bind(target.id, value)
        elif isinstance(target, ast.Tuple):
            for each, part in zip(target.elts, value, strict=True):
                self._assign(each, part)
        else:
            assert isinstance(target, ast.Subscript), "nothing else can be assigned to"
            array, place = self._entry(target)
            kind = in_memory(array.dtype)
            if kind in (SINGLE, DOUBLE):
                value = arithmetic.convert(self.builder, value, kind)
            else:
                value = arithmetic.convert(self.builder, value, INTEGER)
                value = value if kind == INTEGER else self.builder.trunc(value, kind)
            self.builder.store(value, place)

    # statements

    def _assignment(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self._assign(target, value)

    def _addition(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            before = self._name(node.target)
        else:
            before = self._subscript(node.target)
        value = arithmetic.binary(self.builder, node.op, before, self.value(node.value))
        self._assign(node.target, value)

    def _expression(self, node: ast.Expr) -> None:
        self.value(node.value)

    def _condition(self, node: ast.If) -> None:
        test = self._truth(node.test)
        if not isinstance(test, ir.Value):
            self._run(node.body if test else node.orelse)
            return
        then, other, end = (self.builder.append_basic_block() for _ in range(3))
        self.builder.cbranch(test, then, other)
        for block, statements in ((then, node.body), (other, node.orelse)):
            self.builder.position_at_start(block)
            self._run(statements)
            self._go(end)
        self.builder.position_at_start(end)

    def _loop(self, node: ast.For) -> None:
        assert isinstance(node.iter, ast.Call), "loops are over range"
        assert self.value(node.iter.func) is range, "loops are over range"
        bounds = [self.value(each) for each in node.iter.args]
        start, stop, step = (0, *bounds, 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        assert isinstance(step, int), "steps are known before"
        stop = arithmetic.convert(self.builder, stop, INTEGER)
        slot = self.memory.alloca(INTEGER)
        self.builder.store(arithmetic.convert(self.builder, start, INTEGER), slot)

        def test() -> Any:
            ahead = ast.Lt() if step > 0 else ast.Gt()
            here = self.builder.load(slot, typ=INTEGER)
            return arithmetic.compare(self.builder, ahead, here, stop)

        def advance() -> None:
            here = self.builder.load(slot, typ=INTEGER)
            self.builder.store(self.builder.add(here, INTEGER(step), flags=("nsw",)), slot)

        def begin() -> None:
            self._assign(node.target, self.builder.load(slot, typ=INTEGER))

        self._repeat(test, begin, node.body, advance)

    def _while(self, node: ast.While) -> None:
        def nothing() -> None:
            pass

        self._repeat(lambda: self._truth(node.test), nothing, node.body, nothing)

    def _repeat(
        self,
        test: Callable[[], Any],
        begin: Callable[[], None],
        statements: list[ast.stmt],
        advance: Callable[[], None],
    ) -> None:
        head, body, following, end = (self.builder.append_basic_block() for _ in range(4))
        self.builder.branch(head)
        self.builder.position_at_start(head)
        self.builder.cbranch(test(), body, end)
        self.builder.position_at_start(body)
        begin()
        self.frame.following.append(following)
        self._run(statements)
        self.frame.following.pop()
        self._go(following)
        self.builder.position_at_start(following)
        advance()
        self.builder.branch(head)
        self.builder.position_at_start(end)

    def _continue(self, node: ast.Continue) -> None:
        self.builder.branch(self.frame.following[-1])

    def _return(self, node: ast.Return) -> Any:
        value = self.value(node.value) if node.value else None
        frame = self.frame
        if not frame.source.early:
            return value
        if value is not None:
            frame.result = frame.result or self._slots(value)
            self._write(frame.result, value)
        self.builder.branch(frame.end)
        return None

    # expressions

    def value(self, node: ast.expr) -> Any:
        """Translate an expression."""
        return _EXPRESSIONS[type(node)](self, node)

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _name(self, node: ast.Name) -> Any:
        frame = self.frame
        if node.id in frame.known:
            return frame.known[node.id]
        if node.id in frame.slots:
            return self._read(*frame.slots[node.id])
        return frame.source.names[node.id]

    def _tuple(self, node: ast.Tuple) -> Any:
        return tuple(self._several(node.elts))

    def _several(self, nodes: Iterable[ast.expr]) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self.value(node.value)
            else:
                yield self.value(node)

    def _call(self, node: ast.Call) -> Any:
        assert not node.keywords, "arguments have no names here"
        return self.call(self.value(node.func), list(self._several(node.args)))

    def _binary(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        return arithmetic.binary(self.builder, node.op, left, right)

    def _unary(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            test = self._truth(node.operand)
            return self.builder.not_(test) if isinstance(test, ir.Value) else not test
        assert isinstance(node.op, ast.USub), "of the others none is used"
        return arithmetic.negative(self.builder, self.value(node.operand))

    def _truth(self, node: ast.expr) -> Any:
        value = self.value(node)
        if isinstance(value, ir.Value):
            return arithmetic.convert(self.builder, value, TRUTH)
        return bool(value)

    def _compare(self, node: ast.Compare) -> Any:
        left, found = self.value(node.left), []
        for operation, each in zip(node.ops, node.comparators, strict=True):
            right = self.value(each)
            found.append(arithmetic.compare(self.builder, operation, left, right))
            left = right
        return reduce(self.builder.and_, map(number, found)) if len(found) > 1 else found[0]

    def _either(self, node: ast.BoolOp) -> Any:
        """Translate ``and`` and ``or``: what comes later is computed only if it matters."""
        first, *others = node.values
        if others:
            rest = ast.BoolOp(node.op, others) if len(others) > 1 else others[0]
            known: ast.expr = ast.Constant(isinstance(node.op, ast.Or))
            ways = (known, rest) if isinstance(node.op, ast.Or) else (rest, known)
            return self._choice(ast.IfExp(first, *ways))
        return self._truth(first)

    def _choice(self, node: ast.IfExp) -> Any:
        test = self._truth(node.test)
        if not isinstance(test, ir.Value):
            return self.value(node.body if test else node.orelse)
        then, other, end = (self.builder.append_basic_block() for _ in range(3))
        self.builder.cbranch(test, then, other)
        values, ends = [], []
        for block, way in ((then, node.body), (other, node.orelse)):
            self.builder.position_at_start(block)
            values.append(self.value(way))
            ends.append(self.builder.block)
        # both of one kind, converted where they were computed
        kept = list(map(list, map(leaves, values)))
        kinds = [arithmetic.common(one.type, two.type) for one, two in zip(*kept, strict=True)]
        for place, own in zip(ends, kept, strict=True):
            self.builder.position_at_end(place)
            own[:] = [
                arithmetic.convert(self.builder, v, k) for v, k in zip(own, kinds, strict=True)
            ]
            self.builder.branch(end)
        self.builder.position_at_start(end)
        merged = []
        for kind, *ways in zip(kinds, *kept, strict=True):
            phi = self.builder.phi(kind)
            for way, place in zip(ways, ends, strict=True):
                phi.add_incoming(way, place)
            merged.append(phi)
        return rebuild(values[0], iter(merged))

    # arrays

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, Record):
            assert owner.dtype.fields is not None, "a record has fields"
            kind, offset = owner.dtype.fields[node.attr][:2]
            place = self.builder.gep(
                owner.data, [INTEGER(offset)], inbounds=True, source_etype=BYTE
            )
            return self._load(place, kind)
        if isinstance(owner, Array) and node.attr == "size":
            return reduce(partial(arithmetic.binary, self.builder, ast.Mult()), owner.shape)
        return getattr(owner, node.attr)

    def _subscript(self, node: ast.expr) -> Any:
        assert isinstance(node, ast.Subscript), "the only other thing that can be added to"
        owner = self.value(node.value)
        if not isinstance(owner, Array):
            return owner[self.value(node.slice)]
        if isinstance(node.slice, ast.Slice):
            return self._part(owner, node.slice)
        array, place = self._entry(node, owner)
        if array.shape:
            return Array(place, array.shape, array.dtype)
        if array.dtype.fields:
            return Record(place, array.dtype)
        return self._load(place, array.dtype)

    def _entry(self, node: ast.Subscript, owner: Array | None = None) -> tuple[Array, Any]:
        """Return an entry, an array if it has extents, and its address."""
        array = owner or self.value(node.value)
        several = isinstance(node.slice, ast.Tuple)
        index = list(self._several(node.slice.elts if several else [node.slice]))  # type: ignore[attr-defined]
        offset = index[0]
        for place, extent in enumerate(array.shape[1:], 1):
            offset = arithmetic.binary(self.builder, ast.Mult(), offset, extent)
            if place < len(index):
                offset = arithmetic.binary(self.builder, ast.Add(), offset, index[place])
        inner = Array(None, array.shape[len(index) :], array.dtype)
        return inner, address(self.builder, array, offset)

    def _part(self, array: Array, node: ast.Slice) -> Array:
        assert len(array.shape) == 1, "parts are of flat arrays"
        start = INTEGER(0) if node.lower is None else number(self.value(node.lower))
        stop = array.shape[0] if node.upper is None else number(self.value(node.upper))
        size = arithmetic.binary(self.builder, ast.Sub(), stop, start)
        return Array(address(self.builder, array, start), (size,), array.dtype)

    def _load(self, place: Any, dtype: "np.dtype[Any]") -> Any:
        kind = in_memory(dtype)
        value = self.builder.load(place, typ=kind)
        if dtype.kind == "f" or kind == INTEGER:
            return value
        widen = self.builder.zext if dtype.kind == "u" else self.builder.sext
        return widen(value, INTEGER)


def _absolute(builder: Any, value: Any) -> Any:
    return _intrinsic("llvm.fabs", builder, value)


def _intrinsic(name: str, builder: Any, value: Any) -> Any:
    value = number(value)
    function = builder.module.declare_intrinsic(name, [value.type])
    return builder.call(function, [value])


def _integer(builder: Any, value: Any) -> Any:
    return arithmetic.convert(builder, value, INTEGER)


# what kernels call of Python's and NumPy's
_KNOWN: dict[Any, Callable[..., Any]] = {
    min: arithmetic.least,
    abs: _absolute,
    np.int64: _integer,
    math.sin: partial(_intrinsic, "llvm.sin"),
    math.cos: partial(_intrinsic, "llvm.cos"),
}
_STATEMENTS: dict[type[ast.stmt], Callable[..., Any]] = {
    ast.Assign: _Translation._assignment,
    ast.AugAssign: _Translation._addition,
    ast.Expr: _Translation._expression,
    ast.If: _Translation._condition,
    ast.For: _Translation._loop,
    ast.While: _Translation._while,
    ast.Continue: _Translation._continue,
    ast.Return: _Translation._return,
}
_EXPRESSIONS: dict[type[ast.expr], Callable[..., Any]] = {
    ast.Constant: _Translation._constant,
    ast.Name: _Translation._name,
    ast.Tuple: _Translation._tuple,
    ast.Call: _Translation._call,
    ast.BinOp: _Translation._binary,
    ast.UnaryOp: _Translation._unary,
    ast.Compare: _Translation._compare,
    ast.BoolOp: _Translation._either,
    ast.IfExp: _Translation._choice,
    ast.Attribute: _Translation._attribute,
    ast.Subscript: _Translation._subscript,
}
