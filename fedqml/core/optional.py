"""Libraries that only some users install."""

import importlib
import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any

from fedqml.core.errors import InputError


def require_library(name: str, extra: str | None = None) -> None:
    """Refuse to go on without a library; does not import it.

    Args:
        name: of the library.
        extra: fedqml's extra that installs it; of the same name by default.

    Raises:
        InputError: if it is not installed; says how to install it.

    Example:
        >>> require_library("annealing")
        Traceback (most recent call last):
        ...
        fedqml.core.errors.InputError: The library annealing is not installed: \
pip install "fedqml[annealing]"
    """
    if find_spec(name) is None:
        raise InputError(
            f'The library {name} is not installed: pip install "fedqml[{extra or name}]"'
        )


@cache
def library(name: str) -> Any:
    """Import a library when it is first used.

    Args:
        name: of the library, also of fedqml's extra that installs it.

    Returns:
        The module.

    Raises:
        InputError: if it is not installed; says how to install it.

    Example:
        >>> library("torch").__name__
        'torch'
    """
    require_library(name)
    with warnings.catch_warnings():
        # what its own imports warn of says nothing about the user's code
        warnings.simplefilter("ignore")
        return importlib.import_module(name)
