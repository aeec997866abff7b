"""The data of a federation: pooled, then split over its clients."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fedqml.core.errors import InputError, require
from fedqml.core.random import stream
from fedqml.data.checks import (
    as_classes,
    as_features,
    as_labels,
    as_owners,
    as_test,
    require_same_rows,
)
from fedqml.data.fingerprint import Digest
from fedqml.data.noisy import with_noise
from fedqml.data.shares import Partition, Shares
from fedqml.data.spread import Spread


@dataclass(frozen=True, eq=False)
class Data:
    """Labelled examples before they are split: the training rows of all owners, and a test set.

    Everything is checked when it is built. Examples of type ``float32`` or ``float64`` keep it
    (the test set takes that of ``x``), other real types become ``float32``; labels become
    ``int64``; all tensors are kept on the CPU, and not copied where nothing has to be converted:
    what is given must not be changed any more.

    Attributes:
        x: training examples, shape ``(rows, features...)``.
        y: class index of each training row, from 0, shape ``(rows,)``.
        test: examples ``(tests, features...)`` and class indices ``(tests,)`` that the server
            keeps, to evaluate the global model; None where ``spread`` says that they may be on
            another machine.
        classes: name of each class; without any, "0", "1", ... up to the largest index.
        owners: who owns each training row, where that is known.
        test_names: name of each test row, for people, such as an image's file name.
        about: where the data come from and what was done to them, for the report; ready for JSON.
        spread: for data that were never pooled, what is known of all of them; ``x`` and ``y`` are
            then the rows on this machine, possibly none.

    Raises:
        InputError: for data that nothing can be learned from, saying where the fault is.

    Example:
        >>> x, y = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 1, 0, 1])
        >>> Data(x, y, test=(x[:2], y[:2]), classes=("even", "odd")).classes
        ('even', 'odd')
    """

    # Shapes and number types are checked below, in words that help whoever gave them.
    x: Tensor
    y: Tensor
    test: tuple[Tensor, Tensor] | None
    classes: tuple[str, ...] = ()
    owners: tuple[str, ...] | None = None
    test_names: tuple[str, ...] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    spread: Spread | None = None

    def __post_init__(self) -> None:
        x = as_features("x", self.x, least=0 if self.spread else 1)
        y = as_labels("y", self.y)
        require_same_rows("x", x, "y", y)
        test = None if self.test is None and self.spread else as_test(self.test, x)
        # Frozen for its users; what they gave is replaced by its checked form once, here.
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "test", test)
        labels = y[:0] if test is None else test[1]
        object.__setattr__(self, "classes", as_classes(self.classes, self._labels(), labels))
        if self.owners is not None:
            object.__setattr__(self, "owners", as_owners(self.owners, len(y)))
        if self.test_names is not None and len(self.test_names) != len(labels):
            raise InputError(
                f"Argument `test_names` must have an entry for each of the {len(labels)} test "
                f"rows, but it has {len(self.test_names)}."
            )

    @cached_property
    def pooled_digest(self) -> Digest:
        """The digest of examples, labels and class names, which all splits have in common."""
        x_test, y_test = self.test_set
        tested = [("x_test", x_test), ("y_test", y_test)]
        if self.spread:
            return Digest((*self.classes, self.spread.digest), tested)
        return Digest(self.classes, [("x", self.x), ("y", self.y), *tested])

    @property
    def test_set(self) -> tuple[Tensor, Tensor]:
        """The test data.

        Raises:
            InputError: if they are on another machine.
        """
        if self.test is None:
            raise InputError(
                "The test rows are not on this machine: it can train its own clients, but only "
                "the server, which has them, can evaluate a model."
            )
        return self.test

    @property
    def tried(self) -> tuple[Tensor, Tensor]:
        """An example and a label of each class that is on this machine, to try a model on."""
        x, y = (self.x, self.y) if len(self.y) else self.test_set
        rows = torch.stack([(y == c).long().argmax() for c in y.unique()])
        return x[rows], y[rows]

    @cached_property
    def numbers(self) -> Tensor | None:
        """The number of each row among those of all machines, sorted by owner; None if not spread.

        Rows of other machines are counted behind those of this one.
        """
        if self.spread is None:
            return None
        owners = self._owners()
        order = sorted(range(len(owners or ())), key=(owners or ()).__getitem__)
        return torch.tensor(order, dtype=torch.int64).argsort()

    def _owners(self) -> tuple[str, ...] | None:
        """Return the owner of each row, those of other machines last."""
        absent = self.spread.absent if self.spread else {}
        names = (name for name, counts in absent.items() for _ in range(sum(counts)))
        return self.owners if self.owners is None else (*self.owners, *names)

    def _labels(self) -> Tensor:
        """Return the label of each row; of rows on other machines only how many of each."""
        if self.spread is None:
            return self.y
        counts = [torch.tensor(each) for each in self.spread.absent.values()]
        others = [torch.arange(len(each)).repeat_interleave(each) for each in counts]
        return torch.cat([self.y, *others])

    def split(self, partition: Partition, seed: int = 0) -> "FederatedData":
        """Split the training rows over clients.

        Args:
            partition: the rule, for example ``partitions.iid(20)``.
            seed: fixes what the rule draws at random.

        Raises:
            InputError: if the rule cannot split this data, or does not give every row to
                exactly one client.

        Example:
            >>> from fedqml.data.partitions import iid
            >>> x, y = torch.rand(6, 2), torch.tensor([0, 1, 0, 1, 0, 1])
            >>> [len(rows) for rows in Data(x, y, test=(x, y)).split(iid(3)).clients]
            [2, 2, 2]
        """
        shares = partition(self._labels(), self._owners(), stream(seed, "partition"))
        if not isinstance(shares, Shares):
            raise InputError(
                f"A partition must return `Shares`, but this one returned {type(shares).__name__}."
            )
        if not shares.noise:
            return FederatedData(self, shares.rows, shares.names)
        noisy = with_noise(self.x, shares.rows, shares.noise, seed)
        return FederatedData(replace(self, x=noisy), shares.rows, shares.names, shares.noise)


@dataclass(frozen=True, eq=False)
class FederatedData:
    """Data and which client holds which training rows.

    Attributes:
        data: the pooled data.
        clients: the rows of each client, indices ``(examples,)`` into ``data.x``; every row in
            exactly one. Rows of other machines have numbers beyond those of ``data.x``.
        names: name of each client, or ``None`` for a client without one.
        noise: standard deviation of the noise that each client's features carry; empty if none do.
        further_tests: by name, further examples and labels that the server tests the model on; the
            share that it takes for these labels is the history's column ``test_<name>``.

    Raises:
        InputError: if a client has no row, or a row is not in exactly one client; of data with
            rows on other machines, if a client has not all rows of one owner.

    Example:
        >>> x, y = torch.rand(3, 2), torch.tensor([0, 1, 1])
        >>> clients = (torch.tensor([0, 2]), torch.tensor([1]))
        >>> FederatedData(Data(x, y, test=(x, y)), clients).names
        (None, None)
    """

    data: Data
    clients: tuple[Tensor, ...]
    names: tuple[str | None, ...] = ()
    noise: tuple[float, ...] = ()
    further_tests: Mapping[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clients = tuple(as_labels(f"clients[{i}]", rows) for i, rows in enumerate(self.clients))
        require(len(clients) > 0, "clients", self.clients, "hold the rows of at least one client")
        _require_cover(clients, len(self.data._labels()))
        if self.data.spread and self.data.spread.absent:
            _require_owners(clients, self.data._owners() or ())
        names = tuple(self.names) or (None,) * len(clients)
        if len(names) != len(clients):
            raise InputError(
                "Argument `names` must have an entry for each client, but it has "
                f"{len(names)} for {len(clients)} clients."
            )
        object.__setattr__(self, "clients", clients)
        object.__setattr__(self, "names", names)

    def rows(self, client: int) -> Tensor:
        """Return the rows of a client, to train on.

        Raises:
            InputError: if they are on another machine.
        """
        if not self.is_here(client):
            raise InputError(
                f"Client {client} cannot be trained on this machine: the rows of "
                f"{self.names[client]} are on its owner's. Here they are known by number only."
            )
        return self.clients[client]

    def require_rows(self) -> None:
        """Refuse to train where there is nothing to train on.

        Raises:
            InputError: if the rows of all clients are on other machines.
        """
        if len(self.data.y) == 0:
            raise InputError("No client can be trained on this machine: it has no owner's rows.")

    def is_here(self, client: int) -> bool:
        """Return whether a client's rows are on this machine."""
        return self.data.spread is None or int(self.clients[client][0]) < len(self.data.y)

    def tested_rows(self) -> int:
        """Return how many rows the server tests a model on, further ones included.

        Raises:
            InputError: if the test rows are on another machine.
        """
        return len(self.data.test_set[1]) + sum(len(y) for _, y in self.further_tests.values())

    def fingerprint(self) -> str:
        """Return the SHA-256 of examples, labels, class names and split, in 64 digits.

        Equal data give equal fingerprints on every machine: see ``fingerprint.Digest``.
        Of the pooled data, which all splits share, it is computed once, and again only if PyTorch
        changed them in place: a change of the NumPy array under a tensor goes unnoticed. In the
        place of rows that not every machine has stands ``data.spread.digest``.

        Raises:
            InputError: if the test rows are on another machine.

        Example:
            >>> x, y = torch.zeros(2, 1), torch.tensor([0, 1])
            >>> split = FederatedData(Data(x, y, test=(x, y)), (torch.tensor([0, 1]),))
            >>> split.fingerprint()[:8]
            '53ca45a6'
        """
        numbers = self.data.numbers
        shares = self.clients if numbers is None else (numbers[rows] for rows in self.clients)
        tests = [
            (f"{name} {part}", tensor)
            for name, pair in sorted(self.further_tests.items())
            for part, tensor in zip("xy", pair, strict=True)
        ]
        return self.data.pooled_digest.extended([*(("client", rows) for rows in shares), *tests])

    def common_digest(self) -> str:
        """Return the SHA-256 of what all machines of a federation must have alike.

        Of data that were never pooled that is what all know of them, without the test set, which
        only the server has; of other data all of them.
        """
        return self.data.spread.digest if self.data.spread else self.fingerprint()

    def description(self) -> dict[str, Any]:
        """Return what people need to know of the data and its split, ready for JSON.

        Returns:
            Fingerprint, class names, numbers of training and test rows, shape of an example,
            test rows of each class, and for each client its number, its owner's name, its
            rows, its rows of each class and, if any has some, the noise of its features.

        Example:
            >>> x, y = torch.zeros(3, 1), torch.tensor([0, 1, 1])
            >>> split = FederatedData(Data(x, y, test=(x, y)), (torch.tensor([0, 1, 2]),))
            >>> split.description()["clients"]
            [{'client': 0, 'owner': None, 'examples': 3, 'classes': [1, 2]}]
        """
        data = self.data
        labels, tests = data._labels(), data.test_set[1]
        return {
            "fingerprint": self.fingerprint(),
            "classes": list(data.classes),
            "train": len(labels),
            "test": len(tests),
            "shape": list(data.x.shape[1:]),
            "test_classes": self._counts(tests),
            "about": dict(data.about),
            "clients": [
                {
                    "client": client,
                    "owner": name,
                    "examples": len(rows),
                    "classes": self._counts(labels[rows]),
                    **({"noise": self.noise[client]} if self.noise else {}),
                }
                for client, (rows, name) in enumerate(zip(self.clients, self.names, strict=True))
            ],
        }

    def to(self, dtype: torch.dtype) -> "FederatedData":
        """Return the same data with examples of another precision.

        Args:
            dtype: ``torch.float32`` or ``torch.float64``.

        Raises:
            InputError: for another type, or if a value is too large for it.

        Example:
            >>> x, y = torch.zeros(2, 1), torch.tensor([0, 1])
            >>> split = FederatedData(Data(x, y, test=(x, y)), (torch.tensor([0, 1]),))
            >>> split.to(torch.float64).data.x.dtype
            torch.float64
        """
        precisions = (torch.float32, torch.float64)
        require(dtype in precisions, "dtype", dtype, "be torch.float32 or torch.float64")
        if self.data.x.dtype == dtype:
            return self
        test = self.data.test and (self.data.test[0].to(dtype), self.data.test[1])
        pooled = replace(self.data, x=self.data.x.to(dtype), test=test)
        further = {name: (x.to(dtype), y) for name, (x, y) in self.further_tests.items()}
        return replace(self, data=pooled, further_tests=further)

    def _counts(self, y: Tensor) -> list[int]:
        return torch.bincount(y, minlength=len(self.data.classes)).tolist()


def _require_cover(clients: tuple[Tensor, ...], rows: int) -> None:
    for client, held in enumerate(clients):
        if len(held) == 0:
            raise InputError(
                f"Every client must have a training row, but client {client} has none. Leave it "
                "out of the split, or give it a row."
            )
        if int(held.max()) >= rows:
            raise InputError(
                f"Argument `clients` must hold row numbers below {rows}, but client {client} "
                f"has row {int(held.max())}."
            )
    times = torch.bincount(torch.cat(clients), minlength=rows)
    wrong = (times != 1).nonzero()
    if len(wrong):
        row = int(wrong[0])
        raise InputError(
            "Argument `clients` must hold every training row exactly once, but row "
            f"{row} is there {int(times[row])} times."
        )


def _require_owners(clients: tuple[Tensor, ...], owners: tuple[str, ...]) -> None:
    held = [{owners[row] for row in rows.tolist()} for rows in clients]
    if len(clients) != len(set(owners)) or any(len(names) > 1 for names in held):
        raise InputError(
            "Where rows are on other machines each client must be an owner with all of its rows, "
            "as the partition `by_owner` makes them."
        )
