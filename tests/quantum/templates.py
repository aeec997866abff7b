"""States made by PennyLane's templates, to compare our circuits with."""

import warnings

import numpy as np
import pytest
import torch

from . import dense

with warnings.catch_warnings():
    # what PennyLane's own imports warn of is not about this package
    warnings.simplefilter("ignore")
    qml = pytest.importorskip("pennylane")


def state_of(template, *arguments, n, **settings):
    """The state vector that a template makes of |0...0>."""

    @qml.qnode(qml.device("default.qubit", wires=n))
    def node():
        template(*(np.asarray(a) for a in arguments), wires=range(n), **settings)
        return qml.state()

    return torch.as_tensor(np.asarray(node()), dtype=torch.complex128)


def same_state(circuit, x, w, expected):
    """Equal up to a phase, to 1e-10."""
    found = dense.unitary(circuit, x, w)[:, 0]
    assert abs(expected.norm() - 1) < 1e-10
    assert abs(torch.vdot(expected, found).abs() - 1) < 1e-10
    aligned = found * torch.vdot(found, expected)
    torch.testing.assert_close(aligned, expected, rtol=0, atol=1e-10)
