import pytest
import torch
from jaxtyping import TypeCheckError

from fedqml.core.errors import InputError
from fedqml.core.hashing import uniform
from fedqml.core.keyed import begin_step, forget_numbers, number_layers
from fedqml.quantum import Device, QuantumLayer, ansatze, encodings
from fedqml.quantum.device import check_arguments
from fedqml.quantum.devices import density, parameter_shift

PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0")


@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        (torch.zeros(()), torch.zeros(24), "Argument `x.shape` must be (*batch, 4), as"),
        (torch.zeros(4, 3), torch.zeros(24), "x.shape=(4, 3)"),
        (torch.zeros(4), torch.zeros(1, 24), "Argument `w.shape` must be (24,), as the circuit"),
        (torch.zeros(4), torch.zeros(()), "w.shape=()"),
        (torch.zeros(4, dtype=torch.int64), torch.zeros(24), "Argument `x.dtype` must be float32"),
        (torch.zeros(4), torch.zeros(24, dtype=torch.cfloat), "`w.dtype` must be float32 or"),
        (torch.zeros(4), torch.zeros(24).double(), "must equal the weights' torch.float64"),
        (torch.zeros(4), torch.zeros(24, device="meta"), "`x.device` must equal the weights' meta"),
    ],
)
def test_refuses(x, w, message):
    with pytest.raises(InputError) as error:
        check_arguments(PAPER, x, w)
    assert message in str(error.value)


def test_accepts_any_batch():
    for batch in ((), (0,), (2, 3)):
        check_arguments(PAPER, torch.zeros(*batch, 4), torch.zeros(24))


def noise(circuit, x, w, key):
    return uniform(key, len(circuit.observables)).to(w.dtype)


def test_a_random_device_draws_from_the_key_alone_and_for_every_example():
    device = Device(noise, random=True)
    x, w = torch.zeros(3, 4), torch.zeros(24)
    found = device(PAPER, x, w, torch.tensor(5))
    assert torch.equal(found, device(PAPER, x, w, torch.tensor(5)))
    assert len(torch.cat([found, device(PAPER, x, w, torch.tensor(6))]).unique()) == 6
    # an example draws the same in a longer batch, and can be given a key of its own
    assert torch.equal(device(PAPER, x[:2], w, torch.tensor(5)), found[:2])
    keys = torch.tensor([7, 8, 7])
    own = device(PAPER, x, w, keys)
    assert torch.equal(own[0], own[2])
    assert not torch.equal(own[0], own[1])


def test_a_random_device_needs_a_fitting_key():
    device = Device(noise, random=True)
    with pytest.raises(InputError, match="Argument `key` must be given, as the device draws"):
        device(PAPER, torch.zeros(4), torch.zeros(24))
    with pytest.raises(InputError, match=r"Argument `key\.shape` must be"):
        device(PAPER, torch.zeros(3, 4), torch.zeros(24), torch.zeros(2, dtype=torch.int64))


def test_outside_of_a_federation_a_random_layer_draws_from_pytorch_s_generator():
    x = torch.zeros(2, 4)
    one, other = (
        QuantumLayer(encodings.arctan(4), ansatze.rot_cnot(4), 1, device=Device(noise, True))
        for _ in range(2)
    )
    torch.manual_seed(5)
    first, second, third = one(x), one(x), other(x)
    assert len(torch.cat([first, second, third]).unique()) == 6
    torch.manual_seed(5)
    assert torch.equal(one(x), first)
    with pytest.raises(RuntimeError, match="randomness"):
        torch.vmap(one)(x)
    assert torch.vmap(one, randomness="different")(x).unique().numel() == 2
    number_layers(one)
    assert torch.equal(one(x), other(x)) is False
    forget_numbers(one)
    torch.manual_seed(5)
    assert torch.equal(one(x), first)


@pytest.mark.parametrize("device", ["density", density, 100])
def test_what_is_no_device_is_refused(device):
    for build in (parameter_shift, lambda d: QuantumLayer(PAPER, ansatze.rot_cnot(4), device=d)):
        with pytest.raises((InputError, TypeCheckError), match="device"):
            build(device)


def test_a_random_layer_draws_anew_in_every_call_and_step():
    layer = QuantumLayer(encodings.arctan(4), ansatze.rot_cnot(4), 1, device=Device(noise, True))
    x = torch.zeros(2, 4)
    assert number_layers(layer) == ["key"]
    first, second = layer(x), layer(x)
    begin_step(layer)
    assert torch.equal(layer(x), first)
    other = torch.func.functional_call(layer, {"key": torch.tensor(1)}, x)
    assert len(torch.cat([first, second, other]).unique()) == 6
    assert number_layers(QuantumLayer(encodings.arctan(4), ansatze.rot_cnot(4))) == []
    assert "key" not in layer.state_dict()
