"""A dense layer on features that are all repeated, with the weights of one copy."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class RepeatedLinear(nn.Module):
    """``Linear(copies * features, outputs)`` on features each repeated ``copies`` times.

    Of the whole layer's weight matrix the copies ``W_j`` of a feature's column get the same
    gradient, that of ``V = sum_j W_j``, hence under SGD, momentum or Adam the same steps u from
    wherever they start: ``V = V_0 + copies * u``. So it is enough to train u, from 0, with the
    gradient that one copy gets, which is the gradient by V. The means of clients' updates, which
    are linear in u, agree, too. What does not: rules that use the size of a
    weight or of the whole update, such as weight decay and clipping, see u and not all copies.

    First weights are those of the whole layer, drawn and then added up, so that equal seeds give
    equal models.

    Args:
        features: features before they are repeated.
        copies: how often each is repeated, one copy next to the other.
        outputs: of the layer.

    Example:
        >>> layer = RepeatedLinear(2, 3, 4)
        >>> sum(p.numel() for p in layer.parameters()), layer.extra_repr()
        (12, 'features=2, copies=3, outputs=4')
    """

    start: Tensor

    def __init__(self, features: int, copies: int, outputs: int) -> None:
        super().__init__()
        whole = nn.Linear(features * copies, outputs)
        self.copies = copies
        start = whole.weight.detach().view(outputs, features, copies).sum(-1)
        self.register_buffer("start", start)
        self.weight = nn.Parameter(torch.zeros_like(start))
        self.bias = nn.Parameter(whole.bias.detach().clone())

    def forward(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch outputs"]:
        """Return what the whole layer gives for the repeated features."""
        return functional.linear(x, _Sum.apply(self.start, self.weight, self.copies), self.bias)

    def extra_repr(self) -> str:
        """Show the sizes."""
        outputs, features = self.weight.shape
        return f"features={features}, copies={self.copies}, outputs={outputs}"


class _Sum(torch.autograd.Function):
    """``V_0 + copies * u``, with the gradient by u that a single copy has."""

    generate_vmap_rule = True

    @staticmethod
    def forward(start: Tensor, step: Tensor, copies: int) -> Tensor:
        return torch.add(start, step, alpha=copies)

    @staticmethod
    def setup_context(ctx: object, inputs: tuple[Tensor, Tensor, int], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, gradients[0], None
