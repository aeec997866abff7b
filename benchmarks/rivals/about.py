"""What a rival says of itself."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class About:
    """A rival.

    Attributes:
        title: its name in tables.
        packages: whose versions are reported.
        way: how it handles examples: ``loop``, one after the other, also where its interface
            takes a batch; ``batch``, together; ``jit``, together, by code compiled for each shape.
    """

    title: str
    packages: tuple[str, ...]
    way: Literal["loop", "batch", "jit"]
