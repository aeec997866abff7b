"""The compiled device against the reference, and what only it promises."""

import sys
import time

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vjp, vmap

from fedqml.core.errors import InputError
from fedqml.quantum import GATES, Angle, Circuit, Op, QuantumLayer, ansatze, encodings
from fedqml.quantum.angle import Term
from fedqml.quantum.devices.reference import simulate
from fedqml.quantum.devices.statevector import evaluate, statevector
from fedqml.quantum.gates import Rotation
from fedqml.quantum.native import call, prepared
from fedqml.quantum.native.program import compile

from ..strategies import arguments, circuits, numbers, value_and_gradients

pytestmark = pytest.mark.usefixtures("both_methods")
PRECISION = {torch.float64: 1e-12, torch.float32: 1e-5}


def paper(qubits=4, depth=2):
    whole = encodings.arctan(qubits) + ansatze.rot_cnot(qubits, depth)
    return whole.measure("Z0", "Z1")


@pytest.fixture(autouse=True)
def compiled():
    """None of these tests means anything if the plain path answers instead."""
    assert call.available()


@pytest.fixture(autouse=True)
def calls_prepared_anew():
    yield
    call._parts.cache_clear()


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", PRECISION)
@settings(max_examples=60)
@given(circuits(max_qubits=8, max_ops=24), st.sampled_from([0, 1, 33]), st.integers(0, 1000))
def test_random_circuits(dtype, circuit, batch, seed):
    x, w = (v.detach().to(dtype).requires_grad_() for v in arguments(circuit, seed, batch))
    found = value_and_gradients(evaluate, circuit, x, w)
    expected = value_and_gradients(
        simulate, circuit, *(v.detach().double().requires_grad_() for v in (x, w))
    )
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == dtype
        scale = 1 + float(other.abs().max()) if other.numel() else 1
        torch.testing.assert_close(one.double(), other, rtol=0, atol=PRECISION[dtype] * scale)


@settings(max_examples=25)
@given(
    circuits(max_qubits=5),
    st.sampled_from([1, 2, 3, 20]),
    st.sampled_from([0, 1, 5, 15, 16, 17, 40]),
    st.integers(0, 1000),
)
def test_clients_mapped_are_clients_alone(circuit, clients, batch, seed):
    """To the bit, values and both gradients, however their memory lies."""
    assume(compile(circuit).columns is not None)  # PyTorch's maps take places into account
    x = numbers(seed, circuit.n_inputs, batch, clients).movedim(-1, 0).mT
    w = numbers(seed + 1, circuit.n_weights, clients).T
    g = numbers(seed + 2, clients, batch, len(circuit.observables))

    def both(x, w, g):
        values, pull = vjp(lambda a, b: evaluate(circuit, a, b), x, w)
        return values, *pull(g)

    together = vmap(both)(x, w, g)
    for k in range(clients):
        for one, other in zip(both(x[k], w[k], g[k]), together, strict=True):
            assert torch.equal(one, other[k])


@pytest.mark.parametrize("dtype", PRECISION)
@settings(max_examples=40)
@given(circuits(max_qubits=5), st.integers(0, 38), st.integers(0, 1000))
def test_examples_alone_are_examples_among_others(dtype, circuit, first, seed):
    """To the bit, whether what depends on weights alone is computed once a client or not."""
    assume(compile(circuit).columns is not None)  # PyTorch's maps take places into account
    x, w = numbers(seed, 40, circuit.n_inputs).to(dtype), numbers(seed + 1, circuit.n_weights)
    g, w = numbers(seed + 2, 40, len(circuit.observables)).to(dtype), w.to(dtype)

    def both(rows):
        values, pull = vjp(lambda a: evaluate(circuit, a, w), x[rows])
        return values, *pull(g[rows])

    together = both(slice(None))
    for rows in (slice(first, first + 1), slice(first // 2, first // 2 + 20)):
        for one, other in zip(both(rows), together, strict=True):
            assert torch.equal(one, other[rows])


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("source", ["input", "weight"])
def test_every_gate_between_others(name, source):
    """Wires in both orders, between turns that leave no amplitude zero."""
    gate = GATES[name]
    term = Term(**{f"{source}s": (0,)}, map="arctan", scale=1.3)
    angle = Angle((term,), 0.2) if isinstance(gate, Rotation) else None
    turn = [
        Op(kind, (q,), (0.5 + k) * Angle.weight(1 + q))
        for k, kind in enumerate(("ry", "rz"))
        for q in range(3)
    ]
    for wires in ((0, 2), (2, 1)):
        op = Op(name, wires[: len(gate.symbols)], angle)
        circuit = Circuit(3, (*turn, op, *turn, op)).measure("Z0", "X1", "X0 Y1 Z2", "Y0 Y2", "Y1")
        x, w = arguments(circuit, 5, 4)
        found = value_and_gradients(evaluate, circuit, x, w)
        expected = value_and_gradients(simulate, circuit, x, w)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


@pytest.mark.parametrize("qubits", [11, 12, 13])
def test_states_worked_on_whole_and_in_blocks(qubits):
    """Entangled in all directions, so that runs cross the borders of blocks."""
    ops = [Op("cx", (q, (q + 4) % qubits)) for q in range(qubits)]
    mixed = [Op("rzz", (q, q + 1), Angle.input(0)) for q in range(0, qubits - 1, 2)]
    circuit = encodings.arctan(qubits) + Circuit(qubits, (*ops, *mixed))
    circuit = (circuit + ansatze.rot_cnot(qubits, depth=2)).measure("Z0", "X1 Y3", f"Y{qubits - 1}")
    x, w = arguments(circuit, 3, 3)
    found = value_and_gradients(evaluate, circuit, x, w)
    expected = value_and_gradients(simulate, circuit, x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", PRECISION)
def test_angles_without_influence_have_gradient_zero(dtype):
    w = (6 * numbers(1, 24)).to(dtype).requires_grad_()
    evaluate(paper(), numbers(2, 33, 4).to(dtype), w).square().sum().backward()
    silent = [11, 14, 17, *range(18, 24)]
    assert torch.equal(w.grad[silent], torch.zeros(9, dtype=dtype))
    assert w.grad[[k for k in range(24) if k not in silent]].abs().min() > 1e-4


def test_threads_and_company_change_no_bit(threads, monkeypatch):
    monkeypatch.setattr(call, "_WORTH_A_THREAD", 1)  # or small circuits have a single thread
    for circuit in (paper(4), paper(12)):
        for dtype in PRECISION:
            x, w = numbers(1, 2, 50, circuit.n_inputs).to(dtype), numbers(2, 2, circuit.n_weights)
            w = w.to(dtype)

            def both(x, w, circuit=circuit):
                values, pull = vjp(lambda a, b: evaluate(circuit, a, b), x, w)
                return values, *pull(values)

            results = []
            for number in (1, 2, 3, 2):
                threads(number)
                results.append(vmap(both)(x, w))
            for other in results[1:]:
                assert all(map(torch.equal, results[0], other))
            values, by_x, _ = both(x[0][7:9], w[0])
            assert torch.equal(values, results[0][0][0, 7:9])
            assert torch.equal(by_x, results[0][1][0, 7:9])


@pytest.mark.parametrize("batch", [5, 21])
def test_chunks_of_clients_change_no_bit(monkeypatch, batch):
    circuit, x, w = paper(), numbers(1, 7, batch, 4), numbers(2, 7, 24)

    def both(x, w):
        values, pull = vjp(lambda a, b: evaluate(circuit, a, b), x, w)
        return values, *pull(values)

    whole = vmap(both)(x, w)
    monkeypatch.setattr(call, "_ROWS", 2 * batch + 2)
    call._parts.cache_clear()
    assert all(map(torch.equal, whole, vmap(both)(x, w)))


def test_states_kept_or_computed_again_change_no_bit(monkeypatch):
    """Also where there are more cotangents than states: those of a Jacobian."""
    w, x = 6 * numbers(1, 24), numbers(2, 3, 4)

    def results():
        values, pull = vjp(lambda a, b: evaluate(paper(), a, b), x, w)
        jacobian = jacrev(lambda a, b: evaluate(paper(), a, b), (0, 1))(x, w)
        mapped = vmap(jacrev(lambda b: evaluate(paper(), x, b)))(torch.stack([w, 2 * w]))
        return values, *pull(values), *pull(values), *jacobian, mapped

    kept = results()
    monkeypatch.setattr(prepared, "_KEPT_BYTES", 0)
    call._parts.cache_clear()
    assert all(map(torch.equal, kept, results()))
    assert torch.equal(kept[1], kept[3])
    expected = jacrev(lambda a, b: simulate(paper(), a, b), (0, 1))(x, w)
    for one, other in zip(kept[5:7], expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_per_example_gradients_are_one_call(monkeypatch):
    """Not a loop: the kernels see the examples as clients of one example each."""
    seen = []
    original = call.gradients

    def spy(tape, x, w, *others):
        seen.append((tuple(x.shape), tuple(w.shape)))
        return original(tape, x, w, *others)

    monkeypatch.setattr(call, "gradients", spy)
    w, x = 6 * numbers(1, 24), numbers(2, 33, 4)

    def loss(w, row):
        return evaluate(paper(), row, w).square().sum()

    found = vmap(grad(loss), (None, 0))(w, x)
    assert [shape[0][:2] for shape in seen] == [(33, 1)]
    alone = torch.stack([grad(loss)(w, row) for row in x])
    torch.testing.assert_close(found, alone, rtol=0, atol=1e-10)
    seen.clear()
    vmap(vmap(grad(loss), (None, 0)))(w.expand(3, 24), x.reshape(3, 11, 4))
    assert [shape[0][:2] for shape in seen] == [(33, 1)]


def test_jacobians_both_ways_and_mapped():
    w, x = 6 * numbers(1, 24), numbers(2, 3, 4)

    def values(w, x):
        return evaluate(paper(), x, w)

    def expected(w, x):
        return simulate(paper(), x, w)

    for transform in (jacrev, jacfwd):
        for argument in (0, 1):
            torch.testing.assert_close(
                transform(values, argument)(w, x), jacrev(expected, argument)(w, x)
            )
    # one direction at a time: the other tangent is absent
    pushed = jvp(lambda v: values(v, x), (w,), (torch.ones_like(w),))[1]
    torch.testing.assert_close(pushed, jacrev(expected)(w, x).sum(-1))
    mapped = vmap(jacfwd(values), (0, None))(torch.stack([w, 2 * w]), x)
    torch.testing.assert_close(mapped[1], jacrev(expected)(2 * w, x))


def test_second_derivatives_of_every_kind():
    w, x = 6 * numbers(1, 6), numbers(2, 2, 2)
    circuit = (encodings.arctan(2) + ansatze.rot_cnot(2, depth=1)).measure("X0", "Z0 Y1")

    def loss(device):
        return lambda w, x: device(circuit, x, w).square().sum()

    for outer in (jacrev, jacfwd):
        for inner in (jacrev, jacfwd):
            for a, b in ((0, 0), (0, 1), (1, 1)):
                found = outer(inner(loss(evaluate), a), b)(w, x)
                expected = jacrev(jacrev(loss(simulate), a), b)(w, x)
                torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    twice = jacfwd(jacfwd(grad(loss(evaluate))))(w, x)
    torch.testing.assert_close(twice, jacrev(jacrev(grad(loss(simulate))))(w, x))
    third = jacrev(jacrev(jacrev(loss(evaluate))))(w, x)
    torch.testing.assert_close(third, jacrev(jacrev(jacrev(loss(simulate))))(w, x))


def test_gradcheck_with_clients_mapped():
    layer = QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2, depth=1)).double()

    def call_layer(w, x):
        return vmap(lambda a, b: functional_call(layer, {"weights": a}, (b,)))(w, x)

    w, x = (6 * numbers(6, 2, 6)).requires_grad_(), numbers(7, 2, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(call_layer, (w, x))
    assert torch.autograd.gradgradcheck(call_layer, (w, x))


def test_second_derivatives_outside_of_transforms():
    layer = QuantumLayer(encodings.arctan(2), ansatze.rot_cnot(2, depth=1)).double()

    def call_layer(w, x):
        return functional_call(layer, {"weights": w}, (x,))

    w, x = (6 * numbers(6, 6)).requires_grad_(), numbers(7, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(call_layer, (w, x))
    assert torch.autograd.gradgradcheck(call_layer, (w, x))


def test_cotangents_in_pytorchs_older_batches_are_refused():
    """What it says instead would help nobody; the newer way works."""
    w, x, cotangents = (6 * numbers(1, 24)).requires_grad_(), numbers(2, 5, 4), numbers(3, 3, 5, 2)
    values = evaluate(paper(), x, w)
    with pytest.raises(InputError, match=r"`is_grads_batched` must be False: .*jacrev"):
        torch.autograd.grad(values, w, cotangents, is_grads_batched=True)
    values, pull = vjp(lambda w: evaluate(paper(), x, w), w.detach())
    for one, cotangent in zip(vmap(pull)(cotangents)[0], cotangents, strict=True):
        assert torch.equal(one, pull(cotangent)[0])


def test_a_graph_can_be_walked_twice():
    w, x = (6 * numbers(1, 24)).requires_grad_(), numbers(2, 5, 4)
    total = evaluate(paper(), x, w).sum()
    (first,) = torch.autograd.grad(total, w, retain_graph=True)
    (second,) = torch.autograd.grad(total, w)
    assert torch.equal(first, second)


def test_without_llvmlite_the_numbers_are_the_same(monkeypatch):
    w, x = (6 * numbers(1, 24)).requires_grad_(), numbers(2, 5, 4).requires_grad_()
    expected = value_and_gradients(evaluate, paper(), x, w)
    call.available.cache_clear()
    monkeypatch.setitem(sys.modules, "llvmlite", None)  # importing it raises ImportError
    monkeypatch.setattr(call, "expectations", None)
    try:
        assert not call.available()
        found = value_and_gradients(evaluate, paper(), x, w)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
        assert torch.equal(found[2][18:], torch.zeros(6, dtype=torch.float64))
    finally:
        monkeypatch.undo()
        call.available.cache_clear()


def test_a_gate_unknown_to_the_kernels_is_evaluated_all_the_same(monkeypatch):
    from fedqml.quantum.native import program, steps

    monkeypatch.delitem(steps.TWO_QUBITS, "rzz")
    program._compile.cache_clear()
    ops = (Op("h", (0,)), Op("h", (1,)), Op("rzz", (0, 1), Angle.weight(0)))
    circuit = Circuit(2, ops).measure("X0")
    assert program.compile(circuit).tape is None
    x, w = arguments(circuit, 1, 3)
    torch.testing.assert_close(evaluate(circuit, x, w), simulate(circuit, x, w))
    program._compile.cache_clear()


def test_other_devices_of_pytorch_are_reached():
    x, w = torch.zeros(3, 4, device="meta"), torch.zeros(24, device="meta")
    result = evaluate(paper(), x, w)
    assert result.device == torch.device("meta")
    assert result.shape == (3, 2)


def test_backprop_is_the_plain_path_with_the_same_numbers(monkeypatch):
    w, x = (6 * numbers(1, 24)).requires_grad_(), numbers(2, 33, 4).requires_grad_()
    expected = value_and_gradients(statevector(), paper(), x, w)
    monkeypatch.setattr(call, "expectations", None)
    device = statevector("backprop")
    found = value_and_gradients(device, paper(), x, w)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    both = [transform(lambda v: device(paper(), x, v))(w) for transform in (jacrev, jacfwd)]
    torch.testing.assert_close(*both)


def test_a_negative_view_is_read_as_what_it_stands_for():
    """A tensor of one number is contiguous even if its sign is still to be changed."""
    circuit = paper().measure("Z0")
    x, w = numbers(1, 1, 4), (6 * numbers(2, 24)).requires_grad_()

    def gradient(device):
        values = device(circuit, x, w)
        turned = torch.complex(torch.zeros_like(values), values).conj()
        return torch.autograd.grad((turned * (1 + 2j)).real.sum(), w)[0]

    torch.testing.assert_close(gradient(evaluate), gradient(simulate), rtol=0, atol=1e-12)


def test_the_default_device_of_pytorch_is_not_that_of_the_kernels():
    x, w = numbers(1, 3, 4), numbers(2, 24)
    expected = evaluate(paper(), x, w)
    call._own.memory = None
    with torch.device("meta"):
        assert torch.equal(evaluate(paper(), x, w), expected)


def test_tensors_without_memory_are_refused():
    nothing = torch._efficientzerotensor((3, 4), dtype=torch.float64)
    with pytest.raises(TypeError, match="no memory"):
        call.expectations(compile(paper()), nothing, numbers(2, 24), keep=False)


def test_threads_are_waited_for_if_one_fails(threads, monkeypatch):
    monkeypatch.setattr(call, "_WORTH_A_THREAD", 1)
    threads(2)
    made, began = call._parts(compile(paper(12)), torch.Size((64, 12)), torch.float64)[0][0], []

    def work(first, end, memory):
        if first == 0:
            raise KeyboardInterrupt
        time.sleep(0.2)
        began.append(first)

    with pytest.raises(KeyboardInterrupt):
        call._divide(made, 2, 0, work, ())
    assert began
