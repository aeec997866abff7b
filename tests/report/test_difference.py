from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from fedqml.report.difference import differences
from tests.report.builders import compare, experiment
from tests.report.fake_results import write_run

FEDERATED = {0: 0.91, 1: 0.94, 2: 0.92}
CENTRAL = {0: 0.93, 1: 0.95, 2: 0.955}


def curves(finals: dict[int, float]) -> dict[int, list[float]]:
    return {seed: [0.5, final] for seed, final in finals.items()}


def test_paired_over_the_same_seeds(tmp_path: Path) -> None:
    (found,) = differences(compare(tmp_path, curves(FEDERATED), curves(CENTRAL)))
    theirs = scipy.stats.ttest_rel(list(FEDERATED.values()), list(CENTRAL.values()))
    expected = theirs.confidence_interval(0.95)
    assert found.paired == (0, 1, 2)
    assert found.estimate.mean == pytest.approx((-0.02 - 0.01 - 0.035) / 3)
    assert found.estimate.interval == pytest.approx((expected.low, expected.high))


def test_paired_over_the_seeds_that_both_have(tmp_path: Path) -> None:
    central = {1: 0.95, 2: 0.955, 9: 0.10}
    (found,) = differences(compare(tmp_path, curves(FEDERATED), curves(central)))
    assert found.paired == (1, 2)
    # two differences, -.01 and -.035: t(.975, 1) = 12.7062
    half = 12.706204736174698 * np.std([-0.01, -0.035], ddof=1) / np.sqrt(2)
    assert found.estimate.interval == pytest.approx((-0.0225 - half, -0.0225 + half))


@pytest.mark.parametrize("central", [{7: 0.93, 8: 0.95}, {2: 0.93, 8: 0.95}])
def test_other_seeds_are_compared_by_their_means(tmp_path: Path, central: dict[int, float]) -> None:
    (found,) = differences(compare(tmp_path, curves(FEDERATED), curves(central)))
    theirs = scipy.stats.ttest_ind(
        list(FEDERATED.values()), list(central.values()), equal_var=False
    ).confidence_interval(0.95)
    assert found.paired == ()
    assert found.estimate.interval == pytest.approx((theirs.low, theirs.high))


@pytest.mark.parametrize("central", [{0: 0.93}, {0: 0.93, 5: 0.99}])
def test_one_seed_gives_a_difference_without_interval(
    tmp_path: Path, central: dict[int, float]
) -> None:
    (found,) = differences(compare(tmp_path, curves({0: 0.91}), curves(central)))
    assert found.paired == (0,)
    assert found.estimate.mean == pytest.approx(-0.02)
    assert found.estimate.interval is None


def test_one_seed_against_another(tmp_path: Path) -> None:
    (found,) = differences(compare(tmp_path, curves({0: 0.91}), curves({1: 0.93})))
    assert found.paired == ()
    assert found.estimate.interval is None


def test_nothing_to_compare(tmp_path: Path) -> None:
    write_run(tmp_path)
    assert differences(experiment(tmp_path)) == ()
