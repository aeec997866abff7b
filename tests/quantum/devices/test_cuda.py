"""Every device on a GPU, against the reference on the CPU."""

from importlib.util import find_spec

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.func import functional_call, grad, jacfwd, jacrev, vmap

from fedqml.core.errors import InputError
from fedqml.models import dense_vqc
from fedqml.quantum import QuantumLayer, ansatze, encodings
from fedqml.quantum.devices import (
    density,
    parameter_shift,
    pennylane,
    qulacs,
    reference,
    sampled,
    spsa,
    statevector,
    trajectories,
)

from ..strategies import arguments, circuits, numbers, some, value_and_gradients

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="PyTorch finds no GPU here (torch.cuda.is_available())"
)

CUDA = torch.device("cuda")
KEY = torch.tensor(5)
LAYERS = {
    "paper": (encodings.arctan(4), ansatze.rot_cnot(4, depth=2)),
    "angle": (encodings.angle(3, "y", hadamard=True), ansatze.basic_entangling(3)),
    "zz": (encodings.zz(3), ansatze.strongly_entangling(3)),
    "iqp": (encodings.iqp(3), ansatze.hardware_efficient(3)),
    "amplitude": (encodings.amplitude(3), ansatze.brickwork(3)),
    "reuploading": (encodings.reuploading(4), ansatze.rot_cnot(4, entangler="chain")),
}
PAPER = (encodings.arctan(3) + ansatze.rot_cnot(3, depth=2)).measure("Z0", "X1 Y2")
NOISE = {
    "one_qubit": {"amplitude_damping": 0.03, "depolarising": 0.01},
    "two_qubit": {"thermal_relaxation": {"t1": 5.0, "t2": 7.0, "duration": 0.3}, "bit_flip": 0.02},
    "readout": {"p01": 0.02, "p10": 0.05},
}
EXACT = {
    "reference": reference(),
    "statevector": statevector(),
    "backprop": statevector("backprop"),
    "density": density(),
    "parameter_shift": parameter_shift(),
}
# what draws on the CPU draws the same on a GPU; the exact values below it are plain PyTorch's
RANDOM = {
    "sampled": sampled(reference(), shots=500),
    "sampled with noise": sampled(density(NOISE), shots=500),
    "spsa": spsa(reference(), repeats=3),
    "trajectories": trajectories(NOISE, samples=20),
}
# angles of zz and iqp are products: large, and so are the slopes
PRECISION = {torch.float64: 1e-10, torch.float32: 1e-4}


def close(found, expected, dtype=torch.float64):
    """Compare what is on the GPU with what is on the CPU, there in double precision."""
    assert found.device.type == "cuda"
    assert found.dtype == dtype
    torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=PRECISION[dtype])


def layer(name, device=None, dtype=torch.float64):
    """A layer with weights that both precisions hold exactly."""
    encoding, ansatz = LAYERS[name]
    words = ["Z0", f"X1 Y{ansatz.n_qubits - 1}"]
    made = QuantumLayer(encoding, ansatz, measure=words, device=device).to(dtype)
    made.load_state_dict({"weights": numbers(2, *made.weights.shape).float().to(dtype)})
    return made


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("batch", [(), (0,), (5,), (2, 3)])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_have_the_values_and_gradients_of_the_reference(name, batch, dtype):
    with_gradients = []
    for device, place, precision in ((reference(), "cpu", torch.float64), (None, CUDA, dtype)):
        made = layer(name, device, precision).to(place)
        x = numbers(1, *batch, made.in_features).float().to(place, precision).requires_grad_()
        values = made(x)
        (values * numbers(3, *values.shape).to(values)).sum().backward()
        with_gradients.append((values.detach(), x.grad, made.weights.grad))
    for expected, found in zip(*with_gradients, strict=True):
        close(found, expected, dtype)


@pytest.mark.parametrize("name", EXACT)
@some
@given(circuits(), st.sampled_from([(), (1,), (3,)]), st.integers(0, 1000))
def test_exact_devices_are_the_reference(name, circuit, batch, seed):
    x, w = arguments(circuit, seed, *batch)
    expected = value_and_gradients(reference(), circuit, x, w)
    there = [tensor.detach().to(CUDA).requires_grad_() for tensor in (x, w)]
    for found, other in zip(_on_gpu(EXACT[name], circuit, *there), expected, strict=True):
        close(found, other)


def _on_gpu(device, circuit, x, w):
    values = device(circuit, x, w)
    total = (values * numbers(99, *values.shape).to(CUDA)).sum()
    if not total.requires_grad:
        return values, torch.zeros_like(x), torch.zeros_like(w)
    found = torch.autograd.grad(total, (x, w), allow_unused=True, materialize_grads=True)
    return values.detach(), *found


@pytest.mark.parametrize("dtype", PRECISION)
@pytest.mark.parametrize("make", [qulacs, pennylane])
def test_libraries_that_compute_on_the_cpu_return_to_the_gpu(make, dtype):
    if not find_spec(make.__name__):
        pytest.skip(f"{make.__name__} is not installed")
    x, w = numbers(1, 5, 3).float(), numbers(2, 18).float()
    expected = _loss_gradients(reference(), x.double(), w.double())
    found = _loss_gradients(make(), x.to(CUDA, dtype), w.to(CUDA, dtype))
    for one, other in zip(found, expected, strict=True):
        close(one, other, dtype)


@pytest.mark.parametrize("dtype", PRECISION)
def test_noisy_circuits_are_those_on_the_cpu(dtype):
    x, w = numbers(1, 5, 3).float(), numbers(2, 18).float()
    expected = _loss_gradients(density(NOISE), x.double(), w.double())
    found = _loss_gradients(density(NOISE), x.to(CUDA, dtype), w.to(CUDA, dtype))
    for one, other in zip(found, expected, strict=True):
        close(one, other, dtype)


def _loss_gradients(device, x, w, key=None):
    def loss(x, w):
        values = device(PAPER, x, w, key)
        return values.square().sum(), values

    gradients, values = grad(loss, argnums=(0, 1), has_aux=True)(x, w)
    return values, *gradients


@pytest.mark.parametrize("name", RANDOM)
def test_random_devices_draw_what_they_draw_on_the_cpu(name):
    x, w = numbers(1, 5, 3), numbers(2, 18)
    device = RANDOM[name]
    for key in (KEY, torch.arange(5)):
        expected = _loss_gradients(device, x, w, key)
        # a key may stay on the CPU
        for place in (CUDA, "cpu"):
            found = _loss_gradients(device, x.to(CUDA), w.to(CUDA), key.to(place))
            for one, other in zip(found, expected, strict=True):
                close(one, other)


@pytest.mark.parametrize("name", RANDOM)
def test_random_devices_in_single_precision(name):
    x, w, keys = numbers(1, 400, 3).float(), numbers(2, 18).float(), torch.arange(400)
    expected = RANDOM[name](PAPER, x.double(), w.double(), keys)
    found = RANDOM[name](PAPER, x.to(CUDA), w.to(CUDA), keys.to(CUDA))
    assert found.dtype == torch.float32
    # rounding may turn a few of all shots
    differing = (found.cpu().double() - expected).abs() > PRECISION[torch.float32]
    assert differing.double().mean() < 0.01


@pytest.mark.parametrize("name", [*EXACT, *RANDOM])
def test_clients_are_mapped(name):
    """As engines do: functional_call, grad and vmap over weights, inputs and keys."""
    device = (EXACT | RANDOM)[name]
    made = layer("paper", device)
    w, x, keys = 6 * numbers(1, 3, 24), numbers(2, 3, 5, 4), torch.arange(3)

    def loss(w, x, key):
        named = {"weights": w} | ({"key": key} if made.random else {})
        return functional_call(made, named, x).square().sum()

    if made.random:
        made.layer = 0  # keys are given
    found = []
    for place in ("cpu", CUDA):
        made.to(place)
        made.calls = 0
        there = w.to(place), x.to(place), keys.to(place)
        found.append(vmap(grad(loss, argnums=(0, 1)))(*there))
    for expected, other in zip(*found, strict=True):
        close(other, expected)


@pytest.mark.parametrize("name", EXACT)
def test_second_derivatives(name):
    x, w = numbers(1, 3), numbers(2, 18)

    def curvature(device, x, w, outer=jacrev):
        values = jacrev(lambda x, w: device(PAPER, x, w), argnums=(0, 1))
        return outer(lambda x, w: torch.cat(values(x, w), -1), argnums=(0, 1))(x, w)

    expected = curvature(reference(), x, w)
    for outer in (jacrev, jacfwd) if name != "parameter_shift" else (jacrev,):
        found = curvature(EXACT[name], x.to(CUDA), w.to(CUDA), outer)
        for one, other in zip(found, expected, strict=True):
            close(one, other)
    # and by PyTorch's own graph
    leaf = w.to(CUDA).requires_grad_()
    (slope,) = torch.autograd.grad(
        EXACT[name](PAPER, x.to(CUDA), leaf).sum(), leaf, create_graph=True
    )
    (second,) = torch.autograd.grad(slope.sum(), leaf)
    close(second, expected[1].sum(0)[3:].sum(0))


@pytest.mark.parametrize("dtype", PRECISION)
def test_a_training_step(dtype):
    torch.manual_seed(0)
    model = dense_vqc((30,), 2, qubits=4, dropout=0.0).double()
    first = {name: value.float().double() for name, value in model.state_dict().items()}
    x, y = numbers(1, 32, 30).float(), torch.arange(32) % 2
    after = []
    for place, precision in (("cpu", torch.float64), (CUDA, dtype)):
        model.load_state_dict(first)
        model.to(place, precision)
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = nn.functional.cross_entropy(model(x.to(place, precision)), y.to(place))
        loss.backward()
        optimiser.step()
        after.append([loss.detach(), *(p.detach().clone() for p in model.parameters())])
        optimiser.zero_grad()
    for expected, found in zip(*after, strict=True):
        close(found, expected, dtype)


@pytest.mark.parametrize("name", RANDOM)
def test_a_layer_on_a_gpu_draws_keys_of_its_own(name):
    made = layer("paper", RANDOM[name]).to(CUDA)
    x = numbers(1, 5, 4).to(CUDA)
    torch.manual_seed(5)
    first, second = made(x), made(x)
    torch.manual_seed(5)
    assert torch.equal(made(x), first)
    if name != "spsa":  # its values are exact
        assert not torch.equal(first, second)
    made(x).sum().backward()
    assert made.weights.grad.isfinite().all()


def test_many_rows_and_qubits():
    """More than are evaluated at once, and a state of some size."""
    x, w = numbers(1, 3000, 3), numbers(2, 18)
    rows = [0, 1500, 2999]
    for device in (*EXACT.values(), *RANDOM.values()):
        found = device(PAPER, x.to(CUDA), w.to(CUDA), KEY)
        assert found.shape == (3000, 2)
        if not device.random:
            close(found[rows], reference()(PAPER, x[rows], w))
    wide = (encodings.arctan(12) + ansatze.rot_cnot(12)).measure("Z0", "X3 Y11")
    x, w = numbers(1, 4, 12), numbers(2, wide.n_weights)
    close(statevector()(wide, x.to(CUDA), w.to(CUDA)), reference()(wide, x, w))


@pytest.mark.parametrize("dtype", PRECISION)
def test_memory_is_that_of_a_few_states_at_any_depth(dtype):
    qubits, batch = 12, 512
    for depth in (1, 6, 12):
        circuit = (encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth)).measure("Z0", "Z1")
        x = numbers(1, batch, qubits).to(CUDA, dtype)
        w = numbers(2, circuit.n_weights).to(CUDA, dtype).requires_grad_()
        for _ in range(2):  # the tables are made by the first call
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            statevector()(circuit, x, w).sum().backward()
        peak = torch.cuda.max_memory_allocated() - before
        # that kept for the gradient is one of them
        assert peak < 6 * batch * 2**qubits * dtype.to_complex().itemsize


def test_a_weight_that_is_no_number_gives_no_number():
    w = torch.full((18,), torch.nan, dtype=torch.float64, device=CUDA)
    for device in (*EXACT.values(), *RANDOM.values()):
        assert device(PAPER, numbers(1, 3, 3).to(CUDA), w, KEY).isnan().all()


def test_inputs_and_weights_must_be_in_one_place():
    x, w = numbers(1, 5, 3), numbers(2, 18)
    with pytest.raises(InputError, match=r"Argument `x\.device` must equal the weights' cuda:0"):
        statevector()(PAPER, x, w.to(CUDA))
    with pytest.raises(InputError, match=r"Argument `x\.device` must equal the weights' cpu"):
        statevector()(PAPER, x.to(CUDA), w)
