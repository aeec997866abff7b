import torch

from fedqml.data.sources import breast_cancer


def test_the_known_numbers():
    data = breast_cancer(standardise=False)
    assert data.classes == ("malignant", "benign")
    assert tuple(data.x.shape) == (455, 30)
    assert torch.bincount(data.y).tolist() == [170, 285]
    assert torch.bincount(data.test[1]).tolist() == [42, 72]
    # Mean radius of all 569 tumours in scikit-learn's description: from 6.981 to 28.11.
    radius = torch.cat([data.x[:, 0], data.test[0][:, 0]])
    assert (round(float(radius.min()), 3), round(float(radius.max()), 2)) == (6.981, 28.11)


def test_standardised_by_the_training_rows():
    data = breast_cancer()
    assert data.x.mean(0).abs().max() < 1e-5
    assert (data.x.std(0, correction=0) - 1).abs().max() < 1e-5
    assert data.test[0].mean(0).abs().max() > 0.01
