"""A layer on repeated features trains as the whole layer does, by every rule and through a mean."""

import pytest
import torch
from torch import nn

from fedqml.core.transform import Strategy
from fedqml.data.dataset import Data
from fedqml.data.losses import cross_entropy
from fedqml.data.partitions import iid
from fedqml.data.task import Task
from fedqml.engines import in_place, sequential, vectorised
from fedqml.experiments.python import run
from fedqml.federated.aggregators import mean
from fedqml.federated.local import adam, sgd
from fedqml.models.repeated_linear import RepeatedLinear
from fedqml.models.vgg_vqc import vgg_vqc

FEATURES, COPIES = 6, 49


def repeated(x):
    """Repeat as VGG16's pooling does: a channel's copies lie next to each other."""
    return nn.Flatten()(nn.AdaptiveAvgPool2d(7)(x[:, :, None, None]))


class Whole(nn.Module):
    """The same model with every copy's weights."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(FEATURES * COPIES, 8)
        self.rest = nn.Sequential(nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))

    def forward(self, x):
        return self.rest(self.first(repeated(x)))


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = RepeatedLinear(FEATURES, COPIES, 8)
        self.rest = nn.Sequential(nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))

    def forward(self, x):
        return self.rest(self.first(x))


def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(60, FEATURES, generator=generator, dtype=torch.float64)
    y = (x.sum(1) > FEATURES / 2).long()
    return Data(x[:40], y[:40], test=(x[40:], y[40:])).split(iid(4))


@pytest.mark.parametrize(
    "local",
    [
        sgd(lr=0.05, epochs=2, batch_size=4),
        sgd(lr=0.02, batch_size=4, momentum=0.9),
        adam(lr=0.01, epochs=2, batch_size=4),
        adam(lr=0.01, batch_size=4, keep_state=True),
    ],
)
@pytest.mark.parametrize("engine", [sequential, vectorised, in_place])
def test_it_gives_the_model_of_the_whole_layer_after_rounds_of_averaging(local, engine):
    histories = [
        run(
            Task(model, cross_entropy, data(), dtype=torch.float64),
            local,
            Strategy(server=mean()),
            rounds=4,
            clients_per_round=3,
            engine=engine(),
        )
        for model in (Whole, Small)
    ]
    whole, small = (history.weights for history in histories)
    columns = whole["first.weight"].view(8, FEATURES, COPIES).sum(-1)
    start = histories[1].model().first.start
    # First weights are drawn, and added up, in single precision.
    torch.testing.assert_close(start + COPIES * small["first.weight"], columns, rtol=0, atol=2e-6)
    for name in ("first.bias", "rest.2.weight", "rest.2.bias"):
        torch.testing.assert_close(small[name], whole[name], rtol=0, atol=2e-6)
    assert small["first.weight"].abs().max() > 1e-3  # it was trained
    for name in ("train_loss", "test_loss"):
        a, b = (torch.tensor(history.column(name)[1:]) for history in histories)
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_every_copy_moves_alike_and_by_what_the_small_layer_trains():
    torch.manual_seed(1)
    whole = nn.Linear(FEATURES * COPIES, 3, dtype=torch.float64)
    small = RepeatedLinear(FEATURES, COPIES, 3).double()
    small.start = whole.weight.detach().view(3, FEATURES, COPIES).sum(-1)
    small.bias.data = whole.bias.detach().clone()
    before = whole.weight.detach().clone()
    x = torch.rand(5, FEATURES, dtype=torch.float64)
    for make in (lambda p: torch.optim.SGD(p, 0.1), lambda p: torch.optim.Adam(p, 0.01)):
        pairs = [(whole, repeated(x)), (small, x)]
        optimisers = [make(layer.parameters()) for layer, _ in pairs]
        for _ in range(3):
            for (layer, inputs), optimiser in zip(pairs, optimisers, strict=True):
                optimiser.zero_grad()
                layer(inputs).tanh().sum().backward()
                optimiser.step()
        moved = (whole.weight.detach() - before).view(3, FEATURES, COPIES)
        expected = small.weight.detach()[..., None].expand_as(moved)
        torch.testing.assert_close(moved, expected, rtol=1e-9, atol=1e-12)


def test_vgg_vqc_on_a_small_map_is_the_model_on_the_whole_map():
    torch.manual_seed(2)
    small = vgg_vqc((5, 1, 1), 2, hidden=[12]).eval()
    torch.manual_seed(2)
    whole = vgg_vqc((5, 7, 7), 2, hidden=[12]).eval()
    x = torch.rand(9, 5, 1, 1)
    torch.testing.assert_close(small(x), whole(x.expand(9, 5, 7, 7)), rtol=1e-5, atol=1e-6)
