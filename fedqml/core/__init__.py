"""Vectors, types, random streams and the registry that everything else stands on."""
