"""The paper's model behind VGG16's frozen convolutions: dense layers, then a circuit."""

import math
from itertools import pairwise

from torch import nn

from fedqml.core.errors import InputError, require, whole
from fedqml.models.cores.circuit import circuit
from fedqml.models.plugins import Core
from fedqml.models.repeated_linear import RepeatedLinear
from fedqml.quantum.layer import QuantumLayer


def vgg_vqc(
    shape: tuple[int, ...],
    classes: int,
    grid: int = 7,
    hidden: list[int] = [4096, 4096],  # noqa: B006 (an experiment file's default is a list)
    dropout: float = 0.5,
    width: int = 4,
    core: Core = circuit,
) -> nn.Module:
    """Return VGG16's pooling, dense layers with ReLU and dropout, and a core that gives the logits.

    With the settings left out, behind VGG16's convolutions it is the paper's model, as far as the
    paper tells (see the experiment `open_points`): Linear
    25088-4096, ReLU, Dropout 0.5, Linear 4096-4096, ReLU, Dropout 0.5, Linear 4096-4 (table I), and
    the 4-qubit circuit: 119,562,244 weights and 24 angles. ``hidden = []`` is the light head, a
    single dense layer.

    Where the map is 1 x 1, as VGG16 gives for images of 32 x 32, the pooling repeats each channel
    grid^2 times. Then the first layer is a ``RepeatedLinear``: the same training with so many times
    fewer weights in that layer, and fewer bytes sent. Not the same under weight decay, clipping, or
    any other rule that uses sizes of weights or updates.

    Args:
        shape: of an example: a map of features ``(channels, height, width)``, or a list of
            features ``(n,)``, which is not pooled.
        classes: how many classes there are.
        grid: the side to which a map is pooled by averages, 7 in VGG16; without effect for a list
            of features.
        hidden: outputs of the dense layers that ReLU and dropout follow.
        dropout: probability of dropping one of these outputs in training.
        width: outputs of the last dense layer, inputs of the core.
        core: what makes the logits: ``circuit``, or what an ablation puts in its place.

    Raises:
        InputError: if a value is out of range or the shape is another.

    Example:
        >>> model = vgg_vqc((512, 1, 1), 2, hidden=[16])
        >>> print(model)
        Sequential(
          (0): Flatten(start_dim=1, end_dim=-1)
          (1): RepeatedLinear(features=512, copies=49, outputs=16)
          (2): ReLU()
          (3): Dropout(p=0.5, inplace=False)
          (4): Linear(in_features=16, out_features=4, bias=True)
          (5): QuantumLayer(qubits=4, in_features=4, out_features=2, weights=24, measure='Z0, Z1', \
readout=expectation)
        )

    Source: Chen and Yoo, arXiv:2103.12010, table I and figures 3 and 4; the pooling is that of
        torchvision's VGG16.
    """
    whole("grid", grid, least=1)
    whole("width", width, least=1)
    require(0 <= dropout < 1, "dropout", dropout, "be in [0, 1)")
    require(all(size >= 1 for size in hidden), "hidden", hidden, "hold positive numbers")
    if len(shape) not in (1, 3):
        raise InputError(
            "`vgg_vqc` needs a map of features (channels, height, width), such as the backbone "
            f"vgg16 gives, or a list of features, but an example has the shape {tuple(shape)}."
        )
    last = core(width=width, classes=classes)
    inputs = last.in_features if isinstance(last, QuantumLayer) else width
    outputs = [*hidden, inputs]
    layers: list[nn.Module] = []
    copies = grid**2 if tuple(shape[1:]) == (1, 1) else 1
    if copies > 1:
        layers += [nn.Flatten(), RepeatedLinear(shape[0], copies, outputs[0])]
    elif len(shape) == 3:
        # Of a map of that size the pooling is the identity, and not quick.
        same = tuple(shape[1:]) == (grid, grid)
        layers += [
            nn.Identity() if same else nn.AdaptiveAvgPool2d(grid),
            nn.Flatten(),
            nn.Linear(shape[0] * grid**2, outputs[0]),
        ]
    else:
        layers += [nn.Linear(math.prod(shape), outputs[0])]
    for before, after in pairwise(outputs):
        layers += [nn.ReLU(), nn.Dropout(dropout), nn.Linear(before, after)]
    return nn.Sequential(*layers, last)
