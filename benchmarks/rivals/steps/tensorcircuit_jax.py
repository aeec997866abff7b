from collections.abc import Callable

import jax
import jax.numpy as jnp
import tensorcircuit as tc

from rivals.about import About
from rivals.circuit_problem import MEASURED, Arrays, CircuitProblem
from rivals.jax_step import jax_step

ABOUT = About("TensorCircuit-NG, JAX jit and vmap", ("tensorcircuit-ng", "jax", "jaxlib"), "jit")


def tensorcircuit_jax(problem: CircuitProblem) -> Callable[[], Arrays]:
    """A tensor network, contracted by JAX, mapped over examples and clients."""
    tc.set_backend("jax")
    tc.set_dtype("complex128")

    def one(x: jax.Array, w: jax.Array) -> jax.Array:
        circuit = tc.Circuit(problem.qubits)
        for qubit in range(problem.qubits):
            circuit.h(qubit)
            circuit.ry(qubit, theta=jnp.arctan(x[qubit]))
            circuit.rz(qubit, theta=jnp.arctan(x[qubit] ** 2))
        for block in range(problem.depth):
            for pair in problem.entanglers:
                circuit.cnot(*pair)
            for qubit in range(problem.qubits):
                for gate, angle in zip(("rz", "ry", "rz"), w[block, qubit], strict=True):
                    getattr(circuit, gate)(qubit, theta=angle)
        return jnp.stack([circuit.expectation_ps(z=[q]).real for q in range(MEASURED)])

    return jax_step(problem, one)
