"""What is learned: a model, a loss and the owners' data, and the three as one pure function."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from fedqml.core.dropout import replace_dropout
from fedqml.core.errors import InputError, require
from fedqml.core.packing import Packing, packing
from fedqml.core.random import derive
from fedqml.data.dataset import FederatedData
from fedqml.data.losses import accuracy

PerExample = Callable[[Tensor, Tensor], Tensor]
"""From a model's outputs ``(batch, ...)`` and the targets to a value for each example."""

_EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class Task:
    """What is to be learned, before any weight is drawn.

    Attributes:
        model: makes the model; called once a run, with PyTorch's generator seeded.
        loss: per-example loss.
        data: the clients' training data and the server's test data.
        metrics: further per-example measures on the test data.
        dtype: of weights and data, ``torch.float32`` or ``torch.float64``.
    """

    model: Callable[[], nn.Module]
    loss: PerExample
    data: FederatedData
    metrics: Mapping[str, PerExample] = field(default_factory=lambda: {"accuracy": accuracy})
    dtype: torch.dtype = torch.float32

    def objective(self, seed: int) -> "Objective":
        """Draw the model's first weights and return the task as a pure function of them.

        Raises:
            InputError: if the model does not fit the data, cannot be trained, or keeps
                statistics of the data in buffers.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "model") % 2**63)
            module = self.model()
        if not isinstance(module, nn.Module):
            raise InputError(f"`model` must return a torch module, not {type(module).__name__}.")
        module = module.to(self.dtype)
        keys = replace_dropout(module)
        pack = packing(module.named_parameters())
        first = pack.pack({n: p.detach() for n, p in module.named_parameters()})
        objective = Objective(
            module, pack, first, self.loss, self.data.to(self.dtype), self.metrics, tuple(keys)
        )
        _try_once(objective)
        return objective


@dataclass(frozen=True, eq=False)
class Objective:
    """A task as a pure function of one flat vector of weights.

    Attributes:
        module: the model, which only lends its structure and its frozen tensors.
        packing: where each trainable tensor lies in the vector.
        first: the weights before training.
        loss: per-example loss.
        data: the data, in the run's dtype.
        metrics: per-example measures.
        keys: names of the dropout keys.
    """

    module: nn.Module
    packing: Packing
    first: Float[Tensor, " d"]
    loss: PerExample
    data: FederatedData
    metrics: Mapping[str, PerExample]
    keys: tuple[str, ...]

    def outputs(
        self, params: Float[Tensor, " d"], x: Tensor, key: Int[Tensor, ""] | None = None
    ) -> Tensor:
        """Return the model's outputs; in training mode if a dropout key is given."""
        self.module.train(key is not None)
        tensors = self.packing.unpack(params)
        if key is not None:
            tensors |= dict.fromkeys(self.keys, key)
        return functional_call(self.module, tensors, (x,))

    def batch_loss(
        self,
        params: Float[Tensor, " d"],
        rows: Int[Tensor, " batch"],
        mask: Bool[Tensor, " batch"],
        key: Int[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Return the mean loss over the batch's unmasked examples (0 if there is none)."""
        pooled = self.data.data
        losses = self.loss(self.outputs(params, pooled.x[rows], key), pooled.y[rows])
        return (losses * mask).sum() / mask.sum().clamp(min=1)

    @torch.no_grad()
    def evaluate(self, params: Float[Tensor, " d"]) -> dict[str, float]:
        """Return the means of loss and metrics over the server's test data."""
        x, y = self.data.data.test
        sums: dict[str, float] = {}
        for start in range(0, len(y), _EVALUATION_BATCH):
            part = y[start : start + _EVALUATION_BATCH]
            outputs = self.outputs(params, x[start : start + _EVALUATION_BATCH])
            for name, function in {"loss": self.loss, **self.metrics}.items():
                # Summed in double precision: the mean of many float32 losses loses digits.
                sums[name] = sums.get(name, 0.0) + float(function(outputs, part).double().sum())
        return {name: total / len(y) for name, total in sums.items()}


def _try_once(objective: Objective) -> None:
    """Run the model on an example of each class: what does not fit is said before training."""
    pooled = objective.data.data
    rows = torch.stack([(pooled.y == c).long().argmax() for c in pooled.y.unique()])
    buffers = {n: b.clone() for n, b in objective.module.named_buffers()}
    key = torch.zeros((), dtype=torch.int64)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            outputs = objective.outputs(objective.first, pooled.x[rows], key)
            losses = objective.loss(outputs, pooled.y[rows])
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"The model and the loss must work on inputs of shape {tuple(pooled.x.shape[1:])} and "
            f"{len(pooled.classes)} classes, but on one example of each class they fail: {error}"
        ) from error
    require(
        tuple(losses.shape) == tuple(rows.shape),
        "loss",
        tuple(losses.shape),
        f"return a value for each example, shape {tuple(rows.shape)}",
    )
    for name, before in buffers.items():
        if not torch.equal(before, objective.module.get_buffer(name)):
            raise InputError(
                f"The model changes its buffer `{name}` while it trains (as batch norm does): such "
                "statistics of the clients' data are neither averaged nor protected. Use "
                "GroupNorm or LayerNorm, or track_running_stats=False."
            )
