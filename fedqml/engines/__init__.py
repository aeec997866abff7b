"""Where clients train: a file each."""

from fedqml.engines.sequential import sequential
from fedqml.engines.vectorised import vectorised

__all__ = ["sequential", "vectorised"]
