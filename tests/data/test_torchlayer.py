"""PennyLane's own layer evaluates the weights it stores: refused, not trained wrongly."""

import warnings

import pytest
import torch
from torch import nn

from fedqml.core.errors import InputError
from tests.federations import task

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    qml = pytest.importorskip("pennylane")


def torch_layer():
    @qml.qnode(qml.device("default.qubit", wires=2), interface="torch")
    def circuit(inputs, weights):
        qml.AngleEmbedding(inputs, wires=range(2))
        qml.BasicEntanglerLayers(weights, wires=range(2))
        return [qml.expval(qml.PauliZ(i)) for i in range(2)]

    return nn.Sequential(nn.Linear(3, 2), qml.qnn.TorchLayer(circuit, {"weights": (1, 2)}))


@pytest.mark.filterwarnings("ignore")
def test_a_layer_that_ignores_the_weights_it_is_called_with_is_refused():
    layer = torch_layer().double()
    x = torch.ones(1, 3, dtype=torch.float64)
    zeros = {name: torch.zeros_like(p) for name, p in layer[1].named_parameters()}
    assert torch.equal(
        torch.func.functional_call(layer[1], zeros, x[:, :2]), layer[1](x[:, :2])
    )  # the fault itself
    with pytest.raises(InputError, match="as PennyLane's TorchLayer does"):
        task(torch_layer).objective(0)
