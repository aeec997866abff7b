"""Kernels as machine code, compiled by LLVM for the processor at hand and kept on disk.

What is kept is named by a digest of all that it depends on: this package's sources, LLVM and the
processor. So it is never out of date, and nobody has to delete it. Functions are read from their
files, so a process whose files have changed since it imported them compiles nothing.
"""

import ctypes
import hashlib
import inspect
import os
import struct
import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

from fedqml.core.cache_folder import cache_folder
from fedqml.core.files import replacing
from fedqml.quantum import native
from fedqml.quantum.native.compiler.translate import translate

_POSIX = hasattr(os, "getuid")
# there may be no home directory, either
_NO_FOLDER = OSError, RuntimeError


def kernel(function: FunctionType) -> Callable[[NDArray[Any]], Callable[..., None]]:
    """Return what gives the compiled function for a type of number.

    Args:
        function: see ``translate``.

    Returns:
        A function of an array of that type; what it returns takes integers, and lets other threads
        run meanwhile.
    """

    @lru_cache(maxsize=2)
    def compiled(dtype: "np.dtype[Any]") -> Callable[..., None]:
        name = f"{function.__module__.rpartition('.')[2]}_{function.__name__}_{dtype}"
        code = _kept(function, name, lambda: translate(function, np.empty(0, dtype), name))
        return _load(name, code, len(inspect.signature(function).parameters) - 1)

    return lambda like: compiled(like.dtype)


def _kept(function: FunctionType, name: str, source: Callable[[], str]) -> bytes:
    """Return a kernel's machine code, from disk if it is there."""
    if native.sources() != native.SOURCES:
        raise RuntimeError(
            "Files of fedqml have changed since this process imported them: please start it again."
        )
    name = f"{name}-{_surroundings(Path(inspect.getfile(function)))}"
    kept = _read(name)
    # a file that was cut off would crash the process
    digest, code = kept[:32], kept[32:]
    if digest and hashlib.sha256(code).digest() == digest:
        return code
    code = _compile(source())
    try:
        _folder().mkdir(parents=True, exist_ok=True)
        with replacing(_folder() / name) as temporary:
            temporary.write_bytes(hashlib.sha256(code).digest() + code)
            temporary.chmod(0o600)
    except _NO_FOLDER as error:
        warnings.warn(
            f"Compiled kernels cannot be kept ({error}): every process will compile them for some "
            "seconds. The environment variable FEDQML_CACHE names a folder for them.",
            stacklevel=2,
        )
    return code


def _folder() -> Path:
    return cache_folder() / "kernels"


def _read(name: str) -> bytes:
    """Return a file's content; nothing if it is not there, or if others could have written it."""
    try:
        with (_folder() / name).open("rb") as file:
            about = os.fstat(file.fileno())
            # Windows has neither users in this sense nor these bits
            foreign = about.st_uid != os.getuid() or about.st_mode & 0o022 if _POSIX else False
            return b"" if foreign else file.read()
    except _NO_FOLDER:
        return b""


@cache
def _surroundings(module: Path) -> str:
    """Return a digest of what the machine code of a module's kernels depends on."""
    versions = llvmlite.__version__, llvm.llvm_version_info
    processor = llvm.get_process_triple(), llvm.get_host_cpu_name(), _features()
    # users of one folder do not take each other's
    user = os.getuid() if _POSIX else 0
    about = repr((versions, processor, user, native.SOURCES)).encode()
    return hashlib.sha256(about + module.read_bytes()).hexdigest()[:32]


def _features() -> str:
    features: str = llvm.get_host_cpu_features().flatten()
    return features


def _target() -> Any:
    """Return a target machine; not one for all, as an engine owns its own and frees it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    # what is loaded into a process needs no other code than that
    relocation = "static" if target.name.startswith("x86") else "default"
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=_features(),
        opt=3,
        reloc=relocation,
        codemodel="jitdefault",
        jit=True,
    )


def _compile(source: str) -> bytes:
    machine = _target()
    with llvm.parse_assembly(source) as module:
        module.verify()
        options = llvm.create_pipeline_tuning_options(speed_level=3)
        with llvm.create_pass_builder(machine, options) as passes:
            passes.getModulePassManager().run(module, passes)
        code: bytes = machine.emit_object(module)
    return code


def _load(name: str, code: bytes, count: int) -> Callable[..., None]:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    # one argument, the address of all: to convert ten takes three times as long
    call = ctypes.CFUNCTYPE(None, ctypes.c_char_p)(engine.get_function_address(name))
    pack = struct.Struct(f"{count}q").pack

    def run(*arguments: int) -> None:
        call(pack(*arguments))

    run.owner = engine  # type: ignore[attr-defined]
    return run
