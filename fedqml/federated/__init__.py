"""Federated algebra on ``(k, d)`` matrices of updates; knows no model and no circuit."""
