import numpy as np
import torch

from fedqml.data.hold_out import hold_out, in_single_precision

X = np.arange(60.0).reshape(30, 2)
Y = np.arange(30) % 3
OWNERS = [f"owner {i // 6}" for i in range(30)]


def test_rows_keep_their_label_and_owner():
    data = hold_out(
        X, Y, ["a", "b", "c"], test_fraction=0.3, seed=4, standardised=False, owners=OWNERS
    )
    rows = (data.x[:, 0] / 2).long()
    held_out = (data.test[0][:, 0] / 2).long()
    assert torch.equal(data.y, rows % 3)
    assert torch.equal(data.test[1], held_out % 3)
    assert data.owners == tuple(OWNERS[i] for i in rows)
    assert sorted([*rows.tolist(), *held_out.tolist()]) == list(range(30))
    assert data.classes == ("a", "b", "c")


def test_the_training_rows_alone_decide_the_scale():
    def held(test_value):
        train, test = (X, Y), (np.full((1, 2), test_value), Y[:1])
        return in_single_precision(train, test, ["a", "b", "c"], standardised=True)

    assert torch.equal(held(0.0).x, held(1e6).x)


def test_standardised_before_it_is_rounded():
    # In single precision, 1e8 + 1 is 1e8.
    x = 1e8 + np.array([[0.0], [1.0], [2.0], [3.0]])
    y = np.array([0, 1, 0, 1])
    data = in_single_precision((x, y), (x, y), ["a", "b"], standardised=True)
    expected = (torch.arange(4.0)[:, None] - 1.5) / 1.25**0.5
    assert torch.allclose(data.x, expected, rtol=1e-6)
