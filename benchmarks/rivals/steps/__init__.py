"""A training step of the circuit, a file a library: what it is, and how it is made."""
