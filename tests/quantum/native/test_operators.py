import torch
from torch.fx.experimental.proxy_tensor import make_fx

from fedqml.quantum import ansatze, encodings
from fedqml.quantum.layer import QuantumLayer


def test_a_trace_of_a_layer_s_gradients_serves_other_inputs():
    layer = QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2, depth=1), measure=2).double()

    def loss(w, x):
        return (torch.func.functional_call(layer, {"weights": w}, (x,)) ** 2).sum()

    function = torch.func.vmap(torch.func.grad_and_value(loss))
    generator = torch.Generator().manual_seed(0)
    one, other = (
        [
            torch.rand(shape, generator=generator, dtype=torch.float64)
            for shape in ((3, 6), (3, 4, 2))
        ]
        for _ in range(2)
    )
    traced = make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(*one)
    targets = {str(node.target) for node in traced.graph.nodes}
    assert {"fedqml.expectations.default", "fedqml.gradients.default"} <= targets
    for a, b in zip(traced(*other), function(*other), strict=True):
        assert torch.equal(a, b)
