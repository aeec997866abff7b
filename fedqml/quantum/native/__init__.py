"""The state-vector simulation as compiled code: circuits become tables, and kernels read them."""
