"""A compiled step of any function that JAX can trace."""

from collections.abc import Callable

import jax
import numpy as np

from rivals.circuit_problem import Arrays, CircuitProblem

jax.config.update("jax_enable_x64", True)


def jax_step(
    problem: CircuitProblem, one: Callable[[jax.Array, jax.Array], jax.Array]
) -> Callable[[], Arrays]:
    """Return the step, one compiled function.

    Args:
        problem: the task.
        one: (x of one example, w) -> expectation values.
    """
    batched = jax.vmap(one, (0, None))
    if problem.clients > 1:
        batched = jax.vmap(batched)
    squeezed = 0 if problem.clients == 1 else slice(None)

    @jax.jit
    def compiled(x: jax.Array, w: jax.Array, cotangent: jax.Array) -> tuple[jax.Array, ...]:
        values, pull = jax.vjp(batched, x, w)
        return values, *pull(cotangent)

    arguments = [jax.numpy.asarray(a[squeezed]) for a in (problem.x, problem.w, problem.cotangent)]
    shapes = problem.cotangent.shape, problem.x.shape, problem.w.shape

    def step() -> Arrays:
        found = jax.block_until_ready(compiled(*arguments))
        return tuple(np.asarray(a).reshape(s) for a, s in zip(found, shapes, strict=True))

    return step
