"""What is trained in a day is counted before it is trained, and the clock cannot undo it."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from fedqml.core.errors import InputError
from fedqml.federation.allowance import spend
from fedqml.federation.policy import Policy

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


def policy(rounds=None, epochs=None):
    data = {"use": "breast_cancer"}
    return Policy(Path("policy.toml"), data, most_rounds_a_day=rounds, most_epochs_a_day=epochs)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "today.json"


def test_rounds_of_a_day(file):
    two = policy(rounds=2)
    assert [spend(file, two, 5, MONDAY) for _ in range(2)] == [None, None]
    assert spend(file, two, 5, MONDAY) == (
        "With this round 3 rounds would be trained on 2026-11-23 (UTC), but this node accepts at "
        "most 2 a day. Go on tomorrow, or change `most_rounds_a_day` in policy.toml on the node."
    )
    assert spend(file, two, 5, TUESDAY) is None


def test_epochs_of_a_day_and_what_is_refused_does_not_count(file):
    ten = policy(epochs=10)
    assert spend(file, ten, 6, MONDAY) is None
    assert "12 epochs would be trained" in spend(file, ten, 6, MONDAY)
    assert spend(file, ten, 4, MONDAY) is None
    assert "11 epochs" in spend(file, ten, 1, MONDAY)


def test_a_clock_that_goes_back_gives_nothing(file):
    one = policy(rounds=1)
    assert spend(file, one, 1, TUESDAY) is None
    for day in (MONDAY, TUESDAY, date(1970, 1, 1)):
        assert "trained on 2026-11-24" in spend(file, one, 1, day)


def test_a_policy_changed_at_noon_counts_the_morning(file):
    assert all(spend(file, policy(), 1, MONDAY) is None for _ in range(5))
    assert "6 rounds" in spend(file, policy(rounds=5), 1, MONDAY)


def test_a_kill_after_counting_loses_nothing(file):
    script = (
        "import os, signal, datetime; from pathlib import Path\n"
        "from fedqml.federation.allowance import spend\n"
        "from fedqml.federation.policy import Policy\n"
        "policy = Policy(Path('policy.toml'), {'use': 'breast_cancer'}, most_rounds_a_day=1)\n"
        f"spend(Path({str(file)!r}), policy, 1, datetime.date(2026, 11, 23))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert "2 rounds" in spend(file, policy(rounds=1), 1, MONDAY)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"day": "x", "rounds": 0, "epochs": 0}'])
def test_a_damaged_count_gives_nothing(file, content):
    file.write_text(content)
    with pytest.raises(InputError, match="holds something else, so nothing is trained"):
        spend(file, policy(), 1, MONDAY)
