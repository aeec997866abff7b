import torch
from torch.fx.experimental.proxy_tensor import make_fx

from fedqml.core.operators import function_of, operator


def test_a_trace_holds_a_function_of_numpy_as_one_operation():
    def squared(x):
        return torch.from_numpy(x.numpy() ** 2)

    made = operator("test_squared(Tensor x) -> Tensor", squared, torch.empty_like)
    traced = make_fx(lambda x: made(x) + 1, tracing_mode="fake")(torch.ones(2))
    x = torch.tensor([2.0, 3.0])
    assert torch.equal(traced(x), x**2 + 1)
    targets = [node.target for node in traced.graph.nodes if node.op == "call_function"]
    assert made in targets
    assert function_of(made) is squared
    assert function_of(torch.ops.aten.sin.default) is None
    assert function_of(squared) is None
