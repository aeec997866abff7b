"""The layer under torch.func: what PennyLane's TorchLayer gets wrong has to be right here."""

import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from fedqml.quantum import QuantumLayer, ansatze, encodings

from .strategies import numbers

CLIENTS, BATCH = 3, 5
X = numbers(1, CLIENTS, BATCH, 4)
W = 6 * numbers(2, CLIENTS, 24)


@pytest.fixture(scope="module")
def call():
    """(weights, inputs) -> outputs, by the layer with its parameter replaced."""
    layer = QuantumLayer(encodings.arctan(4), ansatze.rot_cnot(4, depth=2), measure=2).double()
    return lambda w, x: functional_call(layer, {"weights": w}, (x,))


def loss(call, w, x):
    return call(w, x).square().sum() + call(w, x)[..., 0].sum()


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_substituted_weights_are_the_ones_evaluated(call):
    assert (call(W[0], X[0]) - call(W[1], X[0])).abs().max() > 0.1
    changed = W[0].clone()
    changed[1] += 1e-3
    assert not torch.equal(call(changed, X[0]), call(W[0], X[0]))


def test_vmap_over_weights_is_the_loop(call):
    same(vmap(call, (0, None))(W, X[0]), torch.stack([call(w, X[0]) for w in W]))


def test_vmap_over_inputs_is_the_batch(call):
    same(vmap(call, (None, 0))(W[0], X[0]), call(W[0], X[0]))
    same(vmap(call, (None, 1), out_dims=1)(W[0], X), call(W[0], X))


def test_vmap_over_clients_is_the_loop(call):
    same(vmap(call)(W, X), torch.stack([call(w, x) for w, x in zip(W, X, strict=True)]))
    nested = vmap(vmap(call, (None, 0)))(W, X)
    same(nested, vmap(call)(W, X))


@pytest.mark.parametrize("argument", [0, 1])
def test_per_example_gradients_are_those_one_at_a_time(call, argument):
    def one(w, x):
        return loss(call, w, x)

    together = vmap(grad(one, argument), (None, 0))(W[0], X[0])
    apart = torch.stack([grad(one, argument)(W[0], x) for x in X[0]])
    same(together, apart)
    assert together.abs().max() > 0.1
    # and those of ordinary backward
    w, x = W[0].clone().requires_grad_(), X[0].clone().requires_grad_()
    found = torch.autograd.grad(one(w, x), (w, x)[argument])[0]
    same(found, together.sum(0) if argument == 0 else together)


def test_gradients_of_stacked_clients_are_those_of_each(call):
    def one(w, x):
        return loss(call, w, x)

    together = vmap(grad(one, argnums=(0, 1)))(W, X)
    for k in range(CLIENTS):
        for found, expected in zip(together, grad(one, argnums=(0, 1))(W[k], X[k]), strict=True):
            same(found[k], expected)


def test_forward_and_reverse_derivatives_agree(call):
    tangents = numbers(3, 24), numbers(4, BATCH, 4)
    cotangent = numbers(5, BATCH, 2)
    value, pushed = jvp(call, (W[0], X[0]), tangents)
    again, pull = vjp(call, W[0], X[0])
    same(value, again)
    pulled = pull(cotangent)
    left = (cotangent * pushed).sum()
    right = sum((a * b).sum() for a, b in zip(tangents, pulled, strict=True))
    same(left, right)
    same(jacrev(call)(W[0], X[0]), jacfwd(call)(W[0], X[0]))


def test_second_derivatives(call):
    by_torch = hessian(lambda w: loss(call, w, X[0, :1]))(W[0])
    same(by_torch, by_torch.T)
    w = W[0].clone().requires_grad_()
    first = torch.autograd.grad(loss(call, w, X[0, :1]), w, create_graph=True)[0]
    rows = [torch.autograd.grad(entry, w, retain_graph=True)[0] for entry in first[:4]]
    same(torch.stack(rows), by_torch[:4])


def test_gradcheck_and_gradgradcheck():
    layer = QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2, depth=1)).double()

    def call(w, x):
        return functional_call(layer, {"weights": w}, (x,))

    w = (6 * numbers(6, 6)).requires_grad_()
    x = numbers(7, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(call, (w, x), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, (w, x))


def test_nothing_is_left_behind_by_inference_mode_or_a_transform(call):
    """Constants made in one mode must not be met again in another."""
    with torch.inference_mode():
        call(W[0], X[0])
    vmap(grad(lambda w, x: loss(call, w, x)))(W, X)
    w = W[0].clone().requires_grad_()
    assert torch.autograd.grad(loss(call, w, X[0]), w)[0].isfinite().all()


def test_nine_of_the_papers_24_angles_have_no_influence(call):
    # nothing behind the last ring on qubits 2 and 3, and no last RZ, reaches Z0 and Z1; pulled back
    # through that ring, they have a Z or nothing on qubit 3, which its RZ before commutes with
    gradients = vmap(grad(lambda w, x: call(w, x)[..., 0].sum() + 2 * call(w, x)[..., 1].sum()))(
        6 * numbers(8, 20, 24), numbers(9, 20, BATCH, 4)
    )
    largest = gradients.abs().amax(0).reshape(2, 4, 3)  # (depth, qubit, αβγ)
    silent = torch.zeros(2, 4, 3, dtype=torch.bool)
    silent[1, 2:] = True
    silent[1, :2, 2] = True
    silent[0, 3, 2] = True
    assert silent.sum() == 9
    assert largest[silent].max() < 1e-13
    assert largest[~silent].min() > 1e-2
