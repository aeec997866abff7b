import pytest
import torch

from fedqml.core.attackers import attacking, checked
from fedqml.core.errors import InputError

ALL = torch.arange(100)


def test_a_fraction_of_every_cohort_is_exact_and_of_the_same_clients():
    everybody = attacking(0.29, ALL, ALL, seed=3)
    assert everybody.sum() == 29
    cohort = torch.arange(0, 100, 5)
    some = attacking(0.1, cohort, cohort, seed=3)
    assert some.sum() == 2
    assert not torch.equal(everybody, attacking(0.29, ALL, ALL, seed=4))
    # A larger fraction adds to a smaller one.
    assert (attacking(0.5, ALL, ALL, seed=3) >= everybody).all()


def test_asked_one_by_one_the_answer_is_the_same():
    together = attacking(0.3, ALL[:10], ALL[:10], seed=0)
    alone = [attacking(0.3, client[None], ALL[:10], seed=0)[0] for client in ALL[:10]]
    assert together.tolist() == alone


@pytest.mark.parametrize("attackers", [1.0, -0.1, [-1]])
def test_what_cannot_be_attackers_is_refused(attackers):
    with pytest.raises(InputError, match="`attackers` must be"):
        checked(attackers)
