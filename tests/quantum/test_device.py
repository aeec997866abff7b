import pytest
import torch

from fedqml.core.errors import InputError
from fedqml.quantum import ansatze, encodings
from fedqml.quantum.device import check_arguments

PAPER = (encodings.arctan(4) + ansatze.rot_cnot(4, depth=2)).measure("Z0")


@pytest.mark.parametrize(
    ("x", "w", "message"),
    [
        (torch.zeros(()), torch.zeros(24), "Argument `x.shape` must be (*batch, 4), as"),
        (torch.zeros(4, 3), torch.zeros(24), "x.shape=(4, 3)"),
        (torch.zeros(4), torch.zeros(1, 24), "Argument `w.shape` must be (24,), as the circuit"),
        (torch.zeros(4), torch.zeros(()), "w.shape=()"),
        (torch.zeros(4, dtype=torch.int64), torch.zeros(24), "Argument `x.dtype` must be float32"),
        (torch.zeros(4), torch.zeros(24, dtype=torch.cfloat), "`w.dtype` must be float32 or"),
        (torch.zeros(4), torch.zeros(24).double(), "must equal the weights' torch.float64"),
    ],
)
def test_refuses(x, w, message):
    with pytest.raises(InputError) as error:
        check_arguments(PAPER, x, w)
    assert message in str(error.value)


def test_accepts_any_batch():
    for batch in ((), (0,), (2, 3)):
        check_arguments(PAPER, torch.zeros(*batch, 4), torch.zeros(24))
