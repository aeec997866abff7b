"""How functions are compiled."""

from typing import Any

import numba

# Numba's types do not list all of its options.
_njit: Any = numba.njit
_options = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False}

kernel = _njit(cache=True, **_options)
"""Compile a function that Python calls, once on a machine."""
inlined = _njit(forceinline=True, no_cpython_wrapper=True, **_options)
"""Compile a function into those that call it, and without what Python would need to call it."""
called = _njit(cache=True, no_cpython_wrapper=True, **_options)
"""Compile a function that others call, and without what Python would need to call it."""
pasted = _njit(inline="always", no_cpython_wrapper=True, **_options)
"""The same for one that is called in a single place: it costs no compilation of its own."""
