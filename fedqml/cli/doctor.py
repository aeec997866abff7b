"""``fedqml doctor``: what is installed, and what this machine offers."""

import argparse
import os
from typing import Any


def add(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "doctor",
        help="show versions, threads and devices",
        description="Show what is installed and what this machine offers; for bug reports too.",
    )
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Print everything; exit code 1 if a circuit gives a wrong value."""
    import platform

    import torch

    from fedqml.core.resolve import catalogue
    from fedqml.experiments.environment import OPTIONAL, PACKAGES, processor, versions

    for package, version in versions(PACKAGES).items():
        print(f"{package:16}{version}")
    for package, version in versions(OPTIONAL).items():
        print(f"{package:16}{version or f'not installed (pip install fedqml[{package}])'}")
    print(f"{'python':16}{platform.python_version()} on {platform.platform()}")
    print(f"{'processor':16}{processor()}, {os.cpu_count()} cores")
    print(f"{'threads':16}{torch.get_num_threads()} by default; an experiment uses run.threads")
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    print(f"{'GPUs':16}{', '.join(gpus) or 'none'}")
    print(f"{'quantum devices':16}{', '.join(catalogue(['fedqml.quantum.devices']))}")
    print(f"{'statevector':16}{_kernels()}")
    right = _circuit_is_right()
    print(f"{'self-test':16}{'passed' if right else 'FAILED: a circuit gives a wrong value'}")
    return 0 if right else 1


def _kernels() -> str:
    """Say by what the default quantum device evaluates circuits here."""
    from fedqml.quantum.native.call import available

    if not available():
        return "plain PyTorch, slower; compiled kernels need llvmlite (pip install llvmlite)"
    from fedqml.quantum.native.compiler.lanes import WIDTH_BYTES

    return f"compiled kernels on CPUs, {8 * WIDTH_BYTES} bits at a time; plain PyTorch elsewhere"


def _circuit_is_right() -> bool:
    """Return whether <Z> after RY(a) is cos(a), as it must be."""
    import math

    import torch

    from fedqml.quantum import Angle, Circuit, Op, Pauli
    from fedqml.quantum.devices import statevector

    circuit = Circuit(1, (Op("ry", (0,), Angle.input(0)),), (Pauli.parse("Z0"),))
    angle = torch.tensor([0.7], dtype=torch.float64)
    value = statevector()(circuit, angle, angle[:0])
    return math.isclose(float(value), math.cos(0.7), abs_tol=1e-12)
