"""How much a client can do in a round."""

from dataclasses import dataclass

from fedqml.core.errors import whole


@dataclass(frozen=True)
class Budget:
    """What a client whose hardware is not that of the others trains in a round.

    Attributes:
        epochs: passes over its data, in place of those of the local rule.
        batches: at most so many batches; more are left out of its first epochs.

    Raises:
        InputError: if one is less than 1.

    Example:
        >>> Budget(batches=3).samples(10, batch_size=4, epochs=2)
        10
        >>> Budget(batches=4).samples(10, batch_size=4, epochs=2)
        12
    """

    epochs: int | None = None
    batches: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batches"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), least=1)

    def samples(self, rows: int, batch_size: int, epochs: int) -> int:
        """Return how many examples a client of so many rows trains on in a round.

        Args:
            rows: its training rows.
            batch_size: examples a batch.
            epochs: those of the local rule.
        """
        epochs = self.epochs or epochs
        steps = -(-rows // batch_size)
        if self.batches is None or self.batches >= epochs * steps:
            return epochs * rows
        passes, rest = divmod(self.batches, steps)
        short = rows - (steps - 1) * batch_size
        return passes * rows + (short + (rest - 1) * batch_size if rest else 0)
