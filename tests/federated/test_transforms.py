"""The contract of every transform that clients apply, attacks included: row by row."""

import importlib
import pkgutil

import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.core.updates import Context, Updates
from fedqml.experiments.sections import PLUGINS
from fedqml.federated.transforms import client_momentum, clip

SETTINGS = {
    "clip": {"norm": 1.0},
    "constant": {"attackers": [3, 8], "value": 7.0},
    "free_rider": {"attackers": [3, 8]},
    "gaussian": {"attackers": [3, 8]},
    "model_replacement": {"attackers": [3, 8]},
    "sign_flip": {"attackers": 0.4},
    "top_k": {"fraction": 0.5},
}
PACKAGES = [importlib.import_module(name) for name in PLUGINS["strategy.client"]]
TRANSFORMS = [
    getattr(importlib.import_module(f"{package.__name__}.{m.name}"), m.name)
    for package in PACKAGES
    for m in pkgutil.iter_modules(package.__path__)
]


def apply(transform, delta, clients=None, state=None):
    clients = torch.arange(len(delta)) if clients is None else clients
    context = Context(1, torch.arange(9), torch.zeros(1, delta.shape[1]), seed=0)
    if state is None:
        first = transform.init(context.params[0])
        state = {name: torch.stack([value] * len(delta)) for name, value in first.items()}
    updates = Updates(clients, delta, torch.ones(len(delta)), {})
    after, state = transform.apply(updates, state, context)
    return after.delta, state


@pytest.mark.parametrize("factory", TRANSFORMS)
def test_a_stack_is_handled_as_its_rows_are(factory):
    transform = factory(**SETTINGS.get(factory.__name__, {}))
    delta = 3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    clients = torch.tensor([8, 0, 3, 5, 2])
    together, states = apply(transform, delta, clients)
    for i, client in enumerate(clients):
        alone, state = apply(transform, delta[i : i + 1], client[None])
        assert torch.equal(together[i : i + 1], alone)
        assert all(torch.equal(states[name][i : i + 1], state[name]) for name in states)


def test_clipping_bounds_the_norm_and_keeps_direction_and_short_rows():
    rows = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]], dtype=torch.float64)
    clipped, _ = apply(clip(2.0), rows)
    torch.testing.assert_close(clipped[0], torch.tensor([1.2, 1.6], dtype=torch.float64))
    assert torch.equal(clipped[1:], rows[1:])


def test_clipping_agrees_with_a_published_example():
    # ByzFL's documentation: the first row of [[1,2,3],[4,5,6],[7,8,9]] clipped to norm 2.
    rows, _ = apply(clip(2.0), torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]))
    first = rows[0]
    torch.testing.assert_close(first, torch.tensor([0.53452, 1.06904, 1.60357]), atol=1e-5, rtol=0)


def test_a_norm_that_is_not_positive_is_refused():
    with pytest.raises(InputError, match="`norm` must be positive"):
        clip(0.0)


def test_a_clients_momentum_is_its_running_mean():
    rows, state = torch.tensor([[2.0], [4.0]]), None
    for share in (0.5, 0.75, 0.875):
        sent, state = apply(client_momentum(0.5), rows, state=state)
        torch.testing.assert_close(sent, share * rows)
    with pytest.raises(InputError, match=r"`beta` must be in \[0, 1\)"):
        client_momentum(1.0)
