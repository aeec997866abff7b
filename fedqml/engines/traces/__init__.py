"""A training step as a list of PyTorch's operations, run without autograd and ``torch.vmap``."""
