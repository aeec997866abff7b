"""Nothing in the circuit's place: the head alone."""

from jaxtyping import Float
from torch import Tensor, nn

from fedqml.core.errors import require


def none(width: int, classes: int) -> nn.Module:
    """Return a layer that takes the first ``classes`` outputs of the head as the logits.

    Args:
        width: the numbers that it reads.
        classes: the logits that it gives.

    Raises:
        InputError: if there are more classes than outputs.

    Example:
        >>> import torch
        >>> none(4, 2)(torch.tensor([[1.0, 2.0, 3.0, 4.0]]))
        tensor([[1., 2.]])
    """
    require(classes <= width, "width", width, f"be at least the number of classes, {classes}")
    return _First(classes)


class _First(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, x: Float[Tensor, "batch width"]) -> Float[Tensor, "batch classes"]:
        return x[..., : self.classes]
