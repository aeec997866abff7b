"""Federations over machines: nodes that train, and the server that asks them."""
