"""Rules for updates on the clients' or the server's side: a file each."""

from fedqml.federated.transforms.clip import clip

__all__ = ["clip"]
