import warnings
from pathlib import Path

import pytest
import torch

with warnings.catch_warnings():
    # the first use of forward differentiation imports modules of PyTorch's that call its own
    # deprecated torch.jit.script
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
    torch.func.jvp(torch.sin, (torch.zeros(()),), (torch.ones(()),))


def pytest_collection_modifyitems(items):
    """Let Hypothesis build our types, whose annotations beartype checks in tests.

    beartype picks the entry of a sequence that it checks with ``random``. Hypothesis notices that
    and warns that the examples may depend on it, which they do not.
    """
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(
                pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strat")
            )
