from hypothesis import given
from hypothesis import strategies as st

from fedqml.quantum.native.frame import Frame

from ..strategies import some

N = 5
pairs = st.permutations(range(N)).map(lambda wires: tuple(wires[:2]))


@some
@given(st.lists(st.tuples(st.booleans(), pairs), max_size=20))
def test_addresses_against_permuting_basis_states(moves):
    """Follow every basis state through the gates, and look up where it started."""
    frame = Frame(N)
    states = list(range(2**N))  # the state that lies at each address
    for is_swap, (a, b) in moves:
        for address, state in enumerate(states):
            bits = [state >> (N - 1 - qubit) & 1 for qubit in range(N)]
            if is_swap:
                bits[a], bits[b] = bits[b], bits[a]
            else:
                bits[b] ^= bits[a]
            states[address] = int("".join(map(str, bits)), 2)
        (frame.exchange if is_swap else frame.flip_if)(a, b)
    addresses = {state: address for address, state in enumerate(states)}
    for qubit in range(N):
        bit = 1 << (N - 1 - qubit)
        for address, state in enumerate(states):
            assert (address & frame.reads[qubit]).bit_count() % 2 == (state & bit != 0)
            assert address ^ frame.flips[qubit] == addresses[state ^ bit]
