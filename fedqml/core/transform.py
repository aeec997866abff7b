"""The one composable type: a rule from updates to updates."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from jaxtyping import Float
from torch import Tensor

from fedqml.core.errors import require
from fedqml.core.updates import Context, State, Updates, concatenate


@dataclass(frozen=True)
class Folding:
    """A rule at work on a round's updates, which come part by part.

    Attributes:
        add: takes some clients' updates, whose memory may be used again afterwards.
        finish: returns the rule's result for all that was added, and its next state.
    """

    add: Callable[[Updates], None]
    finish: Callable[[], tuple[Updates, State]]


@dataclass(frozen=True)
class Transform:
    """A rule from updates to updates: clipping, noise, aggregation, a server's optimiser.

    Attributes:
        init: from the weights ``(d,)`` to the rule's first state. On the client side the state
            is a single client's; an engine stacks it, so there every tensor has the clients
            as its leading axis.
        apply: from updates, state and context to updates and the next state. On the client
            side it must act row by row: applied to a stack it gives the stack of what it
            gives for each row alone.
        fold: for an aggregator that can do without a stack of its rows: begins to fold a round's
            updates, given in rising order of client, into what ``apply`` gives for all of them.
        sends: on the server's side, from the rule's state to what the clients get beside the
            weights when the next round begins.
        admit: for a rule that refuses rows by themselves: from some clients' updates to those that
            it does not refuse, which alone are kept until it is applied.
    """

    init: Callable[[Float[Tensor, " d"]], State]
    apply: Callable[[Updates, State, Context], tuple[Updates, State]]
    fold: Callable[[State, Context], Folding] | None = None
    sends: Callable[[State], State] | None = None
    admit: Callable[[Updates], Updates] | None = None

    def sent(self, state: State) -> State:
        """Return what goes to the clients beside the weights."""
        return self.sends(state) if self.sends else {}

    def begin(self, state: State, context: Context) -> Folding:
        """Return what takes a round's updates part by part, whether the rule can fold or not."""
        if self.fold:
            return self.fold(state, context)
        stack, admit = _Stack(len(context.cohort)), self.admit or (lambda part: part)
        return Folding(
            lambda part: stack.add(admit(part)), lambda: self.apply(stack.whole(), state, context)
        )


class _Stack:
    """A round's updates in one piece of memory: joined at the end, they would need it twice."""

    def __init__(self, size: int) -> None:
        self._size, self._used = size, 0
        self._rows: Tensor | None = None
        self._seen: list[Updates] = []

    def add(self, updates: Updates) -> None:
        given = updates.delta
        if self._rows is None:
            self._rows = given.new_empty(self._size, given.shape[1])
        self._rows[self._used : self._used + len(given)] = given
        self._used += len(given)
        self._seen.append(replace(updates, delta=given.new_empty(len(given), 0)))

    def whole(self) -> Updates:
        assert self._rows is not None
        return replace(concatenate(self._seen), delta=self._rows[: self._used])


def stateless(
    function: Callable[[Updates, Context], Updates],
    admit: Callable[[Updates], Updates] | None = None,
) -> Transform:
    """Make a transform of a function that remembers nothing; ``admit`` as in ``Transform``.

    Example:
        >>> import torch
        >>> from dataclasses import replace
        >>> half = stateless(lambda u, context: replace(u, delta=u.delta / 2))
        >>> updates = Updates(torch.tensor([0]), torch.ones(1, 2), torch.ones(1), {})
        >>> context = Context(1, torch.tensor([0]), torch.zeros(1, 2), seed=0)
        >>> half.apply(updates, {}, context)[0].delta
        tensor([[0.5000, 0.5000]])
    """

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        return function(updates, context), state

    return Transform(lambda params: {}, apply, admit=admit)


def by_folding(
    fold: Callable[[State, Context], Folding],
    init: Callable[[Tensor], State] = lambda params: {},
    sends: Callable[[State], State] | None = None,
) -> Transform:
    """Make a transform of how a rule folds updates; given all at once, it folds them as one part.

    The arguments are fields of ``Transform``; without ``init`` it remembers nothing.
    """

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        folding = fold(state, context)
        folding.add(updates.sorted())
        return folding.finish()

    return Transform(init, apply, fold, sends)


def chain(*transforms: Transform) -> Transform:
    """Return the transform that applies the given ones in order; of none, the identity.

    The state of the i-th is kept under names that begin with ``i/``.

    Source: the idea of optax.chain (DeepMind, 2020).
    """
    if len(transforms) == 1:
        return transforms[0]

    def init(params: Tensor) -> State:
        return {
            f"{i}/{name}": value
            for i, transform in enumerate(transforms)
            for name, value in transform.init(params).items()
        }

    def inside(context: Context, i: int) -> Context:
        return replace(context, scope=f"{context.scope}{i}/")

    def go_on(
        updates: Updates, after: State, state: State, context: Context, first: int
    ) -> tuple[Updates, State]:
        for i, transform in enumerate(transforms[first:], first):
            own = select(state, f"{i}/")
            updates, inner = transform.apply(updates, own, inside(context, i))
            after |= prefixed(inner, f"{i}/")
        return updates, after

    def apply(updates: Updates, state: State, context: Context) -> tuple[Updates, State]:
        return go_on(updates, {}, state, context, 0)

    def sends(state: State) -> State:
        sent: State = {}
        for i, transform in enumerate(transforms):
            if transform.sends:
                sent |= transform.sends(select(state, f"{i}/"))
        return sent

    if not transforms or transforms[0].fold is None:
        admit = transforms[0].admit if transforms else None
        return Transform(init, apply, sends=sends, admit=admit)

    def fold(state: State, context: Context) -> Folding:
        first = transforms[0].begin(select(state, "0/"), inside(context, 0))

        def finish() -> tuple[Updates, State]:
            updates, inner = first.finish()
            return go_on(updates, prefixed(inner, "0/"), state, context, 1)

        return Folding(first.add, finish)

    return Transform(init, apply, fold, sends)


def select(state: State, prefix: str) -> State:
    """Return the part of a state whose names begin with ``prefix``, without it."""
    return {name[len(prefix) :]: v for name, v in state.items() if name.startswith(prefix)}


def prefixed(state: State, prefix: str) -> State:
    """Return a state with ``prefix`` before every name."""
    return {prefix + name: value for name, value in state.items()}


@dataclass(frozen=True)
class Strategy:
    """Who does what to the updates; the field ``client`` is the trust boundary.

    Attributes:
        server: applied to the cohort's updates where they are collected; it must leave one
            row, the step of the global model.
        client: applied on the device before anything leaves it; acts row by row.
    """

    server: Transform
    client: Transform = field(default_factory=chain)

    def __post_init__(self) -> None:
        for name in ("server", "client"):
            given = getattr(self, name)
            # fq.mean instead of fq.mean() is an easy slip.
            allowed = "be a Transform, such as mean() returns"
            require(isinstance(given, Transform), name, given, allowed)
