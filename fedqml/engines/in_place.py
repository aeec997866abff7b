"""Client after client, in memory that is used again: for models with millions of weights."""

from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from fedqml.core.batches import BatchPlan
from fedqml.core.errors import InputError
from fedqml.core.transform import Transform
from fedqml.core.updates import Context, State, Updates
from fedqml.data.task import Objective
from fedqml.engines.cohort import (
    Collect,
    Engine,
    Train,
    gather,
    kept_by,
    scatter,
    steps_of,
)
from fedqml.engines.linear import OuterStep, SteppingLinear, used_twice
from fedqml.federated.training import InPlace, Local, Received, mean_loss

# The gradient of a smaller matrix costs next to nothing.
_LARGE = 1 << 14


def in_place() -> Engine:
    """Return the engine that trains one client after another without a copy that can be avoided.

    Weights and the optimiser's state change where they are, and a large dense layer takes its step
    within the backward pass, so that the gradient of at most one layer exists; a client's update is
    handed on in the memory in which the next client trains. It gives the updates of ``sequential``
    up to rounding.

    A round takes, beside the global model, memory for one model, the optimiser's state, the largest
    layer (by rules that need its gradient) and what the server's rule needs: one more model for the
    mean. State that clients keep between rounds comes on top. The memory of the optimiser's state
    and of the layer serves all rounds, as fresh memory costs a tenth of a round; that of the model
    does not, as between rounds the server needs as much for the next global model. What
    `denormals_as_zero` is for happens in large models: `fedqml run` and `fq.run` take care of that.

    Raises:
        InputError: if the local rule has no step in place, or the model uses the weight of a large
            dense layer twice.
    """

    def engine(objective: Objective, local: Local, transform: Transform) -> Train:
        if local.in_place is None:
            raise InputError(
                "The engine `in_place` needs a local rule with a step in place, as sgd and adam "
                "have; the engine `sequential` trains by any rule."
            )
        _require_zeros(local)
        fresh = partial(local.init, objective.first)
        memory = _for_gradient(objective, local.in_place)
        workplace = partial(_Workplace, objective, local, local.in_place, memory)
        tried = workplace(fresh(), objective.first.clone())
        _try_once(tried, objective)
        # Where clients keep their state, one of them takes it with its memory.
        kept = {} if local.keep_state else tried.state
        del tried

        def train(context: Context, clients: list[int], state: State, collect: Collect) -> State:
            after = dict(state)
            here = replace(context, scope="client/")
            place: _Workplace | None = None
            held = {client: objective.data.rows(client) for client in clients}
            for client, rows in held.items():
                start = context.received([client])
                plan = local.plans([client], [rows], [context.rng("batches", client)])
                place = place or workplace(kept or fresh(), torch.empty_like(start[0]))
                told = Received(start[0], context.sent, objective.packing)
                place.begin(told, kept_by(state, [client])[client])
                loss = place.run(BatchPlan(*(field[0] for field in plan)))
                steps = steps_of(plan).to(start)
                reports = local.reports(place.state)
                last = client == clients[-1]  # nobody needs its memory any more
                for name, value in place.end(told, steps[0]).items():
                    after[f"{client}/local/{name}"] = value if last else value.clone()
                updates = Updates(
                    torch.tensor([client]),
                    place.weights.sub_(start[0])[None],
                    torch.tensor([len(rows)]).to(start),
                    {"train_loss": loss[None], "steps": steps},
                    reports={name: value[None] for name, value in reports.items()},
                )
                own = gather(state, [client], "client", transform.init, start)
                updates, own = transform.apply(updates, own, here)
                collect(updates)
                after |= scatter(own, [client], "client")
            return after

        return train

    return engine


class _Workplace:
    """Where one client after another trains: weights, optimiser's state, a layer's gradient."""

    def __init__(
        self,
        objective: Objective,
        local: Local,
        rule: InPlace,
        memory: Float[Tensor, " _"],
        state: State,
        weights: Float[Tensor, " d"],
    ) -> None:
        self.weights, self.state = weights, state
        self._objective, self._local, self._rule = objective, local, rule
        self._slices = objective.packing.slices
        # By `data` each counts its own changes: a step of one layer must not look to PyTorch like a
        # change of another, whose backward pass is still to come.
        self._leaves = {
            name: view.data.requires_grad_()
            for name, view in objective.packing.unpack(weights).items()
        }
        self._stepping = SteppingLinear(
            (name, weight, _outer_step(rule, weight.detach(), self._part(name), memory))
            for name, weight in self._leaves.items()
            if _large(weight)
        )

    def begin(self, received: Received, kept: State) -> None:
        """Set weights and state for a client, which may have kept its state."""
        params, known = received.params, kept
        if self._local.begin:
            params, known = self._local.start(received, kept)
        self.weights.copy_(params)
        for name, value in self.state.items():
            value.copy_(known[name]) if name in known else value.zero_()

    def end(self, received: Received, steps: Float[Tensor, ""]) -> State:
        """Set the weights to those that the client answers with; return what it keeps."""
        answer, kept = self._local.finish(received, self.weights, self.state, steps)
        if answer is not self.weights:
            self.weights.copy_(answer)
        return kept

    def run(self, plan: BatchPlan) -> Float[Tensor, ""]:
        """Train along the plan ``(epochs, steps, ...)``; return the last epoch's mean loss."""
        # As in `sequential`: a model may draw from PyTorch's global generator in its own code.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(plan.key[0, 0]))
            for epoch in zip(*plan, strict=True):
                losses = []
                for rows, mask, key in zip(*epoch, strict=True):
                    if mask.any():
                        losses.append((self._step(rows, mask, key), mask.sum()))
        values, sizes = (torch.stack(each) for each in zip(*losses, strict=True))
        return mean_loss(values, sizes)

    def _step(self, rows: Tensor, mask: Tensor, key: Tensor) -> Float[Tensor, ""]:
        self._rule.begin(self.state)
        self._stepping.begin()
        with self._stepping:
            loss = self._objective.batch_loss_of(self._leaves, rows, mask, key)
        loss.backward()
        with torch.no_grad():
            for name, leaf in self._leaves.items():
                gradient, leaf.grad = leaf.grad, None
                if self._stepping.has_stepped(leaf):
                    if gradient is not None:
                        raise InputError(used_twice(name))
                    continue
                if gradient is None:  # the loss does not depend on it
                    gradient = torch.zeros_like(leaf)
                weights = leaf.detach().view(-1)
                self._rule.step(weights, gradient.reshape(-1), self._part(name))
        return loss.detach()

    def _part(self, name: str) -> State:
        place = self._slices[name]
        whole = self.weights.shape
        return {
            n: value[place] if value.shape == whole else value for n, value in self.state.items()
        }


def _large(weight: Tensor) -> bool:
    return weight.ndim == 2 and weight.numel() >= _LARGE


def _for_gradient(objective: Objective, rule: InPlace) -> Float[Tensor, " _"]:
    """Return memory for the gradient of one matrix at a time."""
    sizes = [w.numel() for w in objective.packing.unpack(objective.first).values() if _large(w)]
    return objective.first.new_empty(0 if rule.outer else max(sizes, default=0))


def _require_zeros(local: Local) -> None:
    if any(bool(value.any()) for value in local.init(torch.ones(2)).values()):
        raise InputError(
            "The engine `in_place` needs a local rule whose first state is zeros; the engine "
            "`sequential` trains by any rule."
        )


def _outer_step(
    rule: InPlace, weight: Float[Tensor, "o i"], state: State, memory: Float[Tensor, " _"]
) -> OuterStep:
    """Return the step of a weight matrix.

    A function of its own, and not a method: an object that holds itself would keep its memory until
    Python looks for such cycles.
    """

    def step(left: Tensor, right: Tensor) -> None:
        if rule.outer:
            rule.outer(weight, left, right, state)
            return
        gradient = memory[: weight.numel()]
        torch.mm(left, right, out=gradient.view(weight.shape))
        rule.step(weight.view(-1), gradient, state)

    return step


def _try_once(place: _Workplace, objective: Objective) -> None:
    """Take a step on one example, so that a model that cannot be trained so is refused now."""
    objective.data.require_rows()
    rows = torch.zeros(1, 1, 1, dtype=torch.int64)
    place.run(BatchPlan(rows, rows == 0, rows[..., 0]))
