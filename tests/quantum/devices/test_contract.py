"""What every device promises; a new file is found and tested."""

import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fedqml.core.errors import InputError
from fedqml.experiments.environment import OPTIONAL
from fedqml.quantum import Circuit, Device, ansatze, devices, encodings
from fedqml.quantum.devices.reference import simulate

from ..plugins import check_plugin, factories
from ..strategies import arguments, circuits, numbers, some, value_and_gradients

# PennyLane and Qulacs are optional, and Qulacs is not there for every Python
DEVICES = {
    name: make
    for name, make in factories(devices).items()
    if name not in OPTIONAL or find_spec(name)
}
RANDOM = [name for name in DEVICES if DEVICES[name]().random]
EXACT = [name for name in DEVICES if name not in RANDOM]
KEY = torch.tensor(5)
PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0", "Z1")


@pytest.mark.parametrize("name", DEVICES)
def test_it_is_a_plugin(name):
    check_plugin(devices, name)


@pytest.mark.parametrize("name", DEVICES)
def test_it_is_a_function_that_can_be_sent_to_another_process(name):
    device = DEVICES[name]()
    assert isinstance(device, Device)
    assert device == DEVICES[name]()  # so clients that name it alike are trained as one batch
    twin = pickle.loads(pickle.dumps(device))  # noqa: S301 - our own bytes
    assert twin == device
    x, w = arguments(PAPER, 1, 3)
    torch.testing.assert_close(twin(PAPER, x, w, KEY), device(PAPER, x, w, KEY), rtol=0, atol=0)


@pytest.mark.parametrize("name", EXACT)
@some
@given(circuits(), st.sampled_from([(), (1,), (3,)]), st.integers(0, 1000))
def test_it_equals_the_reference_in_values_and_gradients(name, circuit, batch, seed):
    x, w = arguments(circuit, seed, *batch)
    found = value_and_gradients(DEVICES[name](), circuit, x, w)
    expected = value_and_gradients(simulate, circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", RANDOM)
def test_its_means_over_keys_are_the_references_values_and_gradients(name):
    circuit = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("Z0", "X1", "Z0 Y1")
    x, w = (v.detach() for v in arguments(circuit, 1))
    keys, g, device = torch.arange(300), numbers(3, 3), DEVICES[name]()

    def both(key, x, w):
        values, pull = torch.func.vjp(lambda x, w: device(circuit, x, w, key), x, w)
        return values, *pull(g)

    exact, pull = torch.func.vjp(lambda x, w: simulate(circuit, x, w), x, w)
    found = torch.func.vmap(both, (0, None, None))(keys, x, w)
    for drawn, expected in zip(found, (exact, *pull(g)), strict=True):
        # five standard errors; and a hundredth, as gradients may have a small bias
        allowed = 5 * drawn.std(0) / len(keys) ** 0.5 + 0.01
        assert ((drawn.mean(0) - expected).abs() <= allowed).all()


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("batch", [(), (0,), (1,), (5,), (2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_and_precision_of_the_result(name, batch, dtype):
    device = DEVICES[name]()
    w = numbers(2, 24, dtype=dtype)
    result = device(PAPER, numbers(1, *batch, 4, dtype=dtype), w, KEY)
    assert result.shape == (*batch, 2)
    assert result.dtype == dtype
    # a circuit that reads no inputs has a result for every example, too
    alone = ansatze.rot_cnot(2).measure("Z0", "Z1", "Z0 Z1")
    w = numbers(2, alone.n_weights, dtype=dtype)
    result = device(alone, torch.zeros(*batch, 0, dtype=dtype), w, KEY)
    assert result.shape == (*batch, 3)


@pytest.mark.parametrize("name", DEVICES)
def test_torch_func_maps_and_differentiates_it(name):
    device = DEVICES[name]()

    def loss(w, x, key):
        return device(PAPER, x, w, key).square().sum()

    w, x, keys = 6 * numbers(1, 3, 24), numbers(2, 3, 5, 4), torch.arange(3)
    found = torch.func.vmap(torch.func.grad(loss, argnums=(0, 1)))(w, x, keys)
    for k in range(3):
        leaves = w[k].clone().requires_grad_(), x[k].clone().requires_grad_()
        expected = torch.autograd.grad(loss(*leaves, keys[k]), leaves)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one[k], other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", DEVICES)
def test_a_weight_that_is_no_number_gives_no_number(name):
    w = numbers(2, 24)
    w[:12] = torch.nan
    assert DEVICES[name]()(PAPER, numbers(1, 3, 4), w, KEY).isnan().all()


@pytest.mark.parametrize("name", DEVICES)
def test_it_leaves_its_arguments_alone(name):
    x, w = numbers(1, 5, 4), numbers(2, 24)
    before = x.clone(), w.clone()
    DEVICES[name]()(PAPER, x, w, KEY)
    assert torch.equal(x, before[0])
    assert torch.equal(w, before[1])


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize(
    ("circuit", "x", "w", "message"),
    [
        (PAPER, torch.zeros(2, 3), torch.zeros(24), "Argument `x.shape` must be (*batch, 4)"),
        (PAPER, torch.zeros(2, 4), torch.zeros(25), "Argument `w.shape` must be (24,)"),
        (PAPER, torch.zeros(2, 4), torch.zeros(24).double(), "Argument `x.dtype` must equal"),
        (PAPER, torch.zeros(2, 4).half(), torch.zeros(24).half(), "`x.dtype` must be float32 or"),
        (Circuit(1, ()), torch.zeros(0), torch.zeros(0), "`circuit.observables` must have at"),
    ],
)
def test_it_refuses_arguments_that_do_not_fit(name, circuit, x, w, message):
    with pytest.raises(InputError) as error:
        DEVICES[name]()(circuit, x, w, KEY)
    assert message in str(error.value)


def test_settings_that_are_no_numbers_are_refused():
    # In a process of its own: the check of types in tests would speak before ours does.
    subprocess.run([sys.executable, "-c", PLAIN], check=True, cwd=Path(__file__).parents[3])


PLAIN = """
import math
from fedqml.core.errors import InputError
from fedqml.quantum.devices import sampled, spsa, trajectories

for device, name, value, allowed in [
    (sampled, "shots", 10.5, "a whole number"),
    (sampled, "shots", True, "a whole number"),
    (trajectories, "samples", 10.5, "a whole number"),
    (trajectories, "samples", True, "a whole number"),
    (spsa, "repeats", 2.5, "a whole number"),
    (spsa, "step", math.inf, "above 0 and finite"),
    (spsa, "step", math.nan, "above 0 and finite"),
]:
    try:
        device(**{name: value})
    except InputError as error:
        expected = f"Argument `{name}` must be {allowed}, but {name}={value}."
        assert str(error) == expected, (error, expected)
    else:
        raise AssertionError((name, value))
"""
