"""Kernels: Python functions of numbers and arrays that LLVM compiles for the processor at hand."""
