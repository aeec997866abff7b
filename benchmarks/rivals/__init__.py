"""What `benchmarks/rivals.py` runs: other libraries on the same circuit, each in a process."""
