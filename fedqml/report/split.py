"""How the data lie on the clients: each different split of an experiment, in facts and a table."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fedqml.report.arms import Experiment
from fedqml.report.formats import count, decimal, listing, plural
from fedqml.report.results import Data
from fedqml.report.tables import Table


@dataclass(frozen=True)
class Split:
    """The clients' data in some arms, with their first seed."""

    arms: tuple[str, ...]
    seed: int
    data: Data

    @property
    def counts(self) -> Float[np.ndarray, "clients classes"]:
        """Return the examples by client and class; one column where there are no classes."""
        rows = [client.classes or (client.examples,) for client in self.data.clients]
        return np.array(rows, dtype=float)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the columns of ``counts``."""
        return self.data.classes or ("examples",)

    @property
    def clients(self) -> tuple[str, ...]:
        """Return what each client is called: its owner's name, or else its number."""
        return tuple(client.owner or str(client.number) for client in self.data.clients)


def splits(experiment: Experiment) -> tuple[Split, ...]:
    """Return every different split over the clients of the federated arms.

    Args:
        experiment: its arms; unfinished ones stand in where none has finished.

    Returns:
        The splits with the arms that share each; none for an experiment without clients.
    """
    arms = experiment.federated or tuple(arm for arm in experiment.begun if not arm.central)
    found: list[Split] = []
    for arm in arms:
        first = arm.runs[0]
        if first.data is None or not first.data.clients:
            continue
        for place, known in enumerate(found):
            if known.data.clients == first.data.clients and known.seed == first.seed:
                found[place] = Split((*known.arms, arm.label), known.seed, known.data)
                break
        else:
            found.append(Split((arm.label,), first.seed, first.data))
    return tuple(found)


def describe(split: Split) -> str:
    """Return the size and the unevenness of a split in a sentence or two.

    The unevenness of the classes is the total variation distance of a client's class shares
    ``p_c`` from those of all clients together, ``p``, averaged over the clients' examples:
    ``sum_c n_c/n sum_j |p_cj - p_j| / 2``.
    """
    counts = split.counts
    sizes = counts.sum(1)
    data = split.data
    kinds = f" in {len(data.classes)} classes" if len(data.classes) > 1 else ""
    shape = " × ".join(map(str, data.shape)) or "1"
    text = (
        f"{count(data.train)} training and {count(data.test)} test examples of shape {shape}"
        f"{kinds}, over {plural(len(sizes), 'client')} with "
        f"{count(sizes.min())} to {count(sizes.max())} training examples each (median "
        f"{count(float(np.median(sizes)))})."
    )
    if len(data.classes) > 1 and sizes.sum() > 0:
        whole = counts.sum(0) / sizes.sum()
        expected = sizes[:, None] * whole
        distance = float(np.abs(counts - expected).sum() / (2 * sizes.sum()))
        text += (
            f" A client’s class shares lie {decimal(distance, 2)} from those of all clients on "
            "average (total variation distance: 0 if every client has the same mix, towards 1 if "
            "none shares a class)."
        )
    noise = [client.noise for client in data.clients]
    if any(noise):
        text += (
            " The clients’ features carry Gaussian noise of standard deviation "
            f"{decimal(min(noise))} to {decimal(max(noise))}."
        )
    return text


def clients_table(split: Split) -> Table:
    """Return the examples of each client by class."""
    owned = any(client.owner for client in split.data.clients)
    rows = tuple(
        (
            str(client.number),
            *([client.owner or ""] if owned else []),
            count(client.examples),
            *map(count, client.classes),
        )
        for client in split.data.clients
    )
    return Table(
        caption=f"Training examples of each client (seed {split.seed}: {listing(split.arms)})",
        head=("Client", *(["Owner"] if owned else []), "Examples", *split.data.classes),
        align="l" + "l" * owned + "r" * (1 + len(split.data.classes)),
        rows=rows,
    )
