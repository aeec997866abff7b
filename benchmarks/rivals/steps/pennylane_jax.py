from collections.abc import Callable

import jax
import jax.numpy as jnp
import pennylane as qml

from rivals.about import About
from rivals.circuit_problem import Arrays, CircuitProblem
from rivals.jax_step import jax_step
from rivals.pennylane_circuit import pennylane_circuit

ABOUT = About("PennyLane + JAX, jit and vmap", ("pennylane", "jax", "jaxlib"), "jit")


def pennylane_jax(problem: CircuitProblem) -> Callable[[], Arrays]:
    """default.qubit traced by JAX, mapped over examples and clients, compiled as a whole."""
    circuit = pennylane_circuit(
        problem.qubits,
        problem.depth,
        device=qml.device("default.qubit", wires=problem.qubits),
        interface="jax",
        diff_method="backprop",
    )

    def one(x: jax.Array, w: jax.Array) -> jax.Array:
        return jnp.stack(circuit(jnp.arctan(x), jnp.arctan(x**2), w))

    return jax_step(problem, one)
