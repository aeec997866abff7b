"""A federated round, a file a library: what it is, and how it is made."""
