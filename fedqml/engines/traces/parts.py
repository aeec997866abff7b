"""A step in three parts, two of which many steps can do at once.

Steps follow each other only through what lasts: the weights and the optimiser's state. All that
a step computes from its batch alone can be done ``ahead`` for many steps at once, and what it
only reports, ``behind``. Between the two remains the ``body``, step after step. A small model
spends its time on calls of operations, however large their tensors, so fewer calls are quicker.
"""

from dataclasses import dataclass
from operator import getitem

from torch import fx


@dataclass(frozen=True, eq=False)
class Parts:
    """A step in three parts, with the places of their arguments.

    Attributes:
        ahead: from a batch to what the others need of it.
        body: from what lasts and some results of ``ahead`` to what lasts and what is left.
        behind: from what is left and some results of ``ahead`` to what is reported.
        for_body: which results of ``ahead`` the body takes.
        for_behind: which results of ``ahead`` the part behind takes.
        bytes: memory that a step takes ahead and behind, results on the way included, and for
            what is left: as much of it as there are steps done at once.
    """

    ahead: fx.GraphModule
    body: fx.GraphModule
    behind: fx.GraphModule
    for_body: tuple[int, ...]
    for_behind: tuple[int, ...]
    bytes: int


def split(step: fx.GraphModule, lasting: int, apart: bool) -> Parts:
    """Return the three parts of a step.

    Args:
        step: from what lasts and a batch to what lasts and what is reported.
        lasting: how many of the first arguments and results last.
        apart: whether to move work ahead and behind; if not, the body does all of it.
    """
    nodes = [node for node in step.graph.nodes if node.op not in ("get_attr", "output")]
    given = [node for node in nodes if node.op == "placeholder"]
    (results,) = next(node for node in step.graph.nodes if node.op == "output").args
    after, reported = list(results[:lasting]), list(results[lasting:])

    late = set(given[:lasting]) if apart else {*given[:lasting], *nodes} - {*given[lasting:]}
    for node in nodes:
        if not late.isdisjoint(node.all_input_nodes):
            late.add(node)
    needed = set(after if apart else results)
    for node in reversed(nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    # What passes from part to part are tensors: those of a tuple stay with it.
    needed.update(n for n in nodes if n.target is getitem and n.args[0] in needed)
    body = [node for node in nodes if node in late and node in needed]
    behind = [node for node in nodes if node in late and node not in needed]

    def taken(by: list[fx.Node], ends: list[fx.Node]) -> list[fx.Node]:
        found = [source for node in by for source in node.all_input_nodes if source in numbered]
        return list(dict.fromkeys([*found, *(end for end in ends if end in numbered)]))

    numbered = set(nodes) - late
    to_body, to_behind = taken(body, after), taken(behind, reported)
    numbered = {*given[:lasting], *body}
    left = taken(behind, reported)
    early = list(dict.fromkeys([*to_body, *to_behind]))
    return Parts(
        _part(step, given[lasting:], early),
        _part(step, [*given[:lasting], *to_body], [*after, *left]),
        _part(step, [*left, *to_behind], reported),
        tuple(early.index(node) for node in to_body),
        tuple(early.index(node) for node in to_behind),
        sum(map(_bytes, {*set(nodes) - late, *behind, *left} - {*given})),
    )


def _part(step: fx.GraphModule, inputs: list[fx.Node], outputs: list[fx.Node]) -> fx.GraphModule:
    graph = fx.Graph()
    copies = {node: graph.placeholder(node.name) for node in inputs}
    for node in step.graph.nodes:
        known = all(source in copies for source in node.all_input_nodes)
        if node.op in ("call_function", "get_attr") and known and node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output([copies[node] for node in outputs])
    graph.eliminate_dead_code()
    return fx.GraphModule(step, graph)


def _bytes(node: fx.Node) -> int:
    """Return the memory that an operation takes for its results; views take none."""
    schema = getattr(node.target, "_schema", None)
    if node.target is getitem or (schema and any(r.alias_info for r in schema.returns)):
        return 0
    value = node.meta["val"]
    return sum(t.nbytes for t in (value if isinstance(value, list | tuple) else [value]))
