"""Controlled NOTs and swaps without moving an amplitude.

Such a gate permutes the basis states linearly over bits. Instead of moving amplitudes it is enough
to remember where they are: the basis state j = M i lies at the address i. A gate on qubit q then
mixes the addresses i and i ⊕ flip_q, flip_q = M⁻¹ e_q, and the qubit's value at the address i is
the parity of the bits of i that are in read_q, row q of M.
"""


class Frame:
    """Where the basis states lie.

    Args:
        n_qubits: how many; qubit 0 is the most significant bit of an address at first.

    Example:
        >>> frame = Frame(2)
        >>> frame.flip_if(0, 1)  # a controlled NOT
        >>> frame.flips, frame.reads
        ([3, 1], [2, 3])
    """

    def __init__(self, n_qubits: int) -> None:
        self.flips = [1 << (n_qubits - 1 - qubit) for qubit in range(n_qubits)]
        self.reads = list(self.flips)

    def flip_if(self, control: int, target: int) -> None:
        """Apply a controlled NOT: M -> CM, so that M⁻¹ -> M⁻¹C."""
        self.reads[target] ^= self.reads[control]
        self.flips[control] ^= self.flips[target]

    def exchange(self, first: int, second: int) -> None:
        """Apply a swap."""
        for table in (self.flips, self.reads):
            table[first], table[second] = table[second], table[first]
