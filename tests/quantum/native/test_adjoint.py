"""The default device where PyTorch's operations stand in for the kernels, as on GPUs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import grad, jacfwd, jacrev, vjp, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from fedqml.core.errors import InputError
from fedqml.quantum import Angle, Circuit, Op, ansatze, encodings
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.devices.statevector import evaluate, statevector
from fedqml.quantum.native import adjoint, call
from fedqml.quantum.native.plan import plan
from fedqml.quantum.native.program import compile

from ..strategies import arguments, circuits, numbers, value_and_gradients
from .memory import Memory

PRECISION = {torch.float64: 1e-12, torch.float32: 1e-5}


def paper(qubits=4, depth=2, words=("Z0", "X1 Y2")):
    return (encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth)).measure(*words)


@pytest.fixture(autouse=True, scope="module")
def without_kernels():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call, "available", lambda: False)
        yield


@pytest.mark.parametrize("dtype", PRECISION)
@settings(max_examples=40)
@given(
    circuits(max_qubits=6, max_ops=24),
    st.sampled_from([(), (0,), (1,), (5,), (2, 3)]),
    st.integers(0, 1000),
)
def test_random_circuits(dtype, circuit, batch, seed):
    x, w = (v.detach().to(dtype).requires_grad_() for v in arguments(circuit, seed, *batch))
    found = value_and_gradients(evaluate, circuit, x, w)
    expected = value_and_gradients(
        simulate, circuit, *(v.detach().double().requires_grad_() for v in (x, w))
    )
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == dtype
        scale = 1 + float(other.abs().max()) if other.numel() else 1
        torch.testing.assert_close(one.double(), other, rtol=0, atol=PRECISION[dtype] * scale)


@settings(max_examples=15)
@given(circuits(max_qubits=5), st.sampled_from([0, 1, 4]), st.integers(0, 1000))
def test_clients_mapped_are_clients_alone(circuit, batch, seed):
    x = numbers(seed, circuit.n_inputs, batch, 3).movedim(-1, 0).mT
    w, g = numbers(seed + 1, circuit.n_weights, 3).T, numbers(2, 3, batch, len(circuit.observables))

    def both(x, w, g):
        values, pull = vjp(lambda a, b: evaluate(circuit, a, b), x, w)
        return values, *pull(g)

    together = vmap(both)(x, w, g)
    for k in range(3):
        for one, other in zip(both(x[k], w[k], g[k]), together, strict=True):
            torch.testing.assert_close(one, other[k], rtol=0, atol=1e-10)


@pytest.mark.parametrize("qubits", [7, 9, 10])
@pytest.mark.parametrize("source", [Angle.input, Angle.weight])
def test_steps_of_many_qubits(qubits, source):
    """Entangled in all directions; matrices of examples and of clients."""
    ops = [Op("cx", (q, (q + 4) % qubits)) for q in range(qubits)]
    mixed = [Op("rzz", (q, q + 1), source(0)) for q in range(0, qubits - 1, 2)]
    turned = [Op("ry", (q,), source(1) * (1 + q)) for q in range(qubits)]
    circuit = encodings.arctan(qubits) + Circuit(qubits, (*ops, *mixed, *turned))
    circuit = (circuit + ansatze.rot_cnot(qubits, 2)).measure("Z0", "X1 Y3", f"Y{qubits - 1}", "X1")
    x, w = arguments(circuit, 3, 3)
    found = value_and_gradients(evaluate, circuit, x, w)
    expected = value_and_gradients(simulate, circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_sums_in_parts(monkeypatch, rows):
    monkeypatch.setattr(adjoint, "_ROWS", rows)
    x, w = arguments(paper(7), 3, 6)
    found = value_and_gradients(evaluate, paper(7), x, w)
    for one, other in zip(found, value_and_gradients(simulate, paper(7), x, w), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_a_circuit_without_inputs_has_one_state_for_all_examples(monkeypatch):
    circuit = ansatze.rot_cnot(3).measure("Z0", "Y1")
    w, g = numbers(1, circuit.n_weights), numbers(2, 5, 2)
    seen = []
    measure = adjoint._measure
    monkeypatch.setattr(adjoint, "_measure", lambda *a: seen.append(a[1].shape) or measure(*a))
    values, pull = vjp(lambda w: evaluate(circuit, torch.zeros(5, 0).double(), w), w)
    assert seen == [(1, 1, 8)]
    expected, pull_expected = vjp(lambda w: simulate(circuit, torch.zeros(5, 0).double(), w), w)
    torch.testing.assert_close(values, expected)
    torch.testing.assert_close(pull(g), pull_expected(g))


def test_per_example_gradients_are_one_call(monkeypatch):
    seen = []
    original = adjoint.gradients

    def spy(program, x, w, *others):
        if w.ndim == 2:
            seen.append((x.shape[:2], len(w)))
        return original(program, x, w, *others)

    monkeypatch.setattr(adjoint, "gradients", spy)
    w, x = 6 * numbers(1, 24), numbers(2, 33, 4)

    def loss(w, row):
        return evaluate(paper(), row, w).square().sum()

    found = vmap(grad(loss), (None, 0))(w, x)
    assert seen == [((33, 1), 33)]
    expected = vmap(grad(lambda w, row: simulate(paper(), row, w).square().sum()), (None, 0))(w, x)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    nested = vmap(vmap(grad(loss), (None, 0)))(w.expand(3, 24), x.reshape(3, 11, 4))
    torch.testing.assert_close(nested.flatten(0, 1), found, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kept", [1 << 28, 0])
def test_states_kept_or_computed_again(monkeypatch, kept):
    monkeypatch.setattr(adjoint, "_KEPT_BYTES", kept)
    w, x, g = 6 * numbers(1, 24), numbers(2, 3, 4), numbers(3, 3, 2)
    values, pull = vjp(lambda a, b: evaluate(paper(), a, b), x, w)
    expected, pull_expected = vjp(lambda a, b: simulate(paper(), a, b), x, w)
    torch.testing.assert_close(values, expected)
    for _ in range(2):
        torch.testing.assert_close(pull(g), pull_expected(g))
    # more cotangents than states
    found = jacrev(lambda a, b: evaluate(paper(), a, b), (0, 1))(x, w)
    torch.testing.assert_close(found, jacrev(lambda a, b: simulate(paper(), a, b), (0, 1))(x, w))


def test_derivatives_of_higher_order_and_forward():
    w, x = 6 * numbers(1, 6), numbers(2, 2, 2)
    circuit = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("X0", "Z0 Y1")

    def loss(device):
        return lambda w, x: device(circuit, x, w).square().sum()

    for outer in (jacrev, jacfwd):
        for inner in (jacrev, jacfwd):
            found = outer(inner(loss(evaluate), 0), 1)(w, x)
            expected = jacrev(jacrev(loss(simulate), 0), 1)(w, x)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)

    def call_device(w, x):
        return evaluate(circuit, x, w)

    leaves = w.requires_grad_(), x.requires_grad_()
    assert torch.autograd.gradcheck(call_device, leaves)
    assert torch.autograd.gradgradcheck(call_device, leaves)


@pytest.mark.parametrize(("kept", "most"), [(1 << 28, 5), (0, 4)])
def test_memory_is_that_of_a_few_states_at_any_depth(monkeypatch, kept, most):
    monkeypatch.setattr(adjoint, "_KEPT_BYTES", kept)
    batch, qubits = 8, 10
    for depth in (1, 8):
        circuit = paper(qubits, depth, ["Z0", "Z1"])
        x, w = arguments(circuit, 1, batch)
        evaluate(circuit, x, w)  # the tables are made
        with Memory() as memory:
            evaluate(circuit, x, w).sum().backward()
        states = memory.peak / (batch * 2**qubits * 16)
        assert most - 1 < states < most


def test_other_weights_that_are_no_numbers_do_not_matter():
    w = numbers(1, 24)
    w[[11, *range(18, 24)]] = torch.nan  # without influence, as the test of the kernels says
    circuit = paper(words=["Z0", "Z1"])
    assert evaluate(circuit, numbers(2, 3, 4), w).isfinite().all()
    w[0] = torch.nan
    assert evaluate(circuit, numbers(2, 3, 4), w).isnan().all()


def test_tables_made_in_inference_mode_serve_gradients():
    circuit, w = paper(3, 3), (6 * numbers(1, 27)).requires_grad_()
    x = numbers(2, 5, 3)
    plan.cache_clear()
    with torch.inference_mode():
        evaluate(circuit, x, w)
    expected = value_and_gradients(simulate, circuit, x.requires_grad_(), w)
    for one, other in zip(value_and_gradients(evaluate, circuit, x, w), expected, strict=True):
        torch.testing.assert_close(one, other)


def test_gradients_in_inference_mode():
    """As traces of training steps compute them."""
    program = compile(compile(paper()).circuit)
    x, w, g = numbers(1, 2, 5, program.inputs), numbers(2, 2, program.weights), numbers(3, 2, 5, 2)
    expected = adjoint.gradients(program, x, w, g, torch.empty(0))
    with torch.inference_mode():
        _, kept = adjoint.expectations(program, x + 0, w + 0, keep=True)
        found = adjoint.gradients(program, x + 0, w + 0, g + 0, kept)
    assert all(map(torch.equal, found, expected))
    assert not any(by.requires_grad for by in found)


def test_a_trace_has_one_operation_each_for_values_and_gradients():
    x, w = numbers(1, 5, 4), numbers(2, 24)
    function = grad(lambda w, x: evaluate(paper(), x, w).square().sum())
    traced = make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(w, x)
    targets = {str(node.target) for node in traced.graph.nodes}
    assert {"fedqml.expectations.default", "fedqml.gradients.default"} <= targets
    assert torch.equal(traced(2 * w, x), function(2 * w, x))


def test_too_many_qubits_are_refused():
    circuit = encodings.arctan(27).measure(" ".join(f"Z{q}" for q in range(27)))
    with pytest.raises(InputError, match="`n_qubits` must be at most 26 for a state vector"):
        evaluate(circuit, numbers(1, 2, 27), numbers(2, 0))


def test_backprop_keeps_all_states(monkeypatch):
    monkeypatch.setattr(adjoint, "expectations", None)
    x, w = arguments(paper(), 1, 3)
    found = value_and_gradients(statevector("backprop"), paper(), x, w)
    for one, other in zip(found, value_and_gradients(simulate, paper(), x, w), strict=True):
        torch.testing.assert_close(one, other)


def test_layers_that_repeat_share_tables():
    made = plan(compile(compile(paper(8, 8)).circuit), torch.float32, torch.device("cpu"))
    tables = {id(table) for step in made.steps for table in (step.forth, step.back)}
    assert len(tables) < len(made.steps)
