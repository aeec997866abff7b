"""Where clients train: a file each."""

from fedqml.engines.flower import flower
from fedqml.engines.in_place import in_place
from fedqml.engines.sequential import sequential
from fedqml.engines.vectorised import vectorised

__all__ = ["flower", "in_place", "sequential", "vectorised"]
