"""Data that were never pooled: what a machine knows of rows that lie on others."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """What every machine of a federation knows of the training rows, wherever they lie.

    Attributes:
        digest: stands for all of them in the data's fingerprint; the same on every machine.
        absent: the owners whose rows are on other machines, and how many of each class they have.
    """

    digest: str
    absent: Mapping[str, tuple[int, ...]]
