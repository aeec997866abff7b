import pytest
from torch import nn

from fedqml.core.errors import InputError
from fedqml.quantum import QuantumLayer, ansatze, devices, encodings, on


def test_every_circuit_of_a_copy_runs_on_the_device():
    def layer():
        return QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2))

    model = nn.Sequential(layer(), nn.Sequential(nn.Linear(2, 2), layer()))
    moved = on(devices.reference())(model)
    assert {moved[0].device, moved[1][1].device} == {devices.reference()}
    assert {model[0].device, model[1][1].device} == {devices.statevector()}


def test_equal_devices_are_equal_equipment():
    assert on(devices.reference()) == on(devices.reference()) != on(devices.statevector())


def test_a_model_without_circuits_is_refused():
    with pytest.raises(InputError, match="no quantum layer"):
        on(devices.reference())(nn.Linear(2, 2))
