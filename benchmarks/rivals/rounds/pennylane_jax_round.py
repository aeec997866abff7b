from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pennylane as qml

from rivals.about import About
from rivals.pennylane_circuit import pennylane_circuit
from rivals.round_problem import DEPTH, QUBITS, RoundProblem, Weights

ABOUT = About("PennyLane + JAX, whole round jitted", ("pennylane", "jax", "jaxlib"), "jit")

Params = tuple[jax.Array, ...]


def pennylane_jax_round(problem: RoundProblem) -> Callable[[], Weights]:
    """`scan` over batches, `vmap` over clients and the average, compiled as one function."""
    circuit = pennylane_circuit(
        QUBITS,
        DEPTH,
        device=qml.device("default.qubit", wires=QUBITS),
        interface="jax",
        diff_method="backprop",
    )

    def outputs(x: jax.Array, w: jax.Array) -> jax.Array:
        return jnp.stack(circuit(jnp.arctan(x), jnp.arctan(x**2), w))

    def loss(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        matrix, bias, w = params
        logits = jax.vmap(outputs, (0, None))(x @ matrix.T + bias, w)
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

    def step(params: Params, batch: tuple[jax.Array, jax.Array]) -> tuple[Params, None]:
        slopes = jax.grad(loss)(params, *batch)
        return jax.tree.map(lambda p, g: p - problem.lr * g, params, slopes), None

    def client(params: Params, x: jax.Array, y: jax.Array, order: jax.Array) -> Params:
        x, y = x[order], y[order]
        steps = len(order) // problem.batch
        whole = steps * problem.batch
        batches = [a[:whole].reshape(steps, problem.batch, *a.shape[1:]) for a in (x, y)]
        params, _ = jax.lax.scan(step, params, tuple(batches))
        return step(params, (x[whole:], y[whole:]))[0] if whole < len(order) else params

    @jax.jit
    def compiled(params: Params, x: jax.Array, y: jax.Array, order: jax.Array) -> Params:
        trained = jax.vmap(client, (None, 0, 0, 0))(params, x, y, order)
        return jax.tree.map(lambda p: p.mean(0), trained)

    params = tuple(map(jnp.asarray, problem.weights))
    arrays = [jnp.asarray(a) for a in (problem.x, problem.y, problem.order)]

    def whole_round() -> Weights:
        found = jax.block_until_ready(compiled(params, *arrays))
        return tuple(np.asarray(a) for a in found)

    return whole_round
