"""Parts of models that an experiment file can name as settings."""

from collections.abc import Callable
from typing import Annotated

from torch import nn

from fedqml.core.resolve import Plugin

Core = Annotated[Callable[..., nn.Module], Plugin("fedqml.models.cores", ("width", "classes"))]
"""A function of ``width`` and ``classes`` that returns what makes logits of a head's outputs."""
