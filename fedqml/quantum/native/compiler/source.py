"""What the source of a kernel's function says before it is translated."""

import ast
import builtins
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any


@dataclass(frozen=True)
class Source:
    """A function's source.

    Args:
        body: its statements.
        parameters: their names.
        once: names that are bound once, where all that reads them follows in the same block.
        names: what else it can see.
        early: whether it returns elsewhere than at its end.
    """

    body: list[ast.stmt]
    parameters: list[str]
    once: frozenset[str]
    names: dict[str, Any]
    early: bool


@cache
def source(function: FunctionType) -> Source:
    """Return a function's source.

    Args:
        function: defined in a file that is there.

    Example:
        >>> def larger(a, b):
        ...     return a if a > b else b
        >>> source(larger).parameters
        ['a', 'b']
    """
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(definition, ast.FunctionDef), "kernels are functions"
    body = definition.body[ast.get_docstring(definition) is not None :]
    parameters = [each.arg for each in definition.args.args]
    nodes = [node for statement in body for node in ast.walk(statement)]
    bound, read = (_count(nodes, context) for context in (ast.Store, ast.Load))
    # an addition to a variable reads it and binds it again
    bound += Counter(ast.unparse(node.target) for node in nodes if isinstance(node, ast.AugAssign))
    once = {name for name in parameters if name not in bound}
    bound += Counter(parameters)
    _find_once(body, {name: read[name] for name in bound if bound[name] == 1}, once)
    returns = [node for node in nodes if isinstance(node, ast.Return)]
    early = bool(returns) and returns != [body[-1]]
    seen = {**vars(builtins), **function.__globals__}
    return Source(body, parameters, frozenset(once), seen, early)


def _count(nodes: Iterable[ast.AST], context: type[ast.expr_context]) -> Counter[str]:
    found = (node for node in nodes if isinstance(node, ast.Name))
    return Counter(node.id for node in found if isinstance(node.ctx, context))


def _find_once(block: list[ast.stmt], reads: dict[str, int], found: set[str]) -> Counter[str]:
    """Find the names that are bound in a block and read in what follows there only.

    Args:
        block: its statements.
        reads: how often names are read anywhere, those that are bound once.
        found: receives the names.

    Returns:
        How often names are read in the block.
    """
    after: Counter[str] = Counter()
    for statement in reversed(block):
        head: ast.AST = statement  # without what it has inside
        binds: ast.AST | None = statement
        follows, own = after, Counter[str]()
        if isinstance(statement, ast.For | ast.While | ast.If):
            follows = _find_once(statement.body, reads, found)
            own = follows + _find_once(statement.orelse, reads, found)
            head, binds = (
                (statement.iter, statement.target)
                if isinstance(statement, ast.For)
                else (statement.test, None)
            )
        own += _count(ast.walk(head), ast.Load)
        names = _count(ast.walk(binds), ast.Store) if binds else {}
        found |= {name for name in names if name in reads and follows[name] == reads[name]}
        after = after + own
    return after
