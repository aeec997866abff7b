"""What is learned: a model, a loss and the owners' data, and the three as one pure function."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from fedqml.core.dropout import replace_dropout, restore_dropout
from fedqml.core.errors import InputError, require
from fedqml.core.hashing import fold
from fedqml.core.keyed import begin_step, forget_numbers, number_layers
from fedqml.core.packing import Packing, packing
from fedqml.core.random import derive
from fedqml.core.resolve import placed
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
        fleet: for clients whose hardware differs from the others', what changes the model for
            theirs, such as ``fedqml.on(device)``. The weights must stay the same tensors.
    """

    model: Callable[[], nn.Module]
    loss: PerExample
    data: FederatedData
    metrics: Mapping[str, PerExample] = field(default_factory=lambda: {"accuracy": accuracy})
    dtype: torch.dtype = torch.float32
    fleet: Mapping[int, Callable[[nn.Module], nn.Module]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        module = isinstance(self.model, nn.Module)
        require(
            callable(self.model) and not module, "model", self.model, "be a function that makes one"
        )
        for name, function in {"loss": self.loss, **self.metrics}.items():
            require(callable(function), name, function, "be a function (outputs, y) -> (batch,)")
        split = isinstance(self.data, FederatedData)
        require(split, "data", type(self.data).__name__, "be split: Data(...).split(partition)")
        names = sorted(self.metrics)
        for taken in ("loss", *self.data.further_tests):
            require(taken not in self.metrics, "metrics", names, f"not name one `{taken}`")
        clients = range(len(self.data.clients))
        for client, change in self.fleet.items():
            require(client in clients, "fleet", client, f"name clients from 0 to {clients[-1]}")
            require(callable(change), "fleet", change, "be a function of a model for each client")
        known = self.dtype in (torch.float32, torch.float64)
        require(known, "dtype", self.dtype, "be torch.float32 or torch.float64")

    def objective(self, seed: int) -> "Objective":
        """Draw the model's first weights and return the task as a pure function of them.

        Raises:
            InputError: if the model does not fit the data, cannot be trained, or keeps
                statistics of the data in buffers.
        """
        # Whatever the caller has set, equal seeds give equal weights.
        with torch.random.fork_rng(devices=[]), _default_dtype(torch.float32):
            torch.default_generator.manual_seed(derive(seed, "model") % 2**63)
            try:
                module = self.model()
            except InputError:
                raise
            except Exception as error:  # the user's code: anything can come
                raise InputError(f"`model` fails with {type(error).__name__}: {error}") from error
        if not isinstance(module, nn.Module):
            raise InputError(f"`model` must return a torch module, not {type(module).__name__}.")
        for name, parameter in module.named_parameters():
            if isinstance(parameter, nn.UninitializedParameter):
                raise InputError(f"The model's `{name}` has no shape yet; lazy layers need a call.")
        module = module.to(self.dtype)
        replace_dropout(module)
        pack = packing(module.named_parameters())
        trainable = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        first = pack.pack({name: parameter.detach() for name, parameter in trainable})
        if not bool(first.isfinite().all()):
            raise InputError("The model's first weights hold NaN or infinite entries.")
        frozen = {n: t for n, t in module.state_dict().items() if n not in pack.slices}
        for _, parameter in trainable:
            # The module lends its structure only. A layer that evaluates its own weights instead
            # of those it is called with gives NaN now, and is found.
            parameter.data = torch.full((), math.nan, dtype=self.dtype).expand(parameter.shape)
        data = self.data.to(self.dtype)

        def made(module: nn.Module, equipped: Mapping[int, Objective]) -> Objective:
            keys = tuple(number_layers(module))
            whole = Objective(
                module, pack, first, frozen, self.loss, data, self.metrics, keys, equipped
            )
            _try_once(whole)
            return whole

        equipped: dict[int, Objective] = {}
        known: list[tuple[Callable[[nn.Module], nn.Module], Objective]] = []
        for client, change in self.fleet.items():
            found = next((own for other, own in known if other == change), None)
            if found is None:
                found = made(_changed(module, change, pack), {})
                known.append((change, found))
            equipped[client] = found
        return made(module, equipped)


@dataclass(frozen=True, eq=False)
class Objective:
    """A task as a pure function of one flat vector of weights.

    Attributes:
        module: the model, which only lends its structure and its frozen tensors.
        packing: where each trainable tensor lies in the vector.
        first: the weights before training.
        frozen: the module's tensors that are not trained, by name.
        loss: per-example loss.
        data: the data, in the run's dtype.
        metrics: per-example measures.
        keys: names of the keys of layers that draw.
        equipped: the objectives of clients whose hardware is not that of ``module``.
    """

    module: nn.Module
    packing: Packing
    first: Float[Tensor, " d"]
    frozen: Mapping[str, Tensor]
    loss: PerExample
    data: FederatedData
    metrics: Mapping[str, PerExample]
    keys: tuple[str, ...]
    equipped: Mapping[int, "Objective"]

    def of(self, client: int) -> "Objective":
        """Return the objective as a client trains it; the same object for equal hardware."""
        return self.equipped.get(client, self)

    def outputs(
        self, params: Float[Tensor, " d"], x: Tensor, key: Int[Tensor, ""], training: bool = False
    ) -> Tensor:
        """Return the model's outputs; whatever its layers draw is a function of the key."""
        return self._call(self.packing.unpack(params), x, key, training)

    def _call(
        self, tensors: Mapping[str, Tensor], x: Tensor, key: Int[Tensor, ""], training: bool
    ) -> Tensor:
        self.begin(training)
        return functional_call(self.module, {**tensors, **dict.fromkeys(self.keys, key)}, (x,))

    def begin(self, training: bool) -> None:
        """Set the module up for a call: what layers do then depends on no call before."""
        self.module.train(training)
        begin_step(self.module)

    def trained(self, params: Float[Tensor, " d"]) -> nn.Module:
        """Return a copy of the model with these weights, for use outside a federation."""
        module = deepcopy(self.module)
        restore_dropout(module)
        forget_numbers(module)
        weights = self.packing.unpack(params)
        for name, parameter in module.named_parameters():
            if name in weights:
                parameter.data = weights[name].clone()
        return module.eval()

    def batch_loss(
        self,
        params: Float[Tensor, " d"],
        rows: Int[Tensor, " batch"],
        mask: Bool[Tensor, " batch"],
        key: Int[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Return the mean loss over the batch's unmasked examples (0 if there is none)."""
        return self.batch_loss_of(self.packing.unpack(params), rows, mask, key)

    def batch_loss_of(
        self,
        tensors: Mapping[str, Tensor],
        rows: Int[Tensor, " batch"],
        mask: Bool[Tensor, " batch"],
        key: Int[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Return ``batch_loss`` for weights given by name, one tensor each."""
        pooled = self.data.data
        outputs = self._call(tensors, pooled.x[rows], key, training=True)
        return (self.loss(outputs, pooled.y[rows]) * mask).sum() / mask.sum().clamp(min=1)

    @torch.no_grad()
    def evaluate(self, params: Float[Tensor, " d"], key: Int[Tensor, ""]) -> dict[str, float]:
        """Return the means of loss and metrics over the server's test data.

        Of further tests it is the share of right answers.

        Args:
            params: the weights.
            key: 63 random bits, for models that draw in evaluation, too, as a device with shots.
        """
        sums: dict[str, float] = {}
        test = self.data.data.test_set
        for outputs, y in self._tested(params, key, test):
            for name, function in {"loss": self.loss, **self.metrics}.items():
                # Summed in double precision: a mean of many float32 losses loses digits.
                sums[name] = sums.get(name, 0.0) + float(function(outputs, y).double().sum())
        means = {name: total / len(test[1]) for name, total in sums.items()}
        for name, further in self.data.further_tests.items():
            answers = self._tested(params, key, further)
            right = sum(int(accuracy(outputs, y).sum()) for outputs, y in answers)
            means[name] = right / len(further[1])
        return means

    @torch.no_grad()
    def per_example(
        self, params: Float[Tensor, " d"], key: Int[Tensor, ""]
    ) -> dict[str, Float[Tensor, " tests"]]:
        """Return loss and metrics for each of the server's test rows, in double precision.

        Args:
            params: the weights.
            key: as for ``evaluate``.
        """
        parts: dict[str, list[Tensor]] = {name: [] for name in ("loss", *self.metrics)}
        for outputs, y in self._tested(params, key, self.data.data.test_set):
            for name, function in {"loss": self.loss, **self.metrics}.items():
                parts[name].append(function(outputs, y).double())
        return {name: torch.cat(values) for name, values in parts.items()}

    @torch.no_grad()
    def predict(self, params: Float[Tensor, " d"], key: Int[Tensor, ""]) -> Tensor:
        """Return the model's outputs on the server's test data, of which ``evaluate`` has means.

        Args:
            params: the weights.
            key: as for ``evaluate``; equal keys give equal draws, hence equal outputs.

        Returns:
            The outputs, ``(tests, ...)``; for a classifier the logits, ``(tests, classes)``.
        """
        tested = self._tested(params, key, self.data.data.test_set)
        return torch.cat([outputs for outputs, _ in tested])

    def _tested(
        self, params: Float[Tensor, " d"], key: Int[Tensor, ""], test: tuple[Tensor, Tensor]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield outputs and labels of test data, part by part."""
        x, y = test
        # A model may draw from the global generator: always the same, and the caller's unchanged.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            for start in range(0, len(y), _EVALUATION_BATCH):
                # Cloned: a model may work in place on its input.
                rows = x[start : start + _EVALUATION_BATCH].clone()
                outputs = self.outputs(params, rows, fold(key, torch.tensor(start)))
                yield outputs, y[start : start + _EVALUATION_BATCH]


def _changed(
    module: nn.Module, change: Callable[[nn.Module], nn.Module], pack: Packing
) -> nn.Module:
    with placed("fleet"):
        other = change(deepcopy(module))  # it may work in place
    if not isinstance(other, nn.Module) or packing(other.named_parameters()) != pack:
        raise InputError(
            "What changes the model for a client's hardware must leave its trainable tensors as "
            f"they are, but {change!r} does not."
        )
    return other


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _try_once(objective: Objective) -> None:
    """Run the model on an example of each class: what does not fit is said before training."""
    pooled = objective.data.data
    x, y = pooled.tried
    buffers = {n: b.clone() for n, b in objective.module.named_buffers()}
    key = torch.zeros((), dtype=torch.int64)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            outputs = objective.outputs(objective.first, x.clone(), key, training=True)
            measured = {
                name: function(outputs, y)
                for name, function in {"loss": objective.loss, **objective.metrics}.items()
            }
    except Exception as error:  # the user's code: anything can come
        raise InputError(
            f"The model and the loss must work on inputs of shape {tuple(pooled.x.shape[1:])} and "
            f"{len(pooled.classes)} classes, but on one example of each class they fail with "
            f"{type(error).__name__}: {error}"
        ) from error
    for name, values in measured.items():
        shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        allowed = f"return a value for each example, shape {tuple(y.shape)}"
        require(shape == tuple(y.shape), name, shape, allowed)
    if not bool(outputs.isfinite().all()):
        raise InputError(
            "The model's outputs are NaN or infinite with its first weights. Either they overflow, "
            "or a layer ignores the weights that it is called with and evaluates its own, as "
            "PennyLane's TorchLayer does; such a layer cannot be trained here, but one of its "
            "circuit can: see fedqml.exchange.from_pennylane."
        )
    for name, before in buffers.items():
        if not torch.equal(before, objective.module.get_buffer(name)):
            raise InputError(
                f"The model changes its buffer `{name}` while it trains (as batch norm does): such "
                "statistics of the clients' data are neither averaged nor protected. Use "
                "GroupNorm or LayerNorm."
            )
    _check_rows_apart(objective, x)


def _check_rows_apart(objective: Objective, x: Tensor) -> None:
    """Refuse a model whose output for an example depends on the others in its batch.

    Short batches are filled up with examples that must count for nothing.
    """
    filled = torch.cat([x, x[:1]])
    for training in (False, True):
        given = [_seeded_outputs(objective, batch, training, seed=0) for batch in (x, filled)]
        if torch.allclose(given[0], given[1][: len(x)], rtol=1e-3, atol=1e-4):
            continue
        again = _seeded_outputs(objective, x, training, seed=1)
        if not training or torch.equal(given[0], again):
            raise InputError(
                "The model's output for an example depends on the others in its batch. Batch "
                "statistics cannot be trained here; use GroupNorm or LayerNorm."
            )


@torch.no_grad()
def _seeded_outputs(objective: Objective, x: Tensor, training: bool, seed: int) -> Tensor:
    key = torch.zeros((), dtype=torch.int64)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return objective.outputs(objective.first, x.clone(), key, training)
