"""Rules for updates on the clients' or the server's side: a file each."""

from fedqml.federated.transforms.client_momentum import client_momentum
from fedqml.federated.transforms.clip import clip

__all__ = ["client_momentum", "clip"]
